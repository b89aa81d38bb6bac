//! An answer of the provisioning service: the first line is the topic, the rest is the body. If the topic cannot be read,
//! the body is taken as that of a success.

use super::{assert_fit_for_a_log, assert_fit_for_a_topic, first_line};
use core::time::Duration;
use twind::hub::azure::Assignment;
use twind::hub::azure::dps::{self, Answer, Progress};

/// See the module.
pub fn run(bytes: &[u8]) {
    let (topic, body) = first_line(bytes);
    let read = core::str::from_utf8(topic).ok().and_then(dps::parse);
    let answer = read.unwrap_or(Answer { status: 200, rid: 1, retry: Duration::from_secs(2) });
    let waits = Duration::from_secs(1)..=Duration::from_secs(3600);
    assert!(waits.contains(&answer.retry), "{answer:?}");
    let Answer { status, rid, retry } = answer;
    let again = format!("$dps/registrations/res/{status}/?$rid={rid}&retry-after={}", retry.as_secs());
    assert_eq!(dps::parse(&again), Some(answer));
    match dps::read(answer, body) {
        Ok(Progress::Assigned(assignment)) => assert_can_be_dialled(&assignment),
        Ok(Progress::Assigning { operation, retry }) => {
            assert!(waits.contains(&retry));
            assert!(!operation.contains(['&', '=', '/', '?']), "{operation:?} says more than a name");
            assert_fit_for_a_topic(&operation);
        }
        Err(fault) => assert_fit_for_a_log(&fault.to_string()),
    }
}

/// Both names become part of a user name, a token and a topic.
pub(super) fn assert_can_be_dialled(assignment: &Assignment) {
    let Assignment { host, device_id } = assignment;
    assert!(!host.is_empty() && host.len() <= 253, "{host:?}");
    assert!(host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')), "{host:?}");
    assert!(!device_id.is_empty() && device_id.len() <= 128, "{device_id:?}");
    assert!(device_id.chars().all(|c| c.is_ascii_graphic() && c != '/'), "{device_id:?}");
}
