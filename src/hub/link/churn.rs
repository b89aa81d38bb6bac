//! Session churn: problems that MQTT cannot report, inferred from a row of short sessions.
//!
//! A *short session* is one that the hub ended without a reason less than [`SHORT`] after it came up. One alone means nothing.
//! Several in a row are how a device sees throttling and a spent daily quota (the connection is dropped shortly after it was made:
//! IoT Hub's error codes 403002 and 429001, azure-iot-sdk-java#377), a second client with its identity, since each of the two
//! disconnects the other (400027, azure-iot-sdk-csharp#3357), and a link that a carrier's address translation resets. They differ
//! in whether the hub served and how soon the session ended: with a rival every connection works at once and ends at once. Three
//! such sessions are a suspicion, six in a row are practically certain. Times and waits are in `backoff`.

use core::fmt;
use core::time::Duration;

/// A session that ended sooner was short. Stock clients that were disconnected are back within this.
pub const SHORT: Duration = Duration::from_secs(60);
/// A session that ended sooner ended at once.
const AT_ONCE: Duration = Duration::from_secs(15);
/// The number of short sessions in a row that make a pattern …
const ROW: u32 = 3;
/// … and the number that ended at once which make it a rival.
const SURE_ROW: u32 = 6;

/// What a row of short sessions has in common. The greater is the surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// The hub ended them before it answered anything.
    Throttled,
    /// They worked and did not last.
    Suspected,
    /// Each one worked and ended at once, and the next could be opened at once.
    Rival,
}

impl Pattern {
    /// The message for the person who has to fix it.
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
                "the hub ends each connection without a reason soon after it is made: it throttles, its daily quota is \
                 used up, or a second client uses the identity {device}; look at the hub's metrics and at who else has \
                 this device's credentials. Connecting less often until it holds, every two minutes at least"
            ),
            Pattern::Suspected => write!(
                f,
                "each connection works and ends without a reason within a minute: perhaps another client uses the \
                 identity {device}, perhaps the network on the way cuts it (a carrier's address translation does). If \
                 it goes on, look at who else has this device's credentials. Connecting again, every two minutes at \
                 least"
            ),
            Pattern::Rival => write!(
                f,
                "another client uses the identity {device}: {SURE_ROW} connections in a row worked at once and \
                 ended again at once. Stop the other client, or register a device of its own for it. Connecting \
                 less often until then, every two minutes at least"
            ),
        }
    }
}

/// The last sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Churn {
    /// Short ones in a row.
    short: u32,
    /// Those among the last of them that were not served.
    unserved: u32,
    /// Those among the last of them that were served, taken away at once, and followed by a connection at once.
    taken: u32,
}

impl Churn {
    /// An attempt failed, which a rival does not explain.
    pub(super) fn handle_attempt_failed(&mut self) {
        self.taken = 0;
    }

    /// A session ended.
    pub(super) fn handle_ended(&mut self, lasted: Duration, served: bool, without_a_word: bool) {
        if !without_a_word {
            *self = Self::default();
        } else if lasted < SHORT {
            let count = |row: u32, goes_on: bool| if goes_on { row.saturating_add(1) } else { 0 };
            self.short = self.short.saturating_add(1);
            self.unserved = count(self.unserved, !served);
            self.taken = count(self.taken, served && lasted < AT_ONCE);
        } else {
            // Not a short one, and so not taken away at once either.
            self.taken = 0;
        }
    }

    /// What they have in common.
    pub(super) fn pattern(&self) -> Option<Pattern> {
        match self {
            Self { short, .. } if *short < ROW => None,
            Self { taken, .. } if *taken >= SURE_ROW => Some(Pattern::Rival),
            Self { unserved, .. } if *unserved >= ROW => Some(Pattern::Throttled),
            Self { .. } => Some(Pattern::Suspected),
        }
    }

    /// The number of sessions since the pattern was clear, for patterns in which connecting at the usual pace does harm: it uses up a
    /// quota or disconnects the other client.
    pub(super) fn beyond(&self) -> Option<u32> {
        match self.pattern()? {
            Pattern::Throttled => Some(self.unserved.saturating_sub(ROW)),
            Pattern::Suspected => None,
            Pattern::Rival => Some(self.taken.saturating_sub(SURE_ROW)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIEF: Duration = Duration::from_secs(3);

    fn after(sessions: &[(Duration, bool, bool)]) -> Option<Pattern> {
        let mut all = Churn::default();
        for (lasted, served, without_a_word) in sessions {
            all.handle_ended(*lasted, *served, *without_a_word);
        }
        all.pattern()
    }

    #[test]
    fn three_short_sessions_are_a_suspicion_two_are_none_and_six_are_a_rival() {
        for (count, served, pattern) in [
            (2, false, None),
            (3, false, Some(Pattern::Throttled)),
            (2, true, None),
            (3, true, Some(Pattern::Suspected)),
            (5, true, Some(Pattern::Suspected)),
            (6, true, Some(Pattern::Rival)),
        ] {
            assert_eq!(after(&vec![(BRIEF, served, true); count]), pattern, "{count} {served}");
        }
    }

    #[test]
    fn sessions_of_which_one_was_not_served_or_not_taken_at_once_are_no_rivals_work() {
        let short = (BRIEF, true, true);
        for odd in [(BRIEF, false, true), (AT_ONCE, true, true)] {
            assert_eq!(after(&[short, short, odd, short, short, short]), Some(Pattern::Suspected), "{odd:?}");
        }
    }

    #[test]
    fn a_connection_that_could_not_be_had_at_once_speaks_against_a_rival() {
        let mut sessions = Churn::default();
        for _ in 0..20 {
            sessions.handle_ended(BRIEF, true, true);
            sessions.handle_attempt_failed();
        }
        assert_eq!(sessions.pattern(), Some(Pattern::Suspected));
    }

    #[test]
    fn an_end_with_a_reason_breaks_the_row_and_a_longer_session_does_not_lengthen_it() {
        let short = (BRIEF, true, true);
        assert_eq!(after(&[short, short, (BRIEF, true, false), short]), None);
        assert_eq!(after(&[short, short, (SHORT, true, true)]), None);
        assert_eq!(after(&[short, short, (SHORT, true, true), short]), Some(Pattern::Suspected));
    }

    #[test]
    fn a_session_of_more_than_a_minute_breaks_the_row_that_a_rival_is_told_by() {
        let short = [(BRIEF, true, true); 5];
        let mut sessions = short.to_vec();
        sessions.push((SHORT, true, true));
        sessions.extend(short);
        assert_eq!(after(&sessions), Some(Pattern::Suspected));
        sessions.push((BRIEF, true, true));
        assert_eq!(after(&sessions), Some(Pattern::Rival));
    }

    #[test]
    fn the_advice_names_the_identity_and_a_suspicion_says_that_it_is_one() {
        for pattern in [Pattern::Throttled, Pattern::Suspected, Pattern::Rival] {
            assert!(pattern.advice("cabinet-7").to_string().contains("uses the identity cabinet-7"));
        }
        let suspicion = Pattern::Suspected.advice("d").to_string();
        assert!(suspicion.contains("perhaps another client uses the identity d"), "{suspicion}");
    }
}
