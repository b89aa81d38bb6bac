//! Connecting: the wall clock is judged, a token is signed by it, and the hub accepts the token or refuses it.
//!
//! The judgement of the clock is twind's own (`ClockSanity`). The hub does what IoT Hub does: it accepts a token until five
//! minutes after its expiry. Deliberately absent: what is sent over the connection (`wire`).

use crate::presets::{ms, secs};
use crate::world::{Event, World};
use core::time::Duration;
use twind::engine::Input;
use twind::twin::{ClockSanity, Dated, HubEvent, TwinRecord};
use twind::units::UnixSeconds;

/// How long a token is valid.
const LIFETIME: Duration = secs(3600);
/// The clock skew that the hub tolerates.
const SKEW: Duration = secs(300);
/// A difference that needs no word.
const CLOCK_TOLERANCE_S: u64 = 2;
/// How often a clock that is not believed is looked at again.
const CLOCK_LOOK: Duration = secs(5);

impl World {
    /// What the machine's wall clock shows, right or wrong.
    pub(crate) fn wall(&self) -> UnixSeconds {
        if self.has_wall {
            UnixSeconds(self.true_wall().saturating_add_signed(self.wall_off_secs))
        } else {
            // It was never set.
            UnixSeconds(self.boot().since_boot().as_secs())
        }
    }

    pub(crate) fn true_wall(&self) -> u64 {
        self.begin + self.now.as_secs()
    }

    pub(crate) fn dated(&self) -> Dated {
        (self.wall(), self.boot())
    }

    /// The process takes the known time from its record.
    pub(crate) fn recall_time(&mut self, record: Option<&TwinRecord>) {
        self.sanity = ClockSanity::after(record.map_or(UnixSeconds(0), |record| record.known_time));
    }

    /// Tells the core that the clock was set, as the service does (`service::Daemon::take_clock`).
    pub(crate) fn tell_clock(&mut self) -> Result<(), String> {
        let Some(engine) = &self.engine else { return Ok(()) };
        let shown = self.machine_at(engine.known_time()).wall;
        let is_as_told = match (shown, engine.wall(self.boot())) {
            (Some((shown, _)), Some(told)) => shown.0.abs_diff(told.0) <= CLOCK_TOLERANCE_S,
            (shown, told) => shown.is_none() && told.is_none(),
        };
        if is_as_told {
            return Ok(());
        }
        self.say(|| format!("the clock shows {:?}", shown.map(|(wall, _)| wall.0)));
        self.oracle.handle_clock(self.now, shown);
        self.input(Input::Clock(shown))
    }

    pub(crate) fn try_to_connect(&mut self) -> Result<(), String> {
        if self.engine.is_none() || self.net.up {
            return Ok(());
        }
        if self.now < self.hub.closed_until && !self.calm {
            let wait = self.net.next_attempt(true);
            self.plan(self.now + wait, Event::Connect);
            return Ok(());
        }
        // Where the hub can be reached there may be a time server, too.
        self.has_wall |= self.calm || self.rng.chance(400);
        let (dated, is_right) = (self.dated(), self.has_wall && self.wall_off_secs == 0);
        if self.sanity.judge(dated).is_err() {
            self.say(|| format!("the wall clock, {}, is not believed", dated.0.0));
            self.oracle.handle_doubt(self.now, is_right)?;
            self.plan(self.now + CLOCK_LOOK, Event::Connect);
            return Ok(());
        }
        self.oracle.handle_token(dated.0)?;
        let ends = Duration::from_secs(dated.0.0).saturating_add(LIFETIME + SKEW);
        if ends.as_secs() <= self.true_wall() {
            self.say(|| "the hub refuses the token: it has expired".into());
            let wait = self.rng.between((secs(5), secs(60)));
            self.plan(self.now + wait, Event::Connect);
            return Ok(());
        }
        self.oracle.handle_taken(is_right);
        self.connect(dated)
    }

    fn connect(&mut self, dated: Dated) -> Result<(), String> {
        self.net.connect();
        let connection = self.net.connection;
        let lasts = if self.hub.cuts { self.rng.between((ms(50), secs(4))) } else { self.net.until_cut() };
        self.say(|| format!("connection {connection} is up"));
        self.plan(self.now + lasts, Event::Cut(connection));
        self.oracle.handle_up(self.now, self.hub.generation());
        let is_known = self.sanity.accept(dated, Some(LIFETIME));
        if is_known && self.engine.is_some() {
            self.oracle.handle_dated(self.now, dated);
            self.input(Input::Wall(dated))?;
        }
        self.input(Input::Hub(HubEvent::Up))
    }
}
