//! `GET /twinhub/messages`: the messages of devices over HTTPS. This request is the stand-in's own: from the real hub they
//! are read over AMQP, as events.
//!
//! Query parameters, beside `api-version`:
//!
//! - `from`: the number of the first message wanted, `held` (the default) for all that are held, or `now` for those to come;
//! - `device`: only this device's;
//! - `wait`: the seconds, up to 60, for which the answer may wait for a message to come. Default: 0.
//!
//! The answer is `{"messages":[..],"lost":n,"next":m}`: messages as [`Message::to_json`](crate::Message::to_json) writes
//! them, the number of messages of any device that were dropped before they were read, and the `from` of the next request.

use crate::{
    identity::Permission,
    messages::{Messages, Page},
    rest::{Answer, Call, json_answer},
    service_side::ServiceError,
};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// The most messages in one answer.
const MAX_LISTED: usize = 1000;
/// The weight of the messages after which an answer ends.
const MAX_LISTED_BYTES: usize = 4 * 1024 * 1024;
const MAX_WAIT_SECONDS: u64 = 60;

/// Answers a request for messages.
pub(crate) async fn messages(call: &Call<'_>) -> Answer {
    call.allow(Permission::ServiceConnect)?;
    let store = &call.service.shared.messages;
    let from = first_wanted(store, call.parameter("from").as_deref())?;
    let device = call.parameter("device");
    let seconds = match call.parameter("wait").as_deref().unwrap_or("0").parse() {
        Ok(seconds) if seconds <= MAX_WAIT_SECONDS => seconds,
        _ => return Err(bad(format!("wait is a number of seconds up to {MAX_WAIT_SECONDS}")).into()),
    };
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let Page { messages, lost, next } =
        page(store, from, device.as_deref(), deadline, &call.service.done).await;
    let messages: Vec<Value> = messages.iter().map(|message| message.to_json()).collect();
    Ok(json_answer(StatusCode::OK, &json!({ "messages": messages, "lost": lost, "next": next })))
}

fn bad(why: String) -> ServiceError {
    ServiceError::BadRequest(why)
}

fn first_wanted(store: &Messages, from: Option<&str>) -> Result<u64, ServiceError> {
    let next = store.last_sequence() + 1;
    match from {
        None | Some("held") => Ok(store.first_sequence()),
        Some("now") => Ok(next),
        Some(text) => {
            let number = text.parse().map_err(|_| bad("from is a number, held or now".to_owned()))?;
            if number > next {
                return Err(bad(format!("there is no message {number} yet; the next one will be {next}")));
            }
            Ok(number)
        }
    }
}

/// What there is from this number on, waiting for it until the deadline, or until the hub is `done` with listening.
async fn page(
    store: &Messages,
    from: u64,
    device: Option<&str>,
    deadline: Instant,
    done: &CancellationToken,
) -> Page {
    let mut from = from;
    loop {
        let page = store.page(from, device, MAX_LISTED, MAX_LISTED_BYTES);
        if !page.messages.is_empty() || page.lost > 0 {
            return page;
        }
        // The messages so far were other devices'.
        from = page.next;
        let pushed = timeout_at(deadline, store.pushed_after(from - 1));
        if !matches!(done.run_until_cancelled(pushed).await, Some(Ok(()))) {
            return page;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hub_that_stops_listening_keeps_no_reader_waiting() {
        let (store, done) = (Messages::new(), CancellationToken::new());
        let far = Instant::now() + Duration::from_secs(3600);
        let waiting = page(&store, 1, None, far, &done);
        let ((), page) = tokio::join!(async { done.cancel() }, waiting);
        assert_eq!((page.messages.len(), page.lost, page.next), (0, 0, 1));
    }

    #[test]
    fn the_first_message_wanted_is_a_number_up_to_the_next_or_a_word() {
        let store = Messages::new();
        let wanted = |from| first_wanted(&store, from).ok();
        assert_eq!([None, Some("held"), Some("now"), Some("1")].map(wanted), [Some(1); 4]);
        assert_eq!(wanted(Some("0")), Some(0));
        assert_eq!(["2", "-1", "", "later"].map(|from| wanted(Some(from))), [None; 4]);
    }
}
