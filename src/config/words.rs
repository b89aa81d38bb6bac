//! Words of a file: which allowed word was probably meant, and how an unknown one is shown.
//!
//! Case, hyphens and underscores are ignored, and names that other programs use are known ([`ALIASES`]). They are suggested and not
//! accepted: a file says each thing in one way.

use super::codes::{Code, Reason};

/// What people write for a word of ours, as [`plain`] writes it. A word is only offered where it is allowed.
const ALIASES: [(&str, &[&str]); 27] = [
    ("w1", &["ds18b20", "ds18s20", "ds1820", "1wire", "onewire", "w1gpio", "w1therm", "dallas"]),
    (
        "iio",
        &["bme280", "bmp280", "bme680", "dht11", "dht22", "am2302", "sht31", "mcp3008", "ads1115", "adc"],
    ),
    ("hwmon", &["lm75", "lm75a", "tmp102", "sht3x", "sht21", "nct6775", "coretemp", "lmsensors"]),
    ("thermal-zone", &["thermal", "cputhermal", "cpu", "soc"]),
    (
        "gpio",
        &["contact", "switch", "button", "door", "reed", "float", "input", "digital", "gpiod", "libgpiod"],
    ),
    ("pull-up", &["up", "high"]),
    ("pull-down", &["down", "low"]),
    ("file", &["path", "text", "script", "command", "simulated"]),
    ("rppal", &["raspberrypi", "raspberry", "rpi", "pi", "rpigpio", "bcm", "bcm2835", "pigpio", "wiringpi"]),
    ("gpiochip", &["libgpiod", "gpiod", "gpio", "chardev", "sysfs", "linux"]),
    (
        "simulated",
        &["sim", "simulator", "simulation", "fake", "mock", "dummy", "files", "file", "none", "test"],
    ),
    ("pnp", &["plugandplay", "iotplugandplay", "iotpnp", "dtdl"]),
    ("plain", &["json", "default", "simple", "none"]),
    ("websocket", &["ws", "wss", "websockets", "mqttws", "mqttoverwebsocket", "443", "https"]),
    ("mqtt", &["mqtts", "tcp", "tls", "8883", "amqp"]),
    ("celsius", &["centigrade", "degc", "metric"]),
    ("fahrenheit", &["degf", "imperial"]),
    ("max", &["maximum", "highest", "warmest", "hottest"]),
    ("mean", &["average", "avg", "median"]),
    ("first-good", &["first", "fallback", "failover", "priority"]),
    ("on", &["true", "yes", "enable", "enabled", "full", "high", "1"]),
    ("off", &["false", "no", "none", "disable", "disabled", "low", "0", "stop", "stopped"]),
    ("keep", &["hold", "last", "stay", "same", "unchanged", "asis"]),
    ("auto", &["automatic", "climate", "control"]),
    ("overheat", &["overheating", "critical", "heat", "temperature", "hot"]),
    ("stall", &["stalled", "fan", "tach", "tachometer"]),
    ("output", &["pin", "line", "gpio"]),
];

/// The keys whose values are drives.
const ROWS: [&str; 6] = ["start", "stop", "crash", "sensor-fault", "overheat", "drive"];

/// Is a drive written behind this key?
pub(super) fn is_row(key: &str) -> bool {
    ROWS.contains(&key)
}

/// The start of a foreign text, fit for one line of a message. It may be a secret that was written into the wrong place.
pub(super) fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    let text = super::secrets::masked(text);
    let mut short: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}

/// The candidate that was probably meant.
pub(super) fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str> + Clone) -> Option<&'c str> {
    // The measure is quadratic, and no name of ours is long.
    if name.len() > 64 {
        return None;
    }
    let written = plain(name);
    if let Some(same) = candidates.clone().find(|candidate| plain(candidate) == written) {
        return Some(same);
    }
    // The first measure likes a common start (`host-nam` for `host-name`), the second sees one slip in a short word.
    let near = |score: f64, candidate: &str| {
        score >= 0.8 || (candidate.len() >= 3 && strsim::osa_distance(name, candidate) == 1)
    };
    candidates
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(score, candidate)| near(*score, candidate))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// The allowed word that was probably meant, also by what it is called elsewhere.
pub(super) fn meant<'c>(word: &str, allowed: &[&'c str]) -> Option<&'c str> {
    let written = plain(word);
    let named = |allowed: &str| {
        ALIASES.iter().any(|(ours, others)| *ours == allowed && others.contains(&written.as_str()))
    };
    let same = allowed.iter().find(|candidate| plain(candidate) == written);
    let alias = || allowed.iter().find(|candidate| named(candidate));
    same.or_else(alias).copied().or_else(|| nearest(&word.to_ascii_lowercase(), allowed.iter().copied()))
}

/// What to say of a word that is none of those allowed.
pub(super) fn unknown_word(word: &str, allowed: &[&str]) -> Reason {
    let found = format_args!("\"{}\"", shorten(word));
    Code::UnknownWord.must_be(format_args!("one of {}", quoted(allowed)), found).and(hint(word, allowed))
}

/// `; did you mean "…"?`, if there is one to offer.
pub(super) fn hint(word: &str, allowed: &[&str]) -> String {
    meant(word, allowed).map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default()
}

/// A list of words as a file would write them.
pub(super) fn quoted(words: &[&str]) -> String {
    let list: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    list.join(", ")
}

/// The same, with "or" before the last.
pub(super) fn either(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => quoted(&[only]),
        [others @ .., last] => format!("{} or {}", quoted(others), quoted(&[last])),
    }
}

/// A word without what makes no difference to who wrote it.
pub(super) fn plain(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_hyphens_and_other_names_lead_to_the_word() {
        let drivers = ["rppal", "gpiochip", "simulated"];
        for (written, word) in [
            ("RPPAL", "rppal"),
            ("raspberry-pi", "rppal"),
            ("Gpio_Chip", "gpiochip"),
            ("simulate", "simulated"),
        ] {
            assert_eq!(meant(written, &drivers), Some(word), "{written}");
        }
        assert_eq!(meant("zzz", &drivers), None);
        assert_eq!(meant("ds18b20", &drivers), None, "a word is offered where it is allowed");
    }

    #[test]
    fn each_other_name_is_written_plainly_and_leads_to_one_word() {
        for (word, others) in ALIASES {
            for other in others {
                assert_eq!(plain(other), *other);
                assert_eq!(meant(other, &[word]), Some(word));
            }
        }
    }
}
