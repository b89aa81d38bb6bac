//! `events`: the messages that devices sent, as JSON lines.

use super::{
    Failure, Login,
    client::{Client, segment},
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};

/// How long one request waits for a message.
const WAIT_SECONDS: u64 = 30;

/// Prints the messages that devices sent to a stand-in hub.
#[derive(Args)]
pub(crate) struct Events {
    /// Keep printing what comes, until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// Only the messages of this device.
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Where to begin: a message's number, all that are held, or those to come. Default: now with --follow, else held.
    #[arg(long, value_name = "SEQ|held|now", value_parser = is_place)]
    from: Option<String>,
    #[command(flatten)]
    login: Login,
}

fn is_place(text: &str) -> Result<String, String> {
    if ["held", "now"].contains(&text) || text.parse::<u64>().is_ok() {
        return Ok(text.to_owned());
    }
    Err("it is neither the number of a message nor \"held\" nor \"now\"".to_owned())
}

impl Events {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::Internal(format!("cannot wait for signals: {error}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        tokio::select! {
            ended = self.print() => ended,
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    }

    async fn print(&self) -> Result<(), Failure> {
        let client = self.login.client()?;
        let mut from =
            self.from.clone().unwrap_or_else(|| (if self.follow { "now" } else { "held" }).to_owned());
        let mut wait = 0;
        let mut out = io::stdout();
        loop {
            let page = self.page(&client, &from, wait).await?;
            let messages = page["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
            if print(&mut out, page["lost"].as_u64().unwrap_or_default(), messages).is_err() {
                // The reader has gone away, and with it the purpose.
                return Ok(());
            }
            let next = page["next"].as_u64().ok_or_else(|| {
                Failure::Internal(format!("{} answered without the number to go on from", client.host()))
            })?;
            // Without --follow, what there is ends where an answer has nothing.
            if !self.follow && messages.is_empty() && page["lost"] == 0 {
                return Ok(());
            }
            if self.follow && wait == 0 {
                wait = WAIT_SECONDS;
                // Standard output is for messages alone.
                let _ = writeln!(io::stderr(), "twinhub: following from message {next} on");
            }
            from = next.to_string();
        }
    }

    async fn page(&self, client: &Client, from: &str, wait: u64) -> Result<Value, Failure> {
        let mut path = format!("/twinhub/messages?from={from}&wait={wait}");
        if let Some(device) = &self.device {
            path.push_str("&device=");
            path.push_str(&segment(device));
        }
        let asked = client.get_within(&path, Duration::from_secs(wait)).await;
        asked.map_err(|failure| match failure {
            Failure::TurnedDown(text) => Failure::TurnedDown(format!(
                "{text}; only a twinhub of this version or later gives messages by HTTPS, and the real hub does not"
            )),
            other => other,
        })
    }
}

fn print(out: &mut impl Write, lost: u64, messages: &[Value]) -> io::Result<()> {
    if lost > 0 {
        let what = if lost == 1 { "message was" } else { "messages were" };
        let text = format!("{lost} {what} dropped by the hub before being read here");
        writeln!(out, "{}", json!({ "lost": lost, "text": text }))?;
    }
    messages.iter().try_for_each(|message| writeln!(out, "{message}"))?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_has_a_line_of_its_own_before_the_messages() {
        let mut out = Vec::new();
        print(&mut out, 1, &[json!({ "sequence": 2 }), json!({ "sequence": 3 })]).unwrap();
        print(&mut out, 0, &[]).unwrap();
        let text = "1 message was dropped by the hub before being read here";
        let lines = format!("{{\"lost\":1,\"text\":\"{text}\"}}\n{{\"sequence\":2}}\n{{\"sequence\":3}}\n");
        assert_eq!(String::from_utf8(out).unwrap(), lines);
    }

    #[test]
    fn a_place_to_begin_is_a_number_held_or_now() {
        assert!(["held", "now", "0", "17"].iter().all(|text| is_place(text).is_ok()));
        assert!(["", "-1", "Held", "1.5", "1&device=x"].iter().all(|text| is_place(text).is_err()));
    }
}
