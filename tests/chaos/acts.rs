//! What is done to the daemon's process, and what must hold right after.

use crate::proxy::Cut;
use crate::random::Random;
use crate::rig::{DEVICE, eventually};
use crate::world::World;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Act {
    /// `kill -9`, and a start without a hub.
    KillOffline,
    /// `kill -9`, and a start into whatever goes on.
    Kill,
    /// SIGTERM and a start.
    Terminate,
}

impl Act {
    pub(crate) fn pick(random: &mut Random) -> Self {
        *random.pick(&[Self::KillOffline, Self::KillOffline, Self::Kill, Self::Terminate])
    }

    pub(crate) fn perform(self, world: &mut World, random: &mut Random) {
        world.timeline.note(&format!("{self:?}"));
        let life = world.life.take().unwrap();
        match self {
            Self::KillOffline => {
                world.log_lines += life.kill();
                world.proxy.set_listening(false);
                world.proxy.cut(Cut::Close);
                let acknowledged = last_acknowledged(world);
                world.timeline.note(&format!("the hub knows of version {acknowledged}"));
                world.start_life();
                world.check_offline_start(acknowledged);
                if random.one_in(2) {
                    world.proxy.set_listening(true);
                }
            }
            Self::Kill => {
                world.log_lines += life.kill();
                world.start_life();
            }
            Self::Terminate => {
                world.log_lines += life.stop();
                let stopped = || world.rig.drive("fan").filter(|drive| *drive == 0);
                eventually("the stop row", stopped, || format!("{:?}", world.rig.drive("fan")));
                world.start_life();
            }
        }
    }
}

/// What the hub was told last. What the dead process had sent may still be on its way; seeing less of it would only
/// ask less of the next one, so the wait is short.
fn last_acknowledged(world: &World) -> u64 {
    let hub = world.rig.hub.hub();
    let end = Instant::now() + Duration::from_secs(2);
    while hub.is_connected(DEVICE) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    hub.reported(DEVICE).unwrap()["desiredVersion"].as_u64().unwrap_or(0)
}
