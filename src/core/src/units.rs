//! Values that cannot be wrong: each type holds one quantity in one unit and is checked when it is made.
//!
//! *Boot time* is the time since the machine booted, including suspend (CLOCK_BOOTTIME). It never steps, so every deadline
//! in twind is a boot time. *Unix seconds* are wall-clock time, for tokens and for timestamps that people read.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A temperature in degrees Celsius; always finite.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Celsius(f64);

impl Celsius {
    /// A finite number of degrees; `None` for NaN and the infinities.
    pub fn new(degrees: f64) -> Option<Self> {
        degrees.is_finite().then_some(Self(degrees))
    }

    /// Degrees Celsius.
    pub fn degrees(self) -> f64 {
        self.0
    }
}

/// The unit in which a temperature is written, by a person or by the back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TemperatureUnit {
    /// Degrees Celsius.
    #[default]
    Celsius,
    /// Degrees Fahrenheit.
    Fahrenheit,
    /// Kelvin.
    Kelvin,
}

impl TemperatureUnit {
    /// Parses a unit's name, also `"farenheit"`, as Microsoft's tutorial spells it.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "celsius" | "c" | "°c" => Some(Self::Celsius),
            "fahrenheit" | "farenheit" | "f" | "°f" => Some(Self::Fahrenheit),
            "kelvin" | "k" => Some(Self::Kelvin),
            _ => None,
        }
    }

    /// The unit's name as configuration and reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Celsius => "celsius",
            Self::Fahrenheit => "fahrenheit",
            Self::Kelvin => "kelvin",
        }
    }

    /// The unit's symbol.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Celsius => "°C",
            Self::Fahrenheit => "°F",
            Self::Kelvin => "K",
        }
    }

    /// A number in this unit as a temperature; `None` if it is not finite or lies below absolute zero.
    pub fn to_celsius(self, value: f64) -> Option<Celsius> {
        let degrees = match self {
            Self::Celsius => value,
            Self::Fahrenheit => (value - 32.0) * 5.0 / 9.0,
            Self::Kelvin => value - 273.15,
        };
        Celsius::new(degrees).filter(|c| c.degrees() >= -273.15 - 1e-9)
    }

    /// A temperature as a number in this unit.
    pub fn from_celsius(self, temperature: Celsius) -> f64 {
        match self {
            Self::Celsius => temperature.degrees(),
            Self::Fahrenheit => temperature.degrees() * 9.0 / 5.0 + 32.0,
            Self::Kelvin => temperature.degrees() + 273.15,
        }
    }

    /// A temperature *difference* in this unit, in kelvin.
    pub fn difference_to_kelvin(self, value: f64) -> f64 {
        match self {
            Self::Celsius | Self::Kelvin => value,
            Self::Fahrenheit => value * 5.0 / 9.0,
        }
    }
}

/// A share of full drive in thousandths, 0 to 1000. It is an integer, so that two of them compare exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Permille(u16);

impl Permille {
    /// Off.
    pub const ZERO: Self = Self(0);
    /// Full drive.
    pub const FULL: Self = Self(1000);

    /// A share from 0 to 1000; `None` above.
    pub fn new(permille: u16) -> Option<Self> {
        (permille <= 1000).then_some(Self(permille))
    }

    /// The nearest share to a percentage from 0 to 100; `None` outside and for NaN.
    pub fn from_percent(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then(|| Self::saturating(percent * 10.0))
    }

    /// The nearest share to a number of thousandths, clamped to 0 and 1000; NaN is 0.
    pub fn saturating(permille: f64) -> Self {
        // The cast takes NaN to 0.
        Self(permille.round().clamp(0.0, 1000.0) as u16)
    }

    /// A share from a constant, clamped to 1000.
    pub const fn saturating_const(permille: u16) -> Self {
        Self(if permille > 1000 { 1000 } else { permille })
    }

    /// Thousandths of full drive.
    pub fn get(self) -> u16 {
        self.0
    }

    /// Per cent of full drive.
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 10.0
    }

    /// Is it off?
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// Time since boot, including suspend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct BootTime(Duration);

impl BootTime {
    /// The moment of boot.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// A moment this long after boot.
    pub const fn from_boot(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    /// How long after boot.
    pub const fn since_boot(self) -> Duration {
        self.0
    }

    /// How long after `earlier`; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl core::ops::Add<Duration> for BootTime {
    type Output = Self;
    /// A later moment; it saturates.
    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

impl fmt::Display for BootTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}s after boot", self.0.as_secs_f64())
    }
}

/// Identifies a boot of the machine: boot times of different boots cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootId(pub u128);

impl BootId {
    /// Parses 32 hexadecimal digits, with or without the hyphens of a UUID.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
        // The parser alone would accept a sign, too.
        let is_hex = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| u128::from_str_radix(&digits, 16).ok()).flatten().map(Self)
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Wall-clock seconds since 1970-01-01T00:00:00Z. For the expiry of tokens and for timestamps that people and the hub read;
/// never for a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct UnixSeconds(pub u64);

impl UnixSeconds {
    /// As RFC 3339 writes it in UTC: `2026-11-27T14:00:00Z`.
    pub fn rfc3339(self) -> String {
        let (days, second) = (self.0 / 86_400, self.0 % 86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        // The civil date, counted in eras of 400 years that begin on 1 March of year 0.
        let day = days + 719_468;
        let (era, day_of_era) = (day / 146_097, day % 146_097);
        let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year + 400 * era + u64::from(month <= 2);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_eight_fahrenheit_is_twenty_celsius() {
        let t = TemperatureUnit::parse("farenheit").and_then(|u| u.to_celsius(68.0));
        assert!((t.unwrap().degrees() - 20.0).abs() < 1e-9);
    }

    #[test]
    fn a_temperature_survives_the_conversion_to_each_unit_and_back() {
        for unit in [TemperatureUnit::Celsius, TemperatureUnit::Fahrenheit, TemperatureUnit::Kelvin] {
            let there = unit.from_celsius(Celsius::new(21.5).unwrap());
            assert!((unit.to_celsius(there).unwrap().degrees() - 21.5).abs() < 1e-9, "{unit:?}");
            assert_eq!(TemperatureUnit::parse(unit.name()), Some(unit));
        }
    }

    #[test]
    fn a_value_that_is_no_temperature_is_refused() {
        assert_eq!(Celsius::new(f64::NAN), None);
        assert_eq!(TemperatureUnit::Kelvin.to_celsius(-1.0), None);
        assert_eq!(TemperatureUnit::parse("rankine"), None);
    }

    #[test]
    fn a_share_is_clamped_between_zero_and_full() {
        assert_eq!(Permille::saturating(f64::NAN), Permille::ZERO);
        assert_eq!(Permille::saturating(5000.0), Permille::FULL);
        assert_eq!(Permille::from_percent(41.2).map(Permille::get), Some(412));
        assert_eq!(Permille::from_percent(100.1), None);
        assert_eq!(Permille::new(1001), None);
    }

    #[test]
    fn a_boot_id_is_parsed_from_its_uuid() {
        let boot = BootId::parse("0e5f3a52-7e10-4cbb-9e9c-1b6d3c1f0a77\n");
        assert_eq!(boot.map(|boot| boot.to_string()).as_deref(), Some("0e5f3a527e104cbb9e9c1b6d3c1f0a77"));
        assert_eq!(BootId::parse("+e5f3a527e104cbb9e9c1b6d3c1f0a77"), None);
        assert_eq!(BootId::parse("0e5f"), None);
    }

    #[test]
    fn a_wall_clock_time_is_written_as_rfc_3339_writes_it() {
        for seconds in (0..9_000_000_000).step_by(12_345_677).chain([951_782_400, 951_868_799, 4_107_542_400])
        {
            let time = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(UnixSeconds(seconds).rfc3339(), humantime::format_rfc3339_seconds(time).to_string());
        }
    }

    #[test]
    fn time_does_not_run_backwards() {
        let late = BootTime::from_boot(Duration::from_secs(5));
        assert_eq!(BootTime::ZERO.since(late), Duration::ZERO);
        assert_eq!(late.since(BootTime::ZERO), Duration::from_secs(5));
    }
}
