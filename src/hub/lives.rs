//! What a row of short lives means: the two troubles that MQTT cannot say.
//!
//! A *short life* is a session that the hub ended without a word less than [`SHORT`] after it came up. One says
//! nothing. Several in a row are how a device sees throttling and a spent daily quota (the connection is dropped
//! shortly after it was made: IoT Hub's error codes 403002 and 429001, azure-iot-sdk-java#377), and how it sees a
//! second client with its identity, because each of the two throws the other out (400027, azure-iot-sdk-csharp#3357).
//! What tells them apart is whether the hub served: with a rival every connection works at once, until it is taken.
//! Deliberately absent: time and waits, which are `dial`'s.

use core::fmt;
use core::time::Duration;

/// A session that ended sooner was short. Stock clients that are thrown out are back within this.
pub const SHORT: Duration = Duration::from_secs(60);
/// So many short lives in a row are a pattern.
const ROW: u32 = 3;

/// What a row of short lives has in common. The greater is the surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// The hub ended them, and that is all there is to see.
    Throttled,
    /// Each one worked until it was taken away, and the next could be had at once.
    Rival,
}

impl Pattern {
    /// What to tell a person who has to mend it.
    pub fn advice(self, device_id: &str) -> Advice<'_> {
        Advice { pattern: self, device_id }
    }
}

/// A pattern in words.
#[derive(Clone, Copy, Debug)]
pub struct Advice<'a> {
    pattern: Pattern,
    device_id: &'a str,
}

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = self.device_id;
        match self.pattern {
            Pattern::Throttled => write!(
                f,
                "the hub ends each connection without a word soon after it is made: it throttles, its daily quota is \
                 used up, or a second client uses the identity {device}; look at the hub's metrics and at who else has \
                 this device's credentials. Connecting less often until it holds"
            ),
            Pattern::Rival => write!(
                f,
                "another client uses the identity {device}: every connection works at once and is taken away again \
                 soon. Stop the other client, or register a device of its own for it. Connecting less often until \
                 then"
            ),
        }
    }
}

/// The last lives.
#[derive(Clone, Debug, Default)]
pub(super) struct Lives {
    /// Short ones in a row.
    short: u32,
    /// Those among the last of them that were served, and followed by a connection at once.
    served: u32,
}

impl Lives {
    /// An attempt failed: a rival does not explain that.
    pub(super) fn handle_attempt_failed(&mut self) {
        self.served = 0;
    }

    /// A session ended.
    pub(super) fn handle_ended(&mut self, lasted: Duration, served: bool, without_a_word: bool) {
        if !without_a_word {
            *self = Self::default();
        } else if lasted < SHORT {
            self.short = self.short.saturating_add(1);
            self.served = if served { self.served.saturating_add(1) } else { 0 };
        }
    }

    /// What they have in common.
    pub(super) fn pattern(&self) -> Option<Pattern> {
        match self {
            Self { short, .. } if *short < ROW => None,
            Self { served, .. } if *served < ROW => Some(Pattern::Throttled),
            Self { .. } => Some(Pattern::Rival),
        }
    }

    /// How many there were since the pattern was complete.
    pub(super) fn beyond(&self) -> u32 {
        self.short.saturating_sub(ROW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIEF: Duration = Duration::from_secs(3);

    fn after(lives: &[(Duration, bool, bool)]) -> Option<Pattern> {
        let mut all = Lives::default();
        for (lasted, served, without_a_word) in lives {
            all.handle_ended(*lasted, *served, *without_a_word);
        }
        all.pattern()
    }

    #[test]
    fn three_short_lives_are_a_pattern_and_two_are_none() {
        assert_eq!(after(&[(BRIEF, false, true); 2]), None);
        assert_eq!(after(&[(BRIEF, false, true); 3]), Some(Pattern::Throttled));
        assert_eq!(after(&[(BRIEF, true, true); 3]), Some(Pattern::Rival));
    }

    #[test]
    fn a_single_life_without_service_makes_the_rival_a_guess_again() {
        assert_eq!(
            after(&[(BRIEF, true, true), (BRIEF, false, true), (BRIEF, true, true)]),
            Some(Pattern::Throttled)
        );
    }

    #[test]
    fn a_connection_that_could_not_be_had_at_once_speaks_against_a_rival() {
        let mut lives = Lives::default();
        for _ in 0..4 {
            lives.handle_ended(BRIEF, true, true);
            lives.handle_attempt_failed();
        }
        assert_eq!(lives.pattern(), Some(Pattern::Throttled));
    }

    #[test]
    fn an_end_with_a_reason_breaks_the_row_and_a_longer_life_does_not_lengthen_it() {
        let short = (BRIEF, true, true);
        assert_eq!(after(&[short, short, (BRIEF, true, false), short]), None);
        assert_eq!(after(&[short, short, (SHORT, true, true)]), None);
        assert_eq!(after(&[short, short, (SHORT, true, true), short]), Some(Pattern::Rival));
    }

    #[test]
    fn the_advice_names_the_identity() {
        for pattern in [Pattern::Throttled, Pattern::Rival] {
            assert!(pattern.advice("cabinet-7").to_string().contains("uses the identity cabinet-7"));
        }
    }
}
