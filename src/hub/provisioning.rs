//! Asking the provisioning service which hub the device belongs to: register, then ask until it is done.
//!
//! One session, closed politely at the end. Deliberately absent: topics and bodies (`dps`), keeping the answer
//! (`assignment`), and asking again (`driver`).

use super::dps::{self, Assignment, Progress, ProvisioningFault};
use super::exchange::Message;
use super::failure::{Cause, Stage};
use super::session::{Delivery, Heard, Login, Session};
use super::token::{self, Token};
use super::{Clock, Provisioning};
use core::time::Duration;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

/// The stock clients wait as long for each answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// An assignment by a custom webhook may take its time; the next attempt finds it done. At the pace at which a service
/// is asked that names none, this is five minutes …
const QUESTIONS_MAX: u32 = 150;
/// … and whatever it names, after so long it is asked anew.
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
        user_name: token::registration_user_name(&by.id_scope, &by.registration_id),
        password: token,
        keep_alive,
        clean: true,
    };
    let mut session =
        Session::open(&login, &[dps::FILTER], wire, clock, |_, _| {}).await.map_err(|cause| match cause {
            // What an IoT Hub means by its codes, the service need not.
            Cause::Refused { code, .. } => Cause::Provisioning(ProvisioningFault::Connect(code)),
            other => other,
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
            // The registration is under way whatever happens to a question about it.
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
    session.publish(message, Delivery::Acknowledged);
    let answer = async {
        loop {
            if let Heard::Published { topic, payload } = session.next().await?
                && let Some(answer) = dps::parse(&topic).filter(|answer| answer.rid == rid)
            {
                return Ok(dps::read(answer, &payload));
            }
        }
    };
    timeout(ANSWER_TIMEOUT, answer).await.unwrap_or(Err(Cause::Timeout(Stage::Register)))
}
