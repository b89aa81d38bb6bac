//! What a message and its records hold, and what there is without the table.

use super::{
    BRISK, CALM, THINGS, configure, got, lives, mark, records, reload, ring_files, site, wait_got, wait_mark,
    wait_sent,
};
use crate::rig::{CLIMATE, Rig, SENSOR};
use serde_json::{Value, json};
use std::fs;
use std::time::SystemTime;
use twinhub::Message;

fn seconds(text: &str) -> u64 {
    let time = humantime::parse_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn without_time(record: &Value) -> Value {
    let mut record = record.clone();
    record.as_object_mut().unwrap().remove("time").unwrap();
    record
}

fn is_about(message: &Message, alarm: &str, raised: bool) -> bool {
    message.property("alarm") == Some(alarm) && records(message)[0]["raised"] == raised
}

#[test]
fn every_sensor_climate_and_output_has_its_record_in_each_sample_with_its_time() {
    let rig = site(BRISK);
    // Its range is in another unit.
    let climate = CLIMATE.replace("min = 20.0, max = 28.0", "min = 68.0, max = 82.4");
    let text = fs::read_to_string(rig.path("twind.toml")).unwrap();
    rig.write_config(&text.replace(CLIMATE, &format!("{climate}unit = \"fahrenheit\"\n")));
    let began = now();
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 250);
    mark(&rig, 35);
    wait_mark(&rig, 35);
    let marked = got(&rig).len();
    let messages = wait_got(&rig, "more of it", |messages| messages.len() > marked + 2);
    let lives = lives(&messages);
    assert_eq!(lives.len(), 1);
    lives[0].assert_whole();
    let samples = lives[0].samples(&THINGS);
    let last: Vec<_> = samples.last().unwrap().iter().map(without_time).collect();
    let expected = [
        json!({"sensor": "cabinet", "temperature": 22}),
        json!({"sensor": "roof", "humidity": 40.5}),
        json!({"climate": "climate", "temperature": 22, "minTemperature": 20, "maxTemperature": 28, "regime": "in-range"}),
        json!({"output": "fan", "dutyPercent": 25, "cause": "climate"}),
        json!({"output": "lamp", "dutyPercent": 35, "cause": "override"}),
    ];
    assert_eq!(last, expected);
    // The override has a record of its own, which no sample made.
    let lamps = lives[0].records().iter().filter(|record| super::is_mark(record, 35)).count();
    let sampled = samples.iter().filter(|sample| super::is_mark(&sample[4], 35)).count();
    assert_eq!(lamps, sampled + 1);

    for message in lives[0].messages.values() {
        let arrived = seconds(&message.enqueued_time);
        let created = seconds(message.creation_time().unwrap());
        assert!(created <= arrived, "{message:?}");
        for record in records(message) {
            // The second of a moment is no later than the moment.
            let time = seconds(record["time"].as_str().unwrap());
            assert!((began.saturating_sub(2)..=created).contains(&time), "{record} in {message:?}");
        }
        assert!(message.body.starts_with(b"[{\"time\":\""), "{message:?}");
        assert_eq!(message.system("content-type"), Some("application/json"));
        assert_eq!(message.system("content-encoding"), Some("utf-8"));
        assert!(message.application.is_empty(), "{message:?}");
        assert!(message.qos == 1 && message.pieces() == 1 && !message.is_will(), "{message:?}");
    }
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

#[test]
fn the_begin_and_the_end_of_an_alarm_are_messages_of_their_own_that_wait_for_nothing() {
    // The other records of this daemon are never sent: their time does not come.
    let rig = site("\n[telemetry]\ninterval = \"1s\"\nsend-every = \"24h\"\n");
    let _daemon = rig.start_synced();
    fs::rename(rig.path("roof"), rig.path("away")).unwrap();
    let begin =
        wait_got(&rig, "its begin", |messages| messages.iter().any(|one| is_about(one, "sensor-roof", true)));
    fs::rename(rig.path("away"), rig.path("roof")).unwrap();
    let end =
        wait_got(&rig, "its end", |messages| messages.iter().any(|one| is_about(one, "sensor-roof", false)));
    let find = |messages: &[std::sync::Arc<Message>], raised| {
        messages.iter().find(|one| is_about(one, "sensor-roof", raised)).unwrap().clone()
    };
    let (begin, end) = (find(&begin, true), find(&end, false));
    let [begun, ended] = [&begin, &end].map(|message| records(message));
    let text = begun[0]["text"].as_str().unwrap();
    assert!(text.contains("sensor roof has no valid reading"), "{text}");
    assert_eq!(
        begun.iter().map(without_time).collect::<Vec<_>>(),
        [json!({"alarm": "sensor-roof", "raised": true, "text": text})]
    );
    assert_eq!(
        ended.iter().map(without_time).collect::<Vec<_>>(),
        [json!({"alarm": "sensor-roof", "raised": false})]
    );
    for (message, records) in [(&begin, &begun), (&end, &ended)] {
        assert_eq!(
            message.application.iter().collect::<Vec<_>>(),
            [(&"alarm".to_owned(), &"sensor-roof".to_owned())]
        );
        assert_eq!(message.creation_time(), records[0]["time"].as_str());
    }
    assert!(begun[0]["time"].as_str() < ended[0]["time"].as_str());
}

#[test]
fn without_alarms_the_records_of_a_lost_sensor_alone_tell_of_it() {
    let rig = site(&format!("{BRISK}alarms = false\n"));
    let _daemon = rig.start_synced();
    fs::remove_file(rig.path("roof")).unwrap();
    rig.wait_status("the alarm", |status| status["alarms"]["sensor-roof"].is_object());
    let is_lost = |record: &Value| without_time(record) == json!({"sensor": "roof", "fault": "missing"});
    let messages =
        wait_got(&rig, "the fault", |messages| messages.iter().any(|one| records(one).iter().any(is_lost)));
    mark(&rig, 30);
    wait_mark(&rig, 30);
    for message in messages.iter().chain(&got(&rig)) {
        assert!(message.application.is_empty(), "{message:?}");
        assert!(records(message).iter().all(|record| record.get("alarm").is_none()), "{message:?}");
    }
}

#[test]
fn without_the_table_nothing_is_sent_and_nothing_is_written() {
    let rig = site("");
    let daemon = rig.start_synced();
    fs::remove_file(rig.path("roof")).unwrap();
    rig.wait_reported("the alarm", |told| told["alarms"]["sensor-roof"].is_object());
    super::lose_hub(&rig);
    rig.wait_status("no link", |status| status["hub"]["synced"] == false);
    mark(&rig, 30);
    rig.hub.resume_listening().unwrap();
    rig.wait_reported("what happened meanwhile", |told| told["components"]["lamp"]["dutyPercent"] == 30);
    assert_eq!(rig.status().get("telemetry").cloned().unwrap_or_default(), Value::Null);
    assert!(daemon.stop().success());
    assert_eq!((got(&rig).len(), ring_files(&rig)), (0, Vec::new()));
    assert_eq!(rig.hub.hub().metered(crate::rig::DEVICE).messages, 0);
}

#[test]
fn with_a_link_and_prompt_acknowledgements_nothing_is_written_in_a_minute_of_samples() {
    let rig = site("");
    let daemon = rig.start_synced();
    // There is a link before the first sample.
    reload(&rig, BRISK);
    let count = || lives(&got(&rig)).iter().map(|life| life.samples(&THINGS).len()).sum::<usize>();
    let find = || {
        assert_eq!(ring_files(&rig), [""; 0]);
        (count() >= 60).then_some(())
    };
    crate::rig::eventually_within(super::PATIENCE, "sixty samples", find, || format!("{:#}", rig.status()));
    assert_eq!(super::duplicates(&got(&rig)), 0);
    assert!(daemon.stop().success());
    // Numbers never fall: a segment that was there before had taken the first.
    let left = ring_files(&rig);
    assert!(left.is_empty() || left == ["messages.00000001"], "{left:?}");
}

#[test]
fn an_orderly_stop_keeps_the_open_batch_and_no_record_is_missing_after_the_restart() {
    let rig = site("\n[telemetry]\ninterval = \"1s\"\nsend-every = \"24h\"\n");
    let daemon = rig.start_synced();
    // A full batch is sent at once, so this waits for some samples.
    wait_got(&rig, "a full message", |messages| !messages.is_empty());
    mark(&rig, 45);
    // The record is in the batch by now: the answer comes after it.
    assert!(daemon.stop().success());
    assert!(!super::ids_on_disk(&rig).is_empty());
    configure(&rig, CALM);
    let _daemon = rig.start_synced();
    wait_mark(&rig, 45);
    wait_sent(&rig);
    let lives = lives(&got(&rig));
    lives[0].assert_whole();
    let all = lives[0].records();
    // The fan's and the lamp's stop rows are the last things that this process did.
    let mark = all.iter().position(|record| super::is_mark(record, 45)).unwrap();
    assert!(all.len() - mark <= 2 + THINGS.len(), "{:?}", &all[mark..]);
    assert!(lives[0].samples(&THINGS).len() > 1);
}

#[test]
fn a_site_of_one_sensor_and_no_climate_has_their_records_alone() {
    let rig = Rig::new();
    rig.write_config(&format!("{}{}{SENSOR}{BRISK}", rig.base(), super::LAMP));
    let _daemon = rig.start();
    let messages = wait_got(&rig, "two messages", |messages| messages.len() > 2);
    let lives = lives(&messages);
    let samples = lives[0].samples(&[("sensor", "cabinet"), ("output", "lamp")]);
    assert!(samples.len() > 1);
    assert!(lives[0].records().iter().all(|record| record.get("climate").is_none()));
}
