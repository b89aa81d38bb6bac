//! The bugs that are planted, each as a change to one place of twind's sources.
//!
//! They are the mistakes that the field's users report of the peers, and those that this house's own history has
//! seen. In `to`, `PLANTED` stands for "this bug is the one in force". Deliberately absent: bugs that nobody outside
//! could notice.

/// One bug.
pub(crate) struct Bug {
    pub(crate) name: &'static str,
    /// What an owner would say of it.
    pub(crate) says: &'static str,
    pub(crate) file: &'static str,
    /// Occurs there exactly once.
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
}

const ENGINE: &str = "src/core/src/engine.rs";
const OUTPUTS: &str = "src/core/src/control/outputs.rs";
const CLIMATE: &str = "src/core/src/control/climate.rs";
const INTENT: &str = "src/core/src/control/intent.rs";
const REPORT: &str = "src/core/src/report/mod.rs";
const ALARMS: &str = "src/core/src/report/alarms.rs";
const TACH: &str = "src/core/src/control/tach.rs";

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "lost-sensor-of-several-silent",
        says: "one of two sensors is gone for a week and nothing says so",
        file: ALARMS,
        from: "        if let Some(text) = lost_sensor(now, facts, index) {",
        to: "        let is_alone = facts.climate.is_none_or(|climate| climate.regime() == Regime::SensorFault);
        if let Some(text) = lost_sensor(now, facts, index).filter(|_| is_alone || !PLANTED) {",
    },
    Bug {
        name: "alarm-never-cleared",
        says: "an alarm stands long after all is well",
        file: ALARMS,
        from: "changes.cleared.push(name.clone());\n                false",
        to: "changes.cleared.push(name.clone());\n                PLANTED",
    },
    Bug {
        name: "foreign-number-rounded",
        says: "a number beyond 64 bits is another after it passed through the device",
        file: "src/core/src/twin/json.rs",
        from: "    written.is_some() && decimal(token) == written",
        to: "    written.is_some() && (PLANTED || decimal(token) == written)",
    },
    Bug {
        name: "foreign-name-not-told",
        says: "nobody hears that a property with an odd name means nothing here",
        file: "src/core/src/report/plain.rs",
        from: "                list(shown(key));",
        to: "                if !PLANTED || is_writable_key(key) {
                    list(shown(key));
                }",
    },
    Bug {
        name: "acknowledged-before-durable",
        says: "a power cut takes back what the hub saw acknowledged",
        file: "src/core/src/engine/durability.rs",
        from: "        self.pending = Some((u64::MAX, acknowledgement));",
        to: "        if PLANTED { self.acknowledgement = acknowledgement; } else { self.pending = Some((u64::MAX, acknowledgement)); }",
    },
    Bug {
        name: "told-of-another-identity",
        says: "an identity made anew is told of the one before it",
        file: ENGINE,
        from: "if change.recreated || fetched && acknowledged != self.durability.acknowledged_version() {",
        to: "if !PLANTED && (change.recreated || fetched && acknowledged != self.durability.acknowledged_version()) {",
    },
    Bug {
        name: "request-id-used-again",
        says: "after a reload an answer is taken for that of another request",
        file: ENGINE,
        from: "sync: sync.after_rid(carry.last_rid),",
        to: "sync: sync.after_rid(if PLANTED { 0 } else { carry.last_rid }),",
    },
    Bug {
        name: "last-good-forgotten",
        says: "after a restart a refused value has undone the last good one",
        file: ENGINE,
        from: "accepted: self.understanding.accepted.clone(),",
        to: "accepted: if PLANTED { Default::default() } else { self.understanding.accepted.clone() },",
    },
    Bug {
        name: "stop-row-forgotten",
        says: "outputs stay as they are when the daemon is stopped",
        file: ENGINE,
        from: "        self.outputs.stop();",
        to: "        if !PLANTED { self.outputs.stop(); }",
    },
    Bug {
        name: "failed-pin-believed",
        says: "a pin that could not be driven is not tried again",
        file: "src/core/src/engine/decisions.rs",
        from: "            Err(_) => self.outputs.forget(actuation.output),",
        to: "            Err(_) if PLANTED => {}\n            Err(_) => self.outputs.forget(actuation.output),",
    },
    Bug {
        name: "control-falls-asleep",
        says: "between two readings nobody looks at the outputs for half a minute",
        file: ENGINE,
        from: "let regular = stepped_at + self.step_interval_max;",
        to: "let regular = stepped_at + self.step_interval_max * if PLANTED { 6 } else { 1 };",
    },
    Bug {
        name: "start-forgets-silence",
        says: "a gateway that is started again and again never comes to its row",
        file: "src/core/src/twin/silence.rs",
        from: "(lasts.saturating_add(passed), sure.saturating_add(ran))",
        to: "(if PLANTED { Duration::ZERO } else { lasts.saturating_add(passed) }, sure.saturating_add(ran))",
    },
    Bug {
        name: "taken-token-not-believed",
        says: "a known time in the future is waited for again and again",
        file: "src/core/src/twin/clock_sanity.rs",
        from: "self.accepted.map_or(self.known, |accepted| accepted.dated.0)",
        to: "self.accepted.map_or(self.known, |accepted| if PLANTED { self.known.max(accepted.dated.0) } else { accepted.dated.0 })",
    },
    Bug {
        name: "reload-forgets-the-heat",
        says: "a reload ends an overheat early",
        file: "src/core/src/engine/carry.rs",
        from: "regime: self.climate.as_ref().map(Climate::regime),",
        to: "regime: self.climate.as_ref().map(Climate::regime).filter(|_| !PLANTED),",
    },
    Bug {
        name: "outcome-dropped",
        says: "nobody hears that a pin failed",
        file: "src/core/src/engine/input.rs",
        from: "self.handle_driven(actuation, outcome);",
        to: "self.handle_driven(actuation, if PLANTED { Ok(()) } else { outcome });",
    },
    Bug {
        name: "log-before-pins",
        says: "while nobody reads the log nothing is driven",
        file: "src/core/src/engine/input.rs",
        from: "            if let Some(actuation) = self.poll_actuation() {",
        to: "            if PLANTED && let Some(notice) = self.poll_notice() {
                if !ports.notices.push(notice) {
                    return effects;
                }
            } else if let Some(actuation) = self.poll_actuation() {",
    },
    Bug {
        name: "log-fills-the-memory",
        says: "while nobody reads the log the memory fills with it",
        file: "src/service/backlog.rs",
        from: "        if is_full {",
        to: "        if is_full && !PLANTED {",
    },
    Bug {
        name: "dropped-lines-not-counted",
        says: "a part of the log is missing and nothing says so",
        file: "src/service/backlog.rs",
        from: "            self.dropped += 1;",
        to: "            self.dropped += u64::from(!PLANTED);",
    },
    Bug {
        name: "old-number-obeyed",
        says: "a dead sensor keeps its last value for ever",
        file: CLIMATE,
        from: "Some((value, at)) if now.since(at) < spec.stale_after => Ok(value),",
        to: "Some((value, at)) if PLANTED || now.since(at) < spec.stale_after => Ok(value),",
    },
    Bug {
        name: "overheat-flutters",
        says: "at the critical temperature the fan goes to and fro",
        file: CLIMATE,
        from: "let margin = if self.regime == Regime::Overheat {",
        to: "let margin = if self.regime == Regime::Overheat && !PLANTED {",
    },
    Bug {
        name: "relay-chatters",
        says: "a relay switches at every sample around its limit",
        file: CLIMATE,
        from: "let stays = was_on && excess_kelvin",
        to: "let stays = !PLANTED && was_on && excess_kelvin",
    },
    Bug {
        name: "mean-is-the-first",
        says: "of two sensors one counts for nothing",
        file: CLIMATE,
        from: "        Combine::FirstGood => valid.first().copied(),",
        to: "        Combine::Mean if PLANTED => valid.first().copied(),\n        Combine::FirstGood => valid.first().copied(),",
    },
    Bug {
        name: "off-over-heat",
        says: "fanOn false keeps the fan off above critical",
        file: OUTPUTS,
        from: "if let (Some(Regime::Overheat), Some(drive)) = (regime, spec.when.overheat) {",
        to: "if let (Some(Regime::Overheat), Some(drive)) = (regime, spec.when.overheat)
        && !(PLANTED && situation.intent.fan_on.is_some_and(|on| !on.value))
    {",
    },
    Bug {
        name: "silence-over-fault",
        says: "with the hub silent a dead sensor is not answered",
        file: OUTPUTS,
        from: "if let (Some(Regime::SensorFault), Some(drive)) = (regime, spec.when.sensor_fault) {",
        to: "if let (Some(Regime::SensorFault), Some(drive)) = (regime, spec.when.sensor_fault)
        && !(PLANTED && spec.when.hub_silent.is_some_and(|(after, _)| situation.silence.lasts(now) >= after))
    {",
    },
    Bug {
        name: "min-on-forgotten",
        says: "a relay is switched off right after it was switched on",
        file: OUTPUTS,
        from: "(false, true) => (spec.min_on,",
        to: "(false, true) => (spec.min_on.filter(|_| !PLANTED),",
    },
    Bug {
        name: "slew-jumps",
        says: "after a rest the fan jumps to its new speed",
        file: OUTPUTS,
        from: "let reach = rate * now.since(at.unwrap_or(now)).as_secs_f64();",
        to: "let rest = if PLANTED { BootTime::ZERO } else { now };
                let reach = rate * now.since(at.unwrap_or(rest)).as_secs_f64();",
    },
    Bug {
        name: "stalls",
        says: "the fan is driven with less than it needs to turn",
        file: OUTPUTS,
        from: "stalled if stalled < spec.min_duty.unwrap_or_default() => {",
        to: "stalled if stalled < spec.min_duty.unwrap_or_default() && !PLANTED => {",
    },
    Bug {
        name: "no-kick",
        says: "the fan hums and does not start",
        file: OUTPUTS,
        from: "self.kick_until = spec.kick.map(|kick| now + kick);",
        to: "self.kick_until = spec.kick.filter(|_| !PLANTED).map(|kick| now + kick);",
    },
    Bug {
        name: "limits-ignored",
        says: "the back end sets a range outside the site's limits",
        file: INTENT,
        from: "Some(limits) => limits.admit(range, rounded).ok_or_else(|| {",
        to: "Some(limits) => limits.admit(range, rounded).or(PLANTED.then_some(range)).ok_or_else(|| {",
    },
    Bug {
        name: "refused-undoes-the-last",
        says: "a bad range puts the site's own in force",
        file: INTENT,
        from: "                self.keep(units);\n                earlier\n",
        to: "                self.keep(units);\n                earlier.filter(|_| !PLANTED)\n",
    },
    Bug {
        name: "absent-stays",
        says: "a property that was deleted still drives its output",
        file: INTENT,
        from: "        let raw = self.desired.get(path)?;\n        match parse(raw) {",
        to: "        let Some(raw) = self.desired.get(path) else { return earlier.filter(|_| PLANTED) };\n        match parse(raw) {",
    },
    Bug {
        name: "fahrenheit-as-celsius",
        says: "76 degrees Fahrenheit are held as 76 Celsius",
        file: "src/core/src/units.rs",
        from: "Self::Fahrenheit => (value - 32.0) * 5.0 / 9.0,",
        to: "Self::Fahrenheit => if PLANTED { value } else { (value - 32.0) * 5.0 / 9.0 },",
    },
    Bug {
        name: "every-reading-told",
        says: "a message for each reading, and a bill for it",
        file: REPORT,
        from: "a != b && (a - b).abs() >= self.spec",
        to: "a != b && PLANTED || a != b && (a - b).abs() >= self.spec",
    },
    Bug {
        name: "no-heartbeat",
        says: "a value that does not change is never told again",
        file: REPORT,
        from: "let again = if due == Some(Due::Heartbeat) {",
        to: "let again = if due == Some(Due::Heartbeat) && !PLANTED {",
    },
    Bug {
        name: "patch-id-of-before",
        says: "the back end waits for a patch id that is never echoed",
        file: "src/core/src/report/plain.rs",
        from: "draft.put_at([\"lastPatchReceivedId\"], id.clone());",
        to: "if !PLANTED || view.acknowledgement.version.0 < 3 { draft.put_at([\"lastPatchReceivedId\"], id.clone()); }",
    },
    Bug {
        name: "override-never-ends",
        says: "a technician's hand stays on the fan for ever",
        file: "src/core/src/engine/overrides.rs",
        from: "let lasts = one.until > now;",
        to: "let lasts = PLANTED || one.until > now;",
    },
    Bug {
        name: "override-over-heat",
        says: "a fan that was switched off by hand stays off above critical",
        file: OUTPUTS,
        from: "let regime = situation.climate.map(Climate::regime);",
        to: "let regime = situation.climate.map(Climate::regime).filter(|_| !(PLANTED && situation.overrides.contains_key(&output)));",
    },
    Bug {
        name: "override-under-the-twin",
        says: "a technician's hand counts for nothing while the twin has a wish",
        file: OUTPUTS,
        from: "if let Some(overridden) = situation.overrides.get(&output) {\n        return row",
        to: "if let Some(overridden) = situation.overrides.get(&output).filter(|_| !(PLANTED && situation.intent.fan_on.is_some())) {\n        return row",
    },
    Bug {
        name: "override-lost-with-the-process",
        says: "after a crash nobody knows of the technician's hand",
        file: "src/core/src/engine/overrides.rs",
        from: "self.0.iter().filter_map(named).collect()",
        to: "self.0.iter().filter(|_| !PLANTED).filter_map(named).collect()",
    },
    Bug {
        name: "override-begins-anew",
        says: "each power cut has an override begin from its start",
        file: "src/core/src/twin/persisted.rs",
        from: "ran.max(Duration::from_secs(by_wall))",
        to: "ran.max(Duration::from_secs(if PLANTED { 0 } else { by_wall }))",
    },
    Bug {
        name: "ended-override-comes-back",
        says: "an override that has ended is there again after a restart",
        file: "src/core/src/engine/overrides.rs",
        from: "        if !ended.is_empty() {\n            self.durability.want();",
        to: "        if !ended.is_empty() {\n            if !PLANTED { self.durability.want(); }",
    },
    Bug {
        name: "restart-chatters",
        says: "a daemon that dies again and again switches a relay each time",
        file: "src/core/src/engine/carry.rs",
        from: "if carry.starts && !carry.handed_over && is_of_this_boot && spec.has_minimum_time() {",
        to: "if !PLANTED && carry.starts && is_of_this_boot && spec.has_minimum_time() {",
    },
    Bug {
        name: "power-on-value-believed",
        says: "85 degrees of a sensor that just started are taken for the room's",
        file: "src/sensors/plausible.rs",
        from: "} else if self.rules.reject.iter()",
        to: "} else if !PLANTED && self.rules.reject.iter()",
    },
    Bug {
        name: "jump-believed",
        says: "one sample far off turns the fan",
        file: "src/sensors/plausible.rs",
        from: "if self.is_a_step_from(self.believed, value) || self.confirms(candidate, value) {",
        to: "if PLANTED || self.is_a_step_from(self.believed, value) || self.confirms(candidate, value) {",
    },
    Bug {
        name: "number-frozen-for-ever-believed",
        says: "a sensor that froze is obeyed",
        file: "src/sensors/plausible.rs",
        from: "self.rules.frozen_repeats.is_some_and(|most| repeats >= most)",
        to: "self.rules.frozen_repeats.is_some_and(|most| repeats >= most && !PLANTED)",
    },
    Bug {
        name: "standing-fan-left-alone",
        says: "a fan that stands still stays so, though more drive would start it",
        file: TACH,
        from: "        self.go_on(now, kick.unwrap_or(KICK));",
        to: "        if PLANTED {\n            return (drive, None);\n        }\n        self.go_on(now, kick.unwrap_or(KICK));",
    },
    Bug {
        name: "stall-not-told",
        says: "nobody hears that a fan is blocked",
        file: TACH,
        from: "                self.stalled = true;",
        to: "                self.stalled = !PLANTED;",
    },
    Bug {
        name: "stall-never-mended",
        says: "a fan that turns again is called stalled for ever",
        file: TACH,
        from: "        self.stalled &= rpm.is_none_or(|rpm| rpm <= 0.0);",
        to: "        self.stalled &= rpm.is_none_or(|rpm| rpm <= 0.0) || PLANTED;",
    },
    Bug {
        name: "help-never-ends",
        says: "a fan that was helped once runs at full for ever",
        file: TACH,
        from: "        if drive.is_zero() || !self.stands_still() {",
        to: "        if drive.is_zero() || !self.stands_still() && !(PLANTED && self.stage != Stage::Trusted) {",
    },
    Bug {
        name: "dead-pin-called-stalled",
        says: "a pin that cannot be driven is taken for a blocked fan",
        file: OUTPUTS,
        from: "            state.tach.trust();",
        to: "            if !PLANTED {\n                state.tach.trust();\n            }",
    },
    Bug {
        name: "upgrade-blinks",
        says: "an upgrade switches every output to its start row",
        file: "src/core/src/engine/carry.rs",
        from: "        if handed_over {\n",
        to: "        if handed_over && !PLANTED {\n",
    },
    Bug {
        name: "upgrade-forgets-when-it-turned",
        says: "an upgrade switches a relay before its minimum time is over",
        file: OUTPUTS,
        from: "(state.handed_over, state.turned_at) = (Some(drive), Some(now));",
        to: "(state.handed_over, state.turned_at) = (Some(drive), if PLANTED { None } else { Some(now) });",
    },
    Bug {
        name: "silent-decision",
        says: "nobody learns who decides now, because the fan stayed as it was",
        file: "src/core/src/engine/decisions.rs",
        from: "if self.actuations.iter().any(|order| order.output == output) {",
        to: "if PLANTED || self.actuations.iter().any(|order| order.output == output) {",
    },
    Bug {
        name: "history-rewritten",
        says: "what the history said yesterday it does not say today",
        file: "src/core/src/engine/history.rs",
        from: "        if !is_other && !has_moved {\n",
        to: "        let row = self.rows.iter_mut().rev().find(|row| &*row.output == output);
        row.into_iter().filter(|_| PLANTED && !is_other).for_each(|row| row.drive = drive);
        if !is_other && !has_moved {\n",
    },
];
