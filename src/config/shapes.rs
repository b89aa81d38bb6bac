//! How each table of the file is written, for messages about something else in its place.

/// Tables within another: the path, with `*` for names that a person chooses, and an example.
const INNER: [(&str, &str); 11] = [
    (
        "hub.provisioning",
        "[hub.provisioning] in a line of its own, and below it id-scope, registration-id and key-file",
    ),
    ("report.deadband", "deadband = { temperature = 0.5, humidity = 2.0 }"),
    ("outputs.*", "[outputs.NAME] in a line of its own, and below it what it is wired to, such as pin = 17"),
    ("outputs.*.pwm", "pwm = { channel = 0 }"),
    ("outputs.*.tach", "tach = { pin = 24 }"),
    ("outputs.*.when", "when = { sensor-fault = \"on\", stop = \"off\" }"),
    (
        "outputs.*.when.hub-silent",
        "hub-silent = { after = \"24h\", drive = \"auto\" }, or leave it out for no such row",
    ),
    ("climate.range", "range = { min = 20.0, max = 28.0 }"),
    ("climate.limits", "limits = { min = 5.0, max = 45.0 }, or leave it out for none"),
    ("climates.*.range", "range = { min = 20.0, max = 28.0 }"),
    ("climates.*.limits", "limits = { min = 5.0, max = 45.0 }, or leave it out for none"),
];

/// How the table at this path is written.
pub(super) fn of_table(pattern: &str) -> String {
    match INNER.iter().find(|(path, _)| *path == pattern) {
        Some((_, shape)) => (*shape).to_owned(),
        None if matches!(pattern, "outputs" | "sensors" | "climates") => {
            format!("[{pattern}.NAME], one for each")
        }
        None => format!("[{pattern}] in a line of its own, and its keys below it"),
    }
}
