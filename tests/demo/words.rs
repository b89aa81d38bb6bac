//! What may follow `cargo demo`. The door and the story both read it.

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The help.
    Help,
    /// A story.
    Story(Asked),
}

/// How a story is to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// One of [`SITES`], or the tutorial's enclosure.
    pub(crate) site: Option<String>,
    /// Lines, though there is a terminal.
    pub(crate) plain: bool,
    /// Everything stays up afterwards.
    pub(crate) stay: bool,
}

/// The sites of the worked examples.
pub(crate) const SITES: [&str; 3] = ["cabinet", "greenhouse", "rooms"];

pub(crate) const USAGE: &str = "usage: cargo demo [-- [--site NAME] [--plain] [--stay]]";

pub(crate) const HELP: &str = "\
The demonstration: twind holds an enclosure in its range, with a stand-in hub and a simulated fan. It plays the patches
of the tutorial's back end. Then it pulls the network, kills the daemon and breaks the sensor.

usage: cargo demo [-- [--site NAME] [--plain] [--stay]]

  --site NAME   a worked example of the handbook instead: cabinet, greenhouse or rooms
  --plain       lines that follow each other, as in a pipe, instead of the live screen
  --stay        everything stays up afterwards, and the commands to try on it are printed
  --help        this help

Colours are off with NO_COLOR. A terminal that cannot be drawn on (TERM=dumb) gets lines.
Exit status: 0 everything went as it should, 1 something did not, 64 wrong usage, 130 Ctrl-C.";

/// Reads the words; the error says which of them makes no sense.
pub(crate) fn read(words: impl IntoIterator<Item = String>) -> Result<Wanted, String> {
    let mut asked = Asked::default();
    // Both `cargo demo --stay` and `cargo demo -- --stay` are understood.
    let mut words = words.into_iter().filter(|word| word != "--");
    while let Some(word) = words.next() {
        match word.as_str() {
            "--help" | "-h" | "help" => return Ok(Wanted::Help),
            "--plain" => asked.plain = true,
            "--stay" => asked.stay = true,
            "--site" => {
                let known = SITES.join(", ");
                let name = words.next().ok_or_else(|| format!("--site needs a name: one of {known}"))?;
                if !SITES.contains(&name.as_str()) {
                    return Err(format!("there is no site {name:?}: name one of {known}"));
                }
                asked.site = Some(name);
            }
            _ => return Err(format!("{word:?} is not known")),
        }
    }
    Ok(Wanted::Story(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &str) -> Result<Wanted, String> {
        read(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn words_are_understood_with_or_without_the_two_dashes_before_them() {
        let rooms = Asked { site: Some("rooms".to_owned()), plain: true, stay: true };
        assert_eq!(of("-- --site rooms --stay --plain"), Ok(Wanted::Story(rooms.clone())));
        assert_eq!(of("--plain --stay --site rooms"), Ok(Wanted::Story(rooms)));
        assert_eq!(of(""), Ok(Wanted::Story(Asked::default())));
        assert_eq!((of("-- --help"), of("--stay -h")), (Ok(Wanted::Help), Ok(Wanted::Help)));
    }

    #[test]
    fn what_makes_no_sense_is_named_with_what_would() {
        assert_eq!(of("--quick"), Err("\"--quick\" is not known".to_owned()));
        for words in ["--site", "--site roof"] {
            assert!(of(words).unwrap_err().contains("cabinet, greenhouse, rooms"), "{words}");
        }
    }

    #[test]
    fn the_help_has_each_site_and_the_usage() {
        assert!(HELP.contains(USAGE));
        assert!(SITES.iter().all(|site| HELP.contains(site)));
    }
}
