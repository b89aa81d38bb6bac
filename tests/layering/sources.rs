//! The sources as the rules read them.

use std::{fs, path::Path};

/// The path of each file without its ending, and its code without tests and comments; `~` stands for `super::` there.
pub(crate) fn read(folder: &Path, found: &mut Vec<(String, String)>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.to_str().unwrap().replace(concat!(env!("CARGO_MANIFEST_DIR"), "/src/"), "");
        if path.is_dir() {
            read(&path, found);
        } else if let Some(name) = name.strip_suffix(".rs").filter(|name| !name.ends_with("tests")) {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines();
            let code: Vec<_> = lines.map(|line| line.split("//").next().unwrap()).collect();
            found.push((name.replace("core/src/", ""), code.join("\n").replace("super::", "~")));
        }
    }
}
