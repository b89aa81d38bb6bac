//! What passes between device and hub: requests, answers, notifications, connects and disconnects, and the back end's
//! writes and method calls.
//!
//! Deliberately absent: how a network behaves (`net`), and what the hub does with a request (`hub`).

use crate::message::read_notification;
use crate::net::Fate;
use crate::presets::{ms, secs};
use crate::rng::Rng;
use crate::world::{Event, World};
use core::time::Duration;
use twind::engine::Input;
use twind::twin::{DeviceMessage, HubEvent, HubRequest};

impl World {
    pub(crate) fn send(&mut self, request: HubRequest) -> Result<(), String> {
        self.say(|| format!("device → {request:?}"));
        self.oracle.handle_request(self.now, &request, &self.net, &self.disk)?;
        if let HubRequest::Reconnect { .. } = request {
            if self.net.up && !self.net.closing {
                // Requests that were sent before may still take effect. Messages to the device are no longer read.
                self.net.closing = true;
                let (grace, connection) = (self.rng.between((ms(1), ms(900))), self.net.connection);
                self.plan(self.now + grace, Event::Down(connection));
            }
            return Ok(());
        }
        if !self.net.up || self.net.closing {
            return Ok(());
        }
        if let HubRequest::SendMessage { .. } = request {
            if let Fate::Arrives(at) = self.net.send_message(self.now) {
                self.plan(at, Event::ToHub(self.net.connection, request));
            }
            return Ok(());
        }
        match self.net.send_up(self.now) {
            Fate::Arrives(at) | Fate::Late(at) => self.plan(at, Event::ToHub(self.net.connection, request)),
            Fate::Lost => {
                self.say(|| "wire: the request is lost".into());
                self.oracle.handle_lost_exchange(self.now, &self.net);
            }
        }
        Ok(())
    }

    pub(crate) fn reach_hub(&mut self, connection: u64, request: &HubRequest) -> Result<(), String> {
        if connection != self.net.connection || !self.net.up {
            return Ok(());
        }
        self.net.under_way.0 -= 1;
        if self.net.half_open {
            return Ok(());
        }
        if let HubRequest::SendMessage { number, message } = request {
            return self.store_message(connection, *number, message);
        }
        if self.hub.mute {
            self.say(|| "the hub does not answer".into());
            self.oracle.handle_lost_exchange(self.now, &self.net);
            return Ok(());
        }
        let Some(answer) = self.hub.answer(request) else { return Ok(()) };
        self.say(|| format!("hub answers {}", answer.status));
        self.oracle.handle_answered(self.now, request, &answer, &self.hub, &self.disk)?;
        // The answer counts as under way from now on.
        self.net.under_way.1 += 1;
        let ready = self.now + self.hub.time_to_answer();
        if ready > self.now && self.back_end.is_in_a_hurry() && !self.calm {
            self.plan(self.now, Event::Burst);
        }
        self.plan(ready, Event::Answer(connection, answer.event));
        Ok(())
    }

    /// A message reaches the hub, which acknowledges it late if it is busy, and not at all if it is mute.
    fn store_message(&mut self, connection: u64, number: u64, message: &DeviceMessage) -> Result<(), String> {
        if self.hub.mute {
            return Ok(());
        }
        self.oracle.handle_message(message)?;
        let ready = self.now + self.hub.time_to_acknowledge();
        self.net.under_way.1 += 1;
        self.plan(ready, Event::Answer(connection, HubEvent::MessageStored { number }));
        Ok(())
    }

    pub(crate) fn answer(&mut self, connection: u64, event: HubEvent) {
        if connection != self.net.connection || !self.net.up {
            return;
        }
        self.net.under_way.1 -= 1;
        if let HubEvent::MessageStored { .. } = event {
            if let Fate::Arrives(at) = self.net.acknowledge(self.now) {
                self.plan(at, Event::ToDevice(connection, event));
            }
            return;
        }
        match self.net.answer(self.now) {
            Fate::Arrives(at) => {
                if self.net.is_too_late(self.now, at) {
                    self.oracle.handle_lost_exchange(self.now, &self.net);
                }
                self.plan(at, Event::ToDevice(connection, event));
            }
            Fate::Late(at) => {
                self.oracle.handle_lost_exchange(self.now, &self.net);
                self.plan(at, Event::ToDevice(connection, event));
            }
            Fate::Lost => {
                self.say(|| "wire: the answer is lost".into());
                self.oracle.handle_lost_exchange(self.now, &self.net);
            }
        }
    }

    pub(crate) fn reach_device(&mut self, connection: u64, event: HubEvent) -> Result<(), String> {
        if connection != self.net.connection || !self.net.up {
            return Ok(());
        }
        self.net.under_way.1 -= 1;
        if self.net.half_open || self.net.closing {
            return Ok(());
        }
        self.say(|| format!("device ← {event:?}"));
        if let Some(engine) = &self.engine {
            self.oracle.handle_delivery(self.now, self.boot(), &event, engine);
        }
        self.input(Input::Hub(event))
    }

    pub(crate) fn cut(&mut self, connection: u64) -> Result<(), String> {
        if connection != self.net.connection || !self.net.up || self.calm {
            return Ok(());
        }
        if !self.net.half_open && self.net.is_noticed_late() {
            self.say(|| format!("connection {connection} is half open"));
            self.net.half_open = true;
            let noticed = self.now + self.rng.between((secs(2), secs(240)));
            self.plan(noticed, Event::Cut(connection));
            return Ok(());
        }
        let outage = self.net.outage();
        self.hub.closed_until = self.hub.closed_until.max(self.now + outage);
        self.disconnect()
    }

    /// The connection breaks. Some of the requests under way still take effect, but no answer arrives.
    pub(crate) fn disconnect(&mut self) -> Result<(), String> {
        if !self.net.up {
            return Ok(());
        }
        let connection = self.net.connection;
        let survivors = if self.net.half_open { 0 } else { self.net.survivors() };
        self.drain_up(connection, survivors)?;
        self.notice_end(connection)
    }

    fn drain_up(&mut self, connection: u64, survivors: usize) -> Result<(), String> {
        let of_this = |event: &Event| matches!(event, Event::ToHub(id, _) if *id == connection);
        let keys: Vec<_> =
            self.planned.iter().filter(|(_, event)| of_this(event)).map(|(key, _)| *key).collect();
        for key in keys.into_iter().take(survivors) {
            if let Some(Event::ToHub(_, request)) = self.planned.remove(&key) {
                if let (HubRequest::SendMessage { message, .. }, false) = (&request, self.hub.mute) {
                    self.say(|| format!("the hub stores a last message: {}", message.id));
                    self.oracle.handle_message(message)?;
                }
                let Some(answer) = self.hub.answer(&request) else { continue };
                let status = answer.status;
                self.say(|| {
                    format!("the hub takes a last request ({status}), its answer is lost: {request:?}")
                });
                self.oracle.handle_answered(self.now, &request, &answer, &self.hub, &self.disk)?;
            }
        }
        Ok(())
    }

    pub(crate) fn notice_end(&mut self, connection: u64) -> Result<(), String> {
        if connection != self.net.connection || !self.net.up {
            return Ok(());
        }
        if self.net.closing && !self.net.half_open {
            self.drain_up(connection, usize::MAX)?;
        }
        self.net.disconnect();
        self.say(|| format!("connection {connection} is down"));
        self.oracle.handle_down(self.now);
        let wait = self.net.next_attempt(false);
        self.plan(self.now + wait, Event::Connect);
        self.input(Input::Hub(HubEvent::Down))
    }

    pub(crate) fn edit(&mut self) {
        let wait = self.rng.wait(self.edit_every);
        self.plan(self.now + wait, Event::Edit);
        if self.calm {
            return;
        }
        for edit in self.back_end.edits(self.true_wall()) {
            self.write_desired(&edit.body, edit.whole);
        }
    }

    /// In some runs the back end writes once faster than the disk can store.
    pub(crate) fn plan_storm(&mut self, seed: u64, within: Duration) {
        let mut chance = Rng::of(seed, "storm");
        let at = chance.between((secs(60), within));
        if chance.chance(150) {
            self.plan(at, Event::Storm(700));
        }
    }

    pub(crate) fn storm(&mut self, left: u32) {
        if left > 0 && !self.calm {
            self.plan(self.now + ms(20), Event::Storm(left - 1));
            let edit = self.back_end.stormy();
            self.write_desired(&edit.body, edit.whole);
        }
    }

    /// A direct method is called, and reaches the device if it is connected.
    pub(crate) fn call(&mut self) -> Result<(), String> {
        self.calls += 1;
        let wait = self.sampling.wait(self.call_every);
        self.plan(self.now + wait, Event::Call);
        let name = *self.sampling.pick(&["resync", "status", "reboot"]);
        if !self.net.up || self.net.closing || self.net.half_open || self.hub.mute {
            return Ok(());
        }
        let rid = self.calls.to_string();
        self.say(|| format!("method {rid}: {name}"));
        if self.engine.is_some() {
            self.oracle.handle_call(&rid, name);
        }
        let method = HubEvent::Method { rid, name: name.into(), argument: serde_json::Value::Null };
        self.input(Input::Hub(method))
    }

    /// The back end writes, and the hub notifies the device if it is connected.
    pub(crate) fn write_desired(&mut self, body: &serde_json::Value, whole: bool) {
        let before = self.hub.twin.desired().version();
        let (notification, unsaid) = self.hub.update(body, whole);
        let version = self.hub.twin.desired().version();
        self.say(|| format!("back end {}: version {version}: {body}", if whole { "PUT" } else { "PATCH" }));
        if version != before {
            self.oracle.handle_edit(self.now);
        }
        if !self.net.up || self.net.closing {
            return;
        }
        if unsaid || self.hub.mute {
            self.oracle.handle_lost_notification(self.now, &self.net);
        }
        let Some(notification) = notification.filter(|_| !self.hub.mute) else { return };
        let (fate, again) = self.net.notify(self.now);
        let connection = self.net.connection;
        match fate {
            Fate::Arrives(at) | Fate::Late(at) => {
                self.plan(at, Event::ToDevice(connection, read_notification(&notification.body)));
            }
            Fate::Lost => {
                self.say(|| "wire: the notification is lost".into());
                self.oracle.handle_lost_notification(self.now, &self.net);
            }
        }
        if let Some(at) = again {
            self.plan(at, Event::ToDevice(connection, read_notification(&notification.body)));
        }
    }
}
