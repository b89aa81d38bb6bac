//! Messages about what was found where a number should be, and what is probably meant.

use super::Plausibility;
use core::time::Duration;

/// The most characters of a text that are shown.
const SHOWN_MAX: usize = 40;

/// A text that is no number.
pub(super) fn text(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return "nothing: it is empty".to_owned();
    }
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    let more = if text.chars().nth(SHOWN_MAX).is_some() { " and more" } else { "" };
    format!("{shown:?}{more}{}", meant(text))
}

fn meant(text: &str) -> &'static str {
    let is_number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let pointed = text.replacen(',', ".", 1);
    let first = pointed.split_whitespace().next().unwrap_or_default();
    let bare = first.trim_end_matches(|c: char| c.is_alphabetic() || matches!(c, '°' | '%'));
    match (is_number(&pointed), is_number(bare)) {
        (true, _) => "; a number has a decimal point here",
        (false, true) => "; the number alone is wanted, without its unit",
        (false, false) => "",
    }
}

/// A file that is older than it may be.
pub(super) fn unwritten(most: Duration) -> String {
    format!("a file that nobody has written for longer than max-age, {}", humantime::format_duration(most))
}

/// A number outside of what the sensor can measure.
pub(super) fn out_of_range(value: f64, rules: &Plausibility) -> String {
    let (lowest, highest) = rules.valid;
    let thousandth = value / 1000.0;
    let hint = if value.abs() >= 1000.0 && (lowest..=highest).contains(&thousandth) {
        format!("; if it counts thousandths, `scale = 0.001` makes {thousandth} of it")
    } else {
        String::new()
    };
    format!("{value}, outside {lowest} to {highest}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_with_what_is_wrong_with_it() {
        for (found, told) in [
            ("23,5\n", "\"23,5\"; a number has a decimal point here"),
            ("23.5 C\n", "\"23.5 C\"; the number alone is wanted, without its unit"),
            ("23,5°C", "\"23,5°C\"; the number alone is wanted, without its unit"),
            ("55%", "\"55%\"; the number alone is wanted, without its unit"),
            (" \n", "nothing: it is empty"),
            ("warm", "\"warm\""),
            ("nan", "\"nan\""),
        ] {
            assert_eq!(text(found), told);
        }
    }

    #[test]
    fn a_foreign_text_moves_no_cursor_and_is_not_told_at_length() {
        assert_eq!(text("\u{1b}[2J\u{202e}x"), "\"\\u{1b}[2J\\u{202e}x\"");
        assert!(text(&"é".repeat(200)).chars().count() < 60);
    }

    #[test]
    fn a_number_that_would_do_in_thousandths_is_told_so() {
        let rules =
            Plausibility { valid: (-55.0, 125.0), max_step: None, reject: vec![], frozen_repeats: None };
        let told = out_of_range(23500.0, &rules);
        assert_eq!(
            told,
            "23500, outside -55 to 125; if it counts thousandths, `scale = 0.001` makes 23.5 of it"
        );
        assert_eq!(out_of_range(-300.0, &rules), "-300, outside -55 to 125");
        assert_eq!(out_of_range(1e9, &rules), "1000000000, outside -55 to 125");
    }
}
