//! Faults outside the daemon. A fault lasts from its beginning to the next calm.
//!
//! They are taken from a shuffled list, so that each one comes once in each pass through it. Deliberately absent: the
//! daemon's own ends and starts (`acts`).

use crate::backend;
use crate::disk::Trouble;
use crate::proxy::{Cut, Pace};
use crate::random::Random;
use crate::rig::DEVICE;
use crate::world::World;
use std::time::Duration;
use twinhub::{Answer, Times};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    CutClose,
    CutReset,
    HalfCloseToHub,
    HalfCloseToDevice,
    Delay,
    Throttle,
    BlackHoleThatEnds,
    BlackHoleThatStays,
    NotListening,
    HubRestart,
    Kick,
    ForgottenSession,
    Rival,
    LostNotices,
    DoubledNotices,
    SlowAnswers,
    TwinRefused,
    TwinUnanswered,
    ReportRefused,
    ReportUnanswered,
    Garbage,
    NotMqtt,
    Mute,
    BadSensor,
    FlickeringSensor,
    DiskFull,
    DiskReadOnly,
}

use Fault::*;

const ALL: [Fault; 27] = [
    CutClose,
    CutReset,
    HalfCloseToHub,
    HalfCloseToDevice,
    Delay,
    Throttle,
    BlackHoleThatEnds,
    BlackHoleThatStays,
    NotListening,
    HubRestart,
    Kick,
    ForgottenSession,
    Rival,
    LostNotices,
    DoubledNotices,
    SlowAnswers,
    TwinRefused,
    TwinUnanswered,
    ReportRefused,
    ReportUnanswered,
    Garbage,
    NotMqtt,
    Mute,
    BadSensor,
    FlickeringSensor,
    DiskFull,
    DiskReadOnly,
];

/// The two faults of a round.
pub(crate) fn of_round(seed: u64, round: u64) -> [Fault; 2] {
    [round * 2, round * 2 + 1].map(|number| {
        let length = ALL.len() as u64;
        let mut order = ALL;
        Random::new(seed ^ (number / length).wrapping_mul(0x9E6C_63D0_876A_3F4B)).shuffle(&mut order);
        order[usize::try_from(number % length).unwrap()]
    })
}

impl Fault {
    /// Begins. A fault that lasts is ended by [`World::end_faults`].
    pub(crate) fn begin(self, world: &mut World, random: &mut Random) {
        let hub = world.rig.hub.hub().clone();
        let some = Times::Next(u32::try_from(random.between(1, 3)).unwrap());
        match self {
            CutClose => world.proxy.cut(Cut::Close),
            CutReset => world.proxy.cut(Cut::Reset),
            HalfCloseToHub => world.proxy.cut(Cut::HalfToHub),
            HalfCloseToDevice => world.proxy.cut(Cut::HalfToDevice),
            Delay => world.proxy.set_pace(Pace::Delay(random.millis(20, 900))),
            Throttle => world.proxy.set_pace(Pace::Throttle(usize::try_from(random.between(3, 60)).unwrap())),
            BlackHoleThatEnds => world.proxy.set_pace(Pace::BlackHole),
            BlackHoleThatStays => world.proxy.black_hole(),
            NotListening => {
                world.proxy.set_listening(false);
                world.proxy.cut(*random.pick(&[Cut::Close, Cut::Reset]));
            }
            HubRestart => world.rig.hub.block_on(world.rig.hub.stop_listening()),
            Kick => drop(hub.kick(DEVICE)),
            ForgottenSession => {
                hub.forget_session(DEVICE);
                hub.kick(DEVICE);
            }
            Rival => world.send_rival(random),
            LostNotices => {
                world.notices_lost = true;
                hub.faults().drop_desired(some);
            }
            DoubledNotices => hub.faults().duplicate_desired(some),
            SlowAnswers => hub.faults().delay_answers(random.millis(100, 2000)),
            TwinRefused => {
                hub.faults().answer_twin_get(refusal(random), some);
                hub.kick(DEVICE);
            }
            TwinUnanswered => {
                hub.faults().answer_twin_get(silence(random), Times::Next(1));
                hub.kick(DEVICE);
            }
            ReportRefused => hub.faults().answer_reported(refusal(random), some),
            ReportUnanswered => hub.faults().answer_reported(silence(random), Times::Next(1)),
            Garbage => garbage(world, random),
            NotMqtt => {
                let bytes: Vec<u8> = (0..random.between(1, 200)).map(|_| random.next() as u8).collect();
                // Reserved packet types (MQTT 3.1.1, 2.2.1), so that it is never a valid message.
                let bytes = [vec![*random.pick(&[0x00, 0xF0, 0x0F])], bytes].concat();
                hub.send_bytes(DEVICE, bytes);
            }
            Mute => hub.faults().mute(true),
            BadSensor => {
                let reading = backend::bad_reading(random);
                world.set_sensor(reading);
            }
            FlickeringSensor => {
                for _ in 0..random.between(2, 6) {
                    let reading = if random.one_in(2) {
                        backend::bad_reading(random)
                    } else {
                        backend::reading(random)
                    };
                    world.set_sensor(reading);
                    std::thread::sleep(random.millis(20, 300));
                }
            }
            DiskFull => world.break_disk(Trouble::Full),
            DiskReadOnly => world.break_disk(Trouble::ReadOnly),
        }
    }
}

/// A refusal for now, with each status that a hub uses for it.
fn refusal(random: &mut Random) -> Answer {
    Answer::Status(*random.pick(&[429, 500, 503]))
}

fn silence(random: &mut Random) -> Answer {
    random.pick(&[Answer::Ignored, Answer::Lost, Answer::Close, Answer::ServeThenClose]).clone()
}

fn garbage(world: &World, random: &mut Random) {
    let hub = world.rig.hub.hub();
    let topics = [
        "$iothub/twin/PATCH/properties/desired/?$version=",
        "$iothub/twin/PATCH/properties/desired/?$version=999999",
        "$iothub/twin/PATCH/properties/desired/more/?x",
        "$iothub/twin/res/200/?$rid=999999",
        "$iothub/twin/res/204/?$rid=0",
        "$iothub/twin/res/abc/?$rid=1",
        "devices/MyTwinDevice/messages/devicebound/x",
    ];
    // None of these can be applied: there is no version, or one that may not follow, or no document.
    let payloads: [&[u8]; 8] = [
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        b"",
        b"{\"fanOn\":true,\"$version\":999999}",
        b"{\"fanOn\":[null],\"$version\":999999}",
        b"{\"a b\":1,\"$version\":999999}",
        b"null",
    ];
    for _ in 0..random.between(1, 5) {
        let (topic, payload): (&str, &[u8]) = (*random.pick(&topics), *random.pick(&payloads));
        hub.publish_raw(DEVICE, topic, payload);
        std::thread::sleep(Duration::from_millis(random.below(50)));
    }
    if random.one_in(4) {
        hub.publish_raw(DEVICE, topics[1], vec![b'x'; 2 << 20]);
    }
}
