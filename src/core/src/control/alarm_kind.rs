//! The kinds of alarms: how their names begin, what a person can do, and which of them stand. An output may follow them.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// What an alarm is about. The name of an alarm is that of its kind, and that of its thing if there can be several:
/// `sensor-roof`, `disk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AlarmKind {
    /// A climate is above `critical`.
    Overheat,
    /// An output cannot be driven.
    Output,
    /// A fan does not turn.
    Stall,
    /// A sensor has no valid reading.
    Sensor,
    /// The record cannot be stored.
    Disk,
}

impl AlarmKind {
    /// All kinds, those first that need a person soonest.
    pub const ALL: [Self; 5] = [Self::Overheat, Self::Output, Self::Stall, Self::Sensor, Self::Disk];

    /// Its word, with which the names of its alarms begin.
    pub fn name(self) -> &'static str {
        match self {
            Self::Overheat => "overheat",
            Self::Output => "output",
            Self::Stall => "stall",
            Self::Sensor => "sensor",
            Self::Disk => "disk",
        }
    }

    /// The name of its alarm of a thing.
    pub fn alarm_of(self, thing: &str) -> String {
        format!("{}-{thing}", self.name())
    }

    /// The thing of the alarm of this name, if it is of this kind.
    pub fn thing_of(self, alarm: &str) -> Option<&str> {
        alarm.strip_prefix(self.name())?.strip_prefix('-')
    }

    /// The kind of the alarm of this name.
    pub fn of(alarm: &str) -> Option<Self> {
        let word = alarm.split('-').next()?;
        Self::ALL.into_iter().find(|kind| kind.name() == word)
    }

    /// How long its fault must be over before it is cleared; `None` if that follows from more than the time. It is as
    /// long as a retry takes, and longer than it takes to find out that a fan does not turn, so that a fault that returns is one
    /// alarm.
    pub fn settles_after(self) -> Option<Duration> {
        match self {
            Self::Output | Self::Stall | Self::Disk => Some(Duration::from_secs(30)),
            // The end of an overheat lies below its begin, and a sensor must be read well for its own `stale-after`.
            Self::Overheat | Self::Sensor => None,
        }
    }

    /// What a person can do, as the end of a sentence.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Overheat => {
                "find what heats it, and see whether the outputs that should help do their work"
            }
            Self::Output => {
                "free or connect the line that it names; twind check --hardware says what is missing"
            }
            Self::Stall => {
                "see whether the fan is blocked or unplugged, or the wire of its tachometer is off"
            }
            Self::Sensor => {
                "see whether it is connected and powered; twind check --hardware reads each sensor once"
            }
            Self::Disk => "make room, or make the state directory writable again",
        }
    }
}

/// The kinds of the alarms that stand, as of the last time that alarms were raised and cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The kinds.
    pub kinds: BTreeSet<AlarmKind>,
    /// Every sensor has been read, or has had the time for it: what stands has been raised.
    pub are_known: bool,
}

impl Standing {
    /// Of some kinds, the first that stands.
    pub fn first_of(&self, kinds: &[AlarmKind]) -> Option<AlarmKind> {
        AlarmKind::ALL.into_iter().find(|kind| kinds.contains(kind) && self.kinds.contains(kind))
    }

    /// Does it mean the same as the other for what follows these kinds?
    pub fn is_same_for(&self, other: &Self, kinds: &[AlarmKind]) -> bool {
        let meaning = |of: &Self| (of.first_of(kinds), of.are_known);
        kinds.is_empty() || meaning(self) == meaning(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_alarm_tells_its_kind() {
        assert_eq!(AlarmKind::of("sensor-north-roof"), Some(AlarmKind::Sensor));
        assert_eq!(AlarmKind::of("disk"), Some(AlarmKind::Disk));
        assert_eq!(AlarmKind::Sensor.thing_of("sensor-north-roof"), Some("north-roof"));
        assert_eq!(AlarmKind::Sensor.thing_of("sensors-roof"), None);
        assert_eq!(AlarmKind::Stall.thing_of(&AlarmKind::Stall.alarm_of("fan")), Some("fan"));
        assert_eq!(AlarmKind::of("sensors-roof"), None);
        for kind in AlarmKind::ALL {
            assert_eq!(AlarmKind::of(&alloc::format!("{}-x", kind.name())), Some(kind));
        }
    }
}
