//! JSON given on the command line: the text itself, or `@FILE` for a file's content.

use super::Failure;
use serde_json::Value;

/// The number of characters of a line that a message shows.
const SHOWN: usize = 70;

/// Reads the JSON given to the option called `option`.
pub(crate) fn json(option: &str, text: &str) -> Result<Value, Failure> {
    let content = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Failure::Usage(format!("{option}: cannot read {file}: {error}")))?,
        None => text.to_owned(),
    };
    serde_json::from_str(&content).map_err(|error| Failure::Usage(why(option, &content, &error)))
}

/// The fault with its place in the line, and how to quote JSON in a shell.
fn why(option: &str, content: &str, error: &serde_json::Error) -> String {
    let line = content.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    // Only the part of a long line around the fault is shown. The error's column counts bytes.
    let at = line.char_indices().take_while(|(at, _)| at + 1 < error.column()).count();
    let skipped = at.saturating_sub(SHOWN / 2);
    let shown: String =
        line.chars().skip(skipped).take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let caret = format!("{}^", " ".repeat(at - skipped));
    let what = if error.is_eof() { "it ends too early" } else { "it cannot be read from here on" };
    format!(
        "{option} is no JSON: {what} (line {}, column {}):\n  {shown}\n  {caret}\n\
         texts and keys stand in double quotes, and in a shell the whole in single ones: \
         {option} '{{\"fanOn\": true}}'; or name a file: {option} @FILE",
        error.line(),
        error.column()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        json("--desired", text).unwrap_err().to_string()
    }

    #[test]
    fn bad_json_is_shown_with_its_place_and_how_to_write_it() {
        let said = told("{fanOn:true}");
        assert!(said.contains("(line 1, column 2):\n  {fanOn:true}\n   ^\n"), "{said}");
        assert!(said.contains("--desired '{\"fanOn\": true}'") && !said.contains("expected ident"), "{said}");
        assert!(told("true x").contains("  true x\n       ^"), "{}", told("true x"));
        assert!(told("{").contains("it ends too early"));
        assert!(told(&format!("[\"{}\" x]", "ä".repeat(500))).lines().all(|line| line.chars().count() < 200));
        assert!(told("fanOn").contains("  fanOn\n"), "{}", told("fanOn"));
    }
}
