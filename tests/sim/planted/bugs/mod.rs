//! The bugs that are planted, each as a change to one place of one function.
//!
//! They are mistakes that users of similar programs report, and mistakes that twind itself has made. Deliberately
//! absent: bugs that nobody outside could notice.
//!
//! - `item` is the function, by its type and name, `Sync::fetch`; where another has the same name, with as many of its
//!   modules as it takes, `alarms::standing`.
//! - `find` is an expression, an arm of a `match` or some statements, which stand in that function once. `$name` stands
//!   for any identifier, and has to be used for private fields, which may be renamed; `...` stands for any tokens.
//! - `plant` replaces it. There `PLANTED` means "this bug is the one in force", `FOUND` is what `find` found, and each
//!   `$name` is what it stood for.

mod climates;
mod control;
mod durability;
mod sensors;
mod telemetry;
mod told;
mod twin;

use crate::planting::Bug;

pub(crate) fn all() -> impl Iterator<Item = &'static Bug> {
    [control::BUGS, climates::BUGS, told::BUGS, sensors::BUGS, durability::BUGS, twin::BUGS, telemetry::BUGS]
        .into_iter()
        .flatten()
}
