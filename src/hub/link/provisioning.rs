//! Asking the provisioning service which hub the device belongs to: register, then ask until it is done.
//!
//! It uses one session, closed with a DISCONNECT. Topics and bodies are in `azure::dps`; `azure::account` stores the answer.

use super::failure::Cause;
use crate::hub::azure::dps::{self, Progress};
use crate::hub::azure::{self, Assignment, Provisioning, ProvisioningFault, Token};
use crate::hub::wire::{Delivery, Heard, Login, Session, WireFault};
use crate::hub::{Clock, Message};
use core::time::Duration;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

/// The stock clients wait as long for each answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// An assignment by a custom webhook may take its time; the next attempt finds it done. At the pace at which a service
/// is asked that names none, this is five minutes …
const QUESTIONS_MAX: u32 = 150;
/// … and whatever pace it names, after this the device registers again.
const ASSIGNING_MAX: Duration = Duration::from_secs(3600);
const GRACE: Duration = Duration::from_secs(2);

/// Asks over `wire`.
pub(super) async fn ask<W>(
    by: &Provisioning,
    token: Option<&Token>,
    (keep_alive, model_id): (Duration, Option<&str>),
    wire: W,
    clock: Arc<dyn Clock>,
) -> Result<Assignment, Cause>
where
    W: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let login = Login {
        client_id: &by.registration_id,
        user_name: azure::registration_user_name(&by.id_scope, &by.registration_id),
        password: token.map(Token::expose),
        keep_alive,
        clean: true,
    };
    let mut session =
        Session::open(&login, &[dps::FILTER], wire, clock, |_, _| {}).await.map_err(|fault| match fault {
            // The service need not mean the same by its codes as an IoT Hub.
            WireFault::Refused { code, .. } => Cause::Provisioning(ProvisioningFault::Connect(code)),
            other => Cause::Wire(other),
        })?;
    let outcome = converse(&mut session, &by.registration_id, model_id).await;
    session.close(GRACE).await;
    outcome
}

async fn converse(
    session: &mut Session,
    registration_id: &str,
    model_id: Option<&str>,
) -> Result<Assignment, Cause> {
    let mut rid = 1;
    let mut message = dps::register(rid, registration_id, model_id);
    let (mut operation, mut questions, mut waited) = (None, 0, Duration::ZERO);
    loop {
        let (next, retry) = match (exchange(session, rid, &message).await?, operation.take()) {
            (Ok(Progress::Assigned(assignment)), _) => return Ok(assignment),
            (Ok(Progress::Assigning { operation, retry }), _) => (operation, retry),
            // The registration goes on, even if a question about it fails.
            (
                Err(ProvisioningFault::Throttled(retry) | ProvisioningFault::Trouble(_, retry)),
                Some(operation),
            ) => (operation, retry),
            (Err(fault), _) => return Err(Cause::Provisioning(fault)),
        };
        if questions == QUESTIONS_MAX || waited >= ASSIGNING_MAX {
            return Err(Cause::Provisioning(ProvisioningFault::Endless));
        }
        sleep(retry).await;
        (questions, waited, rid) = (questions + 1, waited + retry, rid + 1);
        message = dps::ask_state(rid, &next);
        operation = Some(next);
    }
}

/// Sends a question and waits for its answer.
async fn exchange(
    session: &mut Session,
    rid: u64,
    message: &Message,
) -> Result<Result<Progress, ProvisioningFault>, Cause> {
    session.publish(message, Delivery::Acknowledged(rid));
    let answer = async {
        loop {
            if let Heard::Published { topic, payload } = session.next().await?
                && let Some(answer) = dps::parse(&topic).filter(|answer| answer.rid == rid)
            {
                return Ok(dps::read(answer, &payload));
            }
        }
    };
    timeout(ANSWER_TIMEOUT, answer).await.unwrap_or(Err(Cause::RegistrationTimeout))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::Stopped;
    use super::*;
    use crate::hub::{Identity, Secret};
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::Instant;

    fn publish(rid: usize, status: u16, retry_after: u64, body: &Value) -> Vec<u8> {
        let topic = format!("$dps/registrations/res/{status}/?$rid={rid}&retry-after={retry_after}");
        let body = body.to_string();
        let length = 2 + topic.len() + body.len();
        assert!((128..16_384).contains(&length));
        let length = [(length % 128) as u8 | 128, (length / 128) as u8];
        let topic_length = [0, u8::try_from(topic.len()).unwrap()];
        [&[0x30][..], &length, &topic_length, topic.as_bytes(), body.as_bytes()].concat()
    }

    /// A service that says so often that it is assigning, and to be asked again after so many seconds.
    async fn serve(mut wire: DuplexStream, assigning: usize, retry_after: u64) {
        wire.write_all(&[0x20, 2, 0, 0, 0x90, 3, 0, 1, 0]).await.unwrap();
        let (mut heard, mut asked) = ([0; 4096], 0);
        while let Ok(count @ 1..) = wire.read(&mut heard).await {
            let text = String::from_utf8_lossy(&heard[..count]).into_owned();
            if heard[..count] == [0xc0, 0] {
                wire.write_all(&[0xd0, 0]).await.unwrap();
            } else if text.contains("/iotdps-") {
                asked += 1;
                let under_way = json!({ "operationId": "4.d0", "status": "assigning", "registrationState":
                    { "registrationId": "r", "status": "assigning", "padding": "x".repeat(60) } });
                let done = json!({ "operationId": "4.d0", "status": "assigned", "registrationState":
                    { "registrationId": "r", "assignedHub": "hub.example", "deviceId": "d", "status": "assigned" } });
                let answer = match asked <= assigning {
                    true => publish(asked, 202, retry_after, &under_way),
                    false => publish(asked, 200, 0, &done),
                };
                // An acknowledgement of the question, and the answer.
                // The device numbers its packets from 1 to 8, and the subscription was the first.
                let packet_id = u8::try_from(1 + asked % 8).unwrap();
                wire.write_all(&[&[0x40, 2, 0, packet_id][..], &answer].concat()).await.unwrap();
            }
        }
    }

    /// What comes of such a service, and after how many seconds.
    async fn asked(assigning: usize, retry_after: u64) -> (Result<Assignment, Cause>, u64) {
        let by = Provisioning {
            endpoint: "dps.example".into(),
            id_scope: "0ne1".into(),
            registration_id: "r".into(),
            identity: Identity::Key(Secret::new(b"k".to_vec())),
            assignment_file: None,
        };
        let (near, far) = duplex(64 * 1024);
        tokio::spawn(serve(far, assigning, retry_after));
        let start = Instant::now();
        let manner = (Duration::from_secs(240), None);
        let outcome = ask(&by, None, manner, near, Arc::new(Stopped)).await;
        (outcome, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_names_a_long_time_is_asked_again_when_it_is_over() {
        let assigned = Ok(Assignment { host: "hub.example".into(), device_id: "d".into() });
        for (assigning, retry_after) in [(1, 300), (2, 900), (1, 3600)] {
            let (outcome, after) = asked(assigning, retry_after).await;
            assert_eq!(outcome, assigned);
            let wanted = assigning as u64 * retry_after;
            assert!((wanted..wanted + 5).contains(&after), "{after} s instead of {wanted}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_never_comes_to_an_end_is_given_up_on_after_an_hour() {
        let (outcome, after) = asked(usize::MAX, 900).await;
        assert_eq!(outcome, Err(Cause::Provisioning(ProvisioningFault::Endless)));
        assert!((3600..3610).contains(&after), "{after} s");
        let (outcome, after) = asked(usize::MAX, 2).await;
        assert_eq!(outcome, Err(Cause::Provisioning(ProvisioningFault::Endless)));
        assert!((300..310).contains(&after), "{after} s");
    }
}
