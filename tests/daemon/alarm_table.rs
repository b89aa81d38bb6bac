//! Each kind of alarm has one name and one text wherever somebody looks: in the status, on its page, in the twin and, by its
//! name, in the journal, at its begin and at its end.

use crate::journal::Journal;
use crate::rig::{CLIMATE, FAN, Rig, SENSOR, say};
use serde_json::json;
use std::fs;
use twind::control::alarm_kind::AlarmKind;

/// How one kind of alarm comes and goes.
struct Case {
    alarm: &'static str,
    /// Before the daemon is started.
    prepare: fn(&Rig),
    begin: fn(&Rig),
    end: fn(&Rig),
}

/// A new kind needs a case here.
fn case(kind: AlarmKind) -> Case {
    fn nothing(_: &Rig) {}
    let simple = Case { alarm: "", prepare: nothing, begin: nothing, end: |rig| rig.set_temperature("24.0") };
    match kind {
        AlarmKind::Overheat => {
            Case { alarm: "overheat-climate", begin: |rig| rig.set_temperature("70.0"), ..simple }
        }
        AlarmKind::Sensor => Case {
            alarm: "sensor-cabinet",
            begin: |rig| fs::remove_file(rig.path("temperature")).unwrap(),
            ..simple
        },
        AlarmKind::Stall => Case {
            alarm: "stall-fan",
            begin: |rig| fs::write(rig.path("board/fan.rpm"), "0\n").unwrap(),
            end: |rig| fs::write(rig.path("board/fan.rpm"), "900\n").unwrap(),
            ..simple
        },
        AlarmKind::Output => Case {
            alarm: "output-lamp",
            begin: |rig| {
                fs::remove_file(rig.path("board/lamp")).unwrap();
                fs::create_dir_all(rig.path("board/lamp/in-the-way")).unwrap();
                rig.desire(json!({"lamp": true}));
            },
            end: |rig| fs::remove_dir_all(rig.path("board/lamp")).unwrap(),
            ..simple
        },
        AlarmKind::Disk => Case {
            alarm: "disk",
            prepare: |rig| fs::write(rig.path("state"), "").unwrap(),
            end: |rig| fs::remove_file(rig.path("state")).unwrap(),
            ..simple
        },
    }
}

#[test]
fn each_alarm_has_one_name_and_one_text_in_status_page_twin_and_journal() {
    for kind in AlarmKind::ALL {
        let Case { alarm, prepare, begin, end } = case(kind);
        assert_eq!(AlarmKind::of(alarm), Some(kind));
        let rig = Rig::new();
        rig.set_temperature("24.0");
        fs::create_dir(rig.path("board")).unwrap();
        fs::write(rig.path("board/fan.rpm"), "900\n").unwrap();
        let lamp = "[outputs.lamp]\npin = 17\nproperty = \"lamp\"\n";
        rig.write_config(&format!(
            "{}{FAN}tach = {{}}\n{lamp}{SENSOR}{CLIMATE}critical = 60.0\n",
            rig.base()
        ));
        prepare(&rig);
        let Some((journal, command)) = Journal::of(&rig) else { return };
        let mut daemon = rig.spawn_as(command);
        daemon.wait_notified("READY=1");
        rig.wait_status("contact", |status| status["hub"]["synced"] == true);
        begin(&rig);

        let entry = journal.entry_with("TWIND_ALARM", |name| name == alarm);
        assert!(["3", "4"].contains(&entry["PRIORITY"].as_str()), "{entry:?}");
        assert_eq!(entry["MESSAGE_ID"].len(), 32, "{entry:?}");
        rig.wait_status(alarm, |status| status["alarms"][alarm]["text"].is_string());
        let reported = rig.wait_reported(alarm, |r| r["alarms"][alarm]["text"].is_string());
        let status = rig.status()["alarms"][alarm].clone();
        assert_eq!(status["text"], reported["alarms"][alarm]["text"], "{alarm}");
        assert_ne!(status["remedy"], "", "{alarm}");
        let page = say(&mut rig.command(&["status"]));
        assert!(page.code == 1 && page.out.contains(&format!("ALARM    {alarm} for ")), "{}", page.out);
        for part in ["text", "remedy"] {
            assert!(page.out.contains(status[part].as_str().unwrap()), "{part} of {status}: {}", page.out);
        }

        end(&rig);
        let entry = journal.entry_with("TWIND_ALARM", |name| name == alarm);
        assert_eq!(entry["PRIORITY"], "6", "{entry:?}");
        rig.wait_status("no alarm", |status| status["alarms"] == json!({}));
        rig.wait_reported("no alarm", |r| r.get("alarms").is_none());
        assert!(daemon.stop().success());
    }
}
