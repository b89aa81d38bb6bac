//! The faults that a test can inject into the hub at any moment, for the next few times or until they are cleared.
//!
//! Faults apply to all devices. Acts on one device (close its connection, send it something odd) are methods of
//! [`Hub`](crate::Hub), and those on the listeners are methods of [`Running`](crate::Running).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How often a fault occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// This many times.
    Next(u32),
    /// Until [`Faults::clear`].
    UntilCleared,
}

/// What happens to a request of a device instead of the proper answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A status and a body with the matching `errorCode`. Nothing is applied.
    Status(u16),
    /// As [`Answer::Status`]; the topic also asks the device to wait this many seconds before the next request.
    RetryAfter(u16, u32),
    /// A status and exactly this body. Nothing is applied.
    Raw(u16, Vec<u8>),
    /// Nothing is applied and nothing is answered.
    Ignored,
    /// Nothing is applied and nothing is answered. Instead this many notifications of this many bytes each are sent, which
    /// hold only empty objects.
    Flooded(u32, usize),
    /// The request is served, but its answer is lost.
    Lost,
    /// The connection is closed before the request is served.
    Close,
    /// The request is served, but the connection is closed before the answer is sent.
    ServeThenClose,
}

/// How a hub throttles messages. Over MQTT a device sees no status: its acknowledgements come late, then its connection
/// is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// How late each PUBACK of a message is.
    pub delay: Duration,
    /// How many messages are taken from each connection. The next one is not, and closes the connection.
    pub admitted: u32,
}

/// What happens to a desired notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoticeFault {
    Dropped,
    Duplicated,
}

type Slot<T> = Option<(T, Times)>;

#[derive(Default)]
struct Armed {
    refuse: Slot<u8>,
    twin_get: Slot<Answer>,
    reported: Slot<Answer>,
    notice: Slot<NoticeFault>,
    refuse_filters: Slot<()>,
    drop_pubacks: Slot<()>,
    close_on_telemetry: Slot<()>,
    close_after_telemetry: Slot<()>,
    throttle: Option<Throttle>,
    puback_delay: Duration,
    session_present: Option<bool>,
    answer_delay: Duration,
    muted: bool,
}

/// The armed faults of a hub.
#[derive(Default)]
pub struct Faults {
    armed: Mutex<Armed>,
}

impl Faults {
    /// Disarms everything, a mute included.
    pub fn clear(&self) {
        *self.armed() = Armed::default();
    }

    /// Refuses CONNECT with this return code, whatever the credentials.
    pub fn refuse_connects(&self, code: u8, times: Times) {
        self.armed().refuse = Some((code, times));
    }

    /// Sets what happens to requests for the twin.
    pub fn answer_twin_get(&self, answer: Answer, times: Times) {
        self.armed().twin_get = Some((answer, times));
    }

    /// Sets what happens to reported patches.
    pub fn answer_reported(&self, answer: Answer, times: Times) {
        self.armed().reported = Some((answer, times));
    }

    /// Delays every answer to a twin request; zero ends it.
    pub fn delay_answers(&self, delay: Duration) {
        self.armed().answer_delay = delay;
    }

    /// Loses desired notifications.
    pub fn drop_desired(&self, times: Times) {
        self.armed().notice = Some((NoticeFault::Dropped, times));
    }

    /// Sends desired notifications twice.
    pub fn duplicate_desired(&self, times: Times) {
        self.armed().notice = Some((NoticeFault::Duplicated, times));
    }

    /// Answers SUBSCRIBE with failure codes.
    pub fn refuse_subscriptions(&self, times: Times) {
        self.armed().refuse_filters = Some(((), times));
    }

    /// Withholds PUBACK. What it would have acknowledged is done: a message is stored.
    pub fn drop_pubacks(&self, times: Times) {
        self.armed().drop_pubacks = Some(((), times));
    }

    /// Delays every PUBACK of a message; zero ends it. A shorter delay than before may let a PUBACK overtake others.
    pub fn delay_pubacks(&self, delay: Duration) {
        self.armed().puback_delay = delay;
    }

    /// Closes the connection when telemetry comes, which is how MQTT devices see an exhausted quota. The message is not
    /// stored.
    pub fn close_on_telemetry(&self, times: Times) {
        self.armed().close_on_telemetry = Some(((), times));
    }

    /// Closes the connection once telemetry is stored, before its PUBACK. A device that sends it again makes a duplicate.
    pub fn close_after_telemetry(&self, times: Times) {
        self.armed().close_after_telemetry = Some(((), times));
    }

    /// Throttles telemetry, as the real hub does under too many messages; `None` ends it.
    pub fn throttle_telemetry(&self, throttle: Option<Throttle>) {
        self.armed().throttle = throttle;
    }

    /// Sets the session-present flag of CONNACK; `None` sends the true value.
    pub fn force_session_present(&self, claim: Option<bool>) {
        self.armed().session_present = claim;
    }

    /// While muted the hub discards what devices send, sends them nothing, and closes no connection for silence, as if the
    /// connection were broken without notice.
    pub fn mute(&self, muted: bool) {
        self.armed().muted = muted;
    }

    pub(crate) fn muted(&self) -> bool {
        self.armed().muted
    }

    pub(crate) fn session_present(&self) -> Option<bool> {
        self.armed().session_present
    }

    pub(crate) fn answer_delay(&self) -> Duration {
        self.armed().answer_delay
    }

    pub(crate) fn take_refuse(&self) -> Option<u8> {
        take(&mut self.armed().refuse)
    }

    pub(crate) fn take_twin_get(&self) -> Option<Answer> {
        take(&mut self.armed().twin_get)
    }

    pub(crate) fn take_reported(&self) -> Option<Answer> {
        take(&mut self.armed().reported)
    }

    pub(crate) fn take_notice(&self) -> Option<NoticeFault> {
        take(&mut self.armed().notice)
    }

    pub(crate) fn take_refuse_filters(&self) -> bool {
        take(&mut self.armed().refuse_filters).is_some()
    }

    pub(crate) fn take_drop_puback(&self) -> bool {
        take(&mut self.armed().drop_pubacks).is_some()
    }

    pub(crate) fn take_close_on_telemetry(&self) -> bool {
        take(&mut self.armed().close_on_telemetry).is_some()
    }

    pub(crate) fn take_close_after_telemetry(&self) -> bool {
        take(&mut self.armed().close_after_telemetry).is_some()
    }

    pub(crate) fn throttle(&self) -> Option<Throttle> {
        self.armed().throttle
    }

    pub(crate) fn puback_delay(&self) -> Duration {
        self.armed().puback_delay
    }

    fn armed(&self) -> MutexGuard<'_, Armed> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take<T: Clone>(slot: &mut Slot<T>) -> Option<T> {
    let (fault, times) = slot.as_mut()?;
    let fault = fault.clone();
    match times {
        Times::UntilCleared => {}
        Times::Next(0) => {
            *slot = None;
            return None;
        }
        Times::Next(1) => *slot = None,
        Times::Next(left) => *left -= 1,
    }
    Some(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_as_often_as_asked_and_then_no_more() {
        let faults = Faults::default();
        faults.refuse_connects(3, Times::Next(2));
        assert_eq!(
            [faults.take_refuse(), faults.take_refuse(), faults.take_refuse()],
            [Some(3), Some(3), None]
        );
        faults.refuse_connects(3, Times::Next(0));
        assert_eq!(faults.take_refuse(), None);
    }

    #[test]
    fn a_fault_without_a_count_strikes_until_cleared() {
        let faults = Faults::default();
        faults.answer_twin_get(Answer::Status(429), Times::UntilCleared);
        faults.mute(true);
        for _ in 0..5 {
            assert_eq!(faults.take_twin_get(), Some(Answer::Status(429)));
        }
        faults.clear();
        assert_eq!((faults.take_twin_get(), faults.muted()), (None, false));
    }
}
