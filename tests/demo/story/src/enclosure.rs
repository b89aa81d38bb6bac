//! A small thermal model of an enclosure: electronics heat it, the walls leak, the fan blows warm air out.
//!
//! One heat capacity, one temperature.

use crate::plant::Model;

const HEAT_W: f64 = 55.0;
const MORE_HEAT_W: f64 = 80.0;
const OUTSIDE_C: f64 = 12.0;
const START_C: f64 = 21.0;
const LEAK_W_PER_K: f64 = 1.5;
const FAN_W_PER_K: f64 = 9.0;
const CAPACITY_J_PER_K: f64 = 2500.0;

/// The enclosure of the tutorial's story.
pub(crate) struct Enclosure {
    /// The present temperature, in degrees Celsius.
    pub(crate) temperature: f64,
    hottest: f64,
    heat_w: f64,
    sensor_is_lost: bool,
}

impl Enclosure {
    /// As it is when the story begins.
    pub(crate) fn new() -> Self {
        Self { temperature: START_C, hottest: START_C, heat_w: HEAT_W, sensor_is_lost: false }
    }

    /// The highest temperature since the last call, in degrees Celsius.
    pub(crate) fn take_hottest(&mut self) -> f64 {
        std::mem::replace(&mut self.hottest, self.temperature)
    }

    /// The electronics have more to do.
    pub(crate) fn work_harder(&mut self) {
        self.heat_w = MORE_HEAT_W;
    }

    /// The sensor breaks, or is mended.
    pub(crate) fn lose_sensor(&mut self, lost: bool) {
        self.sensor_is_lost = lost;
    }
}

impl Model for Enclosure {
    fn step(&mut self, seconds: f64, drive: &dyn Fn(&str) -> f64) {
        let out_w = (LEAK_W_PER_K + FAN_W_PER_K * drive("fan")) * (self.temperature - OUTSIDE_C);
        self.temperature += (self.heat_w - out_w) / CAPACITY_J_PER_K * seconds;
        self.hottest = self.hottest.max(self.temperature);
    }

    fn readings(&self) -> Vec<(&'static str, Option<f64>)> {
        vec![("temperature", (!self.sensor_is_lost).then_some(self.temperature))]
    }
}
