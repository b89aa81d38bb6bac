//! Ends and starts of the daemon, and what must hold right after them.

use crate::proxy::Cut;
use crate::random::Random;
use crate::rig::{DEVICE, eventually};
use crate::world::World;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Act {
    /// `kill -9`, and a start without a hub.
    KillOffline,
    /// `kill -9`, and a start while the faults go on.
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
        let process = world.process.take().unwrap();
        match self {
            Self::KillOffline => {
                world.log_lines += process.kill();
                world.proxy.set_listening(false);
                world.proxy.cut(Cut::Close);
                let acknowledged = last_acknowledged(world);
                world.timeline.note(&format!("the hub knows of version {acknowledged}"));
                world.start_process();
                world.check_offline_start(acknowledged);
                if random.one_in(2) {
                    world.proxy.set_listening(true);
                }
            }
            Self::Kill => {
                world.log_lines += process.kill();
                world.start_process();
            }
            Self::Terminate => {
                world.log_lines += process.stop();
                let stopped = || world.rig.drive("fan").filter(|drive| *drive == 0);
                eventually("the stop row", stopped, || format!("{:?}", world.rig.drive("fan")));
                world.start_process();
            }
        }
    }
}

/// What was reported to the hub last. The killed process may have sent more, which is still on its way. To miss some of
/// that would only weaken what is checked, so the wait is short.
fn last_acknowledged(world: &World) -> u64 {
    let hub = world.rig.hub.hub();
    let end = Instant::now() + Duration::from_secs(2);
    while hub.is_connected(DEVICE) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    hub.reported(DEVICE).unwrap()["desiredVersion"].as_u64().unwrap_or(0)
}
