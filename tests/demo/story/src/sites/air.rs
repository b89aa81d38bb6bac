//! Water in air, by the Magnus formula over water.

const E0_HPA: f64 = 6.112;
const A: f64 = 17.62;
const B_C: f64 = 243.12;

/// The vapour pressure of saturated air, in hPa.
pub(super) fn saturation_hpa(celsius: f64) -> f64 {
    E0_HPA * (A * celsius / (B_C + celsius)).exp()
}

/// The temperature at which vapour of this pressure, in hPa, condenses, in degrees Celsius.
pub(super) fn dew_point_c(vapour_hpa: f64) -> f64 {
    let logarithm = (vapour_hpa / E0_HPA).ln();
    B_C * logarithm / (A - logarithm)
}

/// The relative humidity in per cent.
pub(super) fn humidity_percent(vapour_hpa: f64, celsius: f64) -> f64 {
    (100.0 * vapour_hpa / saturation_hpa(celsius)).min(100.0)
}
