"""The test cases on a chip with edges and pull resistors. A case returns what it measured, or raises `Failed`.

`relay`, on or off, and `fan`, software PWM with a tachometer, cool. `heater` heats and is active low. `pump` is kept as it
is whatever happens to the daemon. `door` is a contact to ground that says 1 while it is closed. There is no network, so twind
runs without a hub.
"""

import re

from machine import Failed, expect, until
from process import Process

NAME = "edges"
RELAY, FAN, HEATER, PUMP, TACH, DOOR = 17, 18, 22, 23, 24, 27
PINS = {"relay": RELAY, "fan": FAN, "heater": HEATER, "pump": PUMP}
FAN_HZ = 4
PULSES_PER_TURN = 2
# So long that an emulated machine, which may be slow, makes many bounces within it.
DOOR_DEBOUNCE_S = 3
# The levels of the wires when nobody drives them. The heater's resistor also switches it off.
RESISTORS = {"relay": 0, "fan": 0, "heater": 1, "pump": 0}
# Pulses a second: an ordinary fan, and one whose pulses between two readings overflow the kernel's event buffer (512).
USUAL_HZ, MANY_HZ = 100, 1000

CONFIGURATION = f"""[hub]
host = "127.0.0.1"
port = 1
device-id = "{NAME}"
key-file = "/root/key"
[board]
driver = "gpiochip"
[outputs.relay]
pin = {RELAY}
chip = "pinctrl-bcm2835"
when = {{ crash = "on" }}
[outputs.fan]
pwm = {{ pin = {FAN}, frequency-hz = {FAN_HZ}, chip = "pinctrl-bcm2835" }}
kick = "2s"
tach = {{ pin = {TACH}, pulses-per-turn = {PULSES_PER_TURN} }}
when = {{ crash = "on" }}
[outputs.heater]
pin = {HEATER}
chip = "pinctrl-bcm2835"
active-low = true
[outputs.pump]
pin = {PUMP}
chip = "pinctrl-bcm2835"
when = {{ start = "keep", stop = "keep", crash = "keep" }}
[sensors.cabinet]
driver = "file"
path = "/run/temperature"
period = "1s"
[sensors.door]
driver = "gpio"
pin = {DOOR}
chip = "pinctrl-bcm2835"
active-low = true
debounce = "{DOOR_DEBOUNCE_S}s"
period = "1h"
[climate]
sensor = "cabinet"
cooling = ["fan", "relay"]
heating = "heater"
range = {{ min = 20.0, max = 28.0 }}
[local]
socket = "/run/twind.sock"
"""
# The heater and the tachometer on other lines, and a lamp on the tachometer's old one.
MOVED_HEATER, MOVED_TACH, LAMP = 25, 26, TACH
MOVED = CONFIGURATION.replace(f"pin = {HEATER}\n", f"pin = {MOVED_HEATER}\n").replace(
    f"tach = {{ pin = {TACH},", f"tach = {{ pin = {MOVED_TACH},"
) + f"""[outputs.lamp]
pin = {LAMP}
chip = "pinctrl-bcm2835"
"""
# The guest's files.
FILES = {f"{NAME}.toml": CONFIGURATION, "first.toml": CONFIGURATION, "moved.toml": MOVED, "key": "MDEyMzQ1Njc4OWFiY2RlZg=="}


class Cases:
    """The cases share one boot. Each begins with a running daemon, a turning fan and 22 °C."""

    def __init__(self, machine):
        self.machine = machine
        self.daemon = Process(machine, NAME)

    def begin(self):
        for name, level in RESISTORS.items():
            self.machine.pull(PINS[name], level)
        self.machine.pulse(TACH, USUAL_HZ)
        self.temperature(22)
        if self.daemon.pid is None:
            self.daemon.start()
        self.settle("at the beginning", {"relay": 0, "fan": 250, "heater": 0})
        self.turns("at the beginning")

    def temperature(self, celsius):
        self.machine.run(f"echo {celsius} >/run/temperature.new; mv /run/temperature.new /run/temperature")

    def output(self, name):
        return self.daemon.status()["outputs"][name]

    def fan(self):
        return self.output("fan")

    def levels(self):
        return self.machine.levels(PINS)

    def settle(self, what, drives):
        """Waits until the daemon has these drives and the wires match. The fan's duty cycle is judged by `pwm`."""
        low_is_on = {"heater"}
        wanted = {name: int((drives[name] > 0) != (name in low_is_on)) for name in drives if drives[name] in (0, 1000)}

        def found():
            has, levels = self.daemon.drives(), self.levels()
            return {name: has[name] for name in drives}, {name: levels[name] for name in wanted}

        until(lambda: f"{what}: {found()}, not {(drives, wanted)}; log: {self.daemon.said()}", lambda: found() == (drives, wanted))

    def look(self):
        """Runs `twind check --hardware`, which must not drive anything; returns its exit status and what it printed."""
        self.machine.forget()
        code, said = self.machine.run(f"/root/twind check --hardware --config {self.daemon.config}", check=False)
        expect("what was driven while `twind check --hardware` looked", self.machine.driven(), [])
        return code, said

    # --- levels -------------------------------------------------------------------------------------------------------

    def levels_follow(self):
        """Lines follow the drives, the active-low one inverted; `twind check --hardware` reports the lines and moves none."""
        if self.daemon.pid is not None:
            self.stop()
        for name, level in RESISTORS.items():
            self.machine.pull(PINS[name], level)
        self.temperature(22)
        code, free = self.look()
        expect("exit status of the look", code, 0)
        for pin in (*PINS.values(), TACH, DOOR):
            contains("the look, before the start", free, rf"line {pin}: free")
        expect("wires after the look", self.levels(), RESISTORS)
        self.begin()
        scene = [(15, (0, 0, 1000)), (22, (0, 250, 0)), (30, (1000, 1000, 0)), (24, (0, 500, 0)), (15, (0, 0, 1000))]
        for celsius, drives in scene:
            self.temperature(celsius)
            self.settle(f"{celsius} °C", dict(zip(("relay", "fan", "heater"), drives)))
        # The fan is at rest, so anything that is driven now is driven by the check.
        before = self.levels()
        code, held = self.look()
        expect("exit status of the look, while it runs", code, 0)
        for pin in PINS.values():
            contains("the look, while it runs", held, rf"line {pin}: held by the running twind, an output now")
        for pin in (TACH, DOOR):
            contains("the look, while it runs", held, rf"line {pin}: held by the running twind, an input now")
        expect("wires after the look", self.levels(), before)
        for percent, level in (("on", 1), ("off", 0)):
            self.machine.run(f"/root/twind override pump {percent} --for 1h --config {self.daemon.config}")
            self.settle(f"pump {percent}", {"pump": 1000 * level})
        self.machine.run(f"/root/twind override pump clear --config {self.daemon.config}")
        return f"{len(scene)} temperatures and a hand: lines follow; twice looked, nothing driven"

    def stop(self):
        """An orderly stop while everything cools: the stop rows are driven before the lines go to their resistors."""
        self.temperature(30)
        self.settle("before the stop", {"relay": 1000, "fan": 1000, "heater": 0})
        self.machine.forget()
        self.daemon.signal("TERM")
        last = self.last_driven()
        expect("what a stop drove last", (last["relay"], last["fan"]), (0, 0))
        expect("wires after a stop, at their resistors", self.levels(), RESISTORS)

    def last_driven(self):
        """The last level that each output's line was driven to; `None` if it was not driven."""
        driven = self.machine.driven()
        return {name: next((level for _, at, level in reversed(driven) if at == pin), None) for name, pin in PINS.items()}

    # --- edges --------------------------------------------------------------------------------------------------------

    def edges(self):
        """The speed agrees with the pulses that were made, even when they overflow the kernel's buffer."""
        self.begin()
        return "; ".join(self.speed(hertz) for hertz in (USUAL_HZ, MANY_HZ))

    def speed(self, hertz):
        """One of twind's readings may end one pause of the pulse generator (10 ms, more on a busy machine) too early or too
        late, which adds or takes a few percent of a second's pulses; a reading missed or taken twice weighs as much. A
        wrong count would be off by a factor every time, so one good mean of ten is enough."""
        self.machine.pulse(TACH, hertz)
        seen = []
        for _ in range(10):
            # By then a reading that began before the pulses is over, and a later one is reported.
            until("three seconds of pulses", lambda: self.machine.pulses()[0] > 3 * hertz)
            before = self.machine.pulses()
            speeds = []
            until(lambda: f"the speed is told, seen: {speeds}", lambda: speeds.append(self.fan()["rpm"]) or len(speeds) >= 12, pause=0.5)
            after = self.machine.pulses()
            made = (after[0] - before[0]) / (after[1] - before[1]) * 60 / PULSES_PER_TURN
            told = sum(speed or 0 for speed in speeds) / len(speeds)
            seen.append(f"{told:.0f} rpm told, {made:.0f} made ({after[0] - before[0]} pulses in {after[1] - before[1]:.1f} s)")
            if abs(told / made - 1) <= 0.1:
                return f"{seen[-1]}, look {len(seen)}"
        raise Failed(f"the mean of the speeds is to be the pulses' within a tenth: {'; '.join(seen)}")

    # --- a contact ----------------------------------------------------------------------------------------------------

    def door(self):
        """A door that opens, bounces and closes. It is sampled at its edges, since its period is an hour; what is shorter than
        its debounce is not told; and a reload goes on with it."""
        self.begin()
        self.machine.pull(DOOR, 0)
        self.is_closed("closed", 1)
        bounced = [self.bounces("closed, and it bounces", 1), self.bounces("it opens with bounces", 0)]
        in_force = "the new configuration is in force"
        before = self.told(in_force)
        self.machine.run(f"kill -HUP {self.daemon.pid}")
        until(lambda: f"reloaded; log: {self.daemon.said()}", lambda: self.told(in_force) > before)
        # The new sensor is sampled at its start, so what comes after that is told by its edges.
        self.is_closed("open, after a reload", 0)
        bounced.append(self.bounces("closed with bounces, after a reload", 1))
        return f"{sum(bounced)} bounces are no change, what stays is one; also after a reload"

    def is_closed(self, what, wanted):
        found = lambda: self.daemon.status()["sensors"]["door"]
        until(lambda: f"{what}: {found()}, not {wanted}; log: {self.daemon.said()}", lambda: found()["value"] == wanted)

    def bounces(self, what, then_closed, count=40):
        """Opens and closes the door so fast that no level lasts for its debounce, and leaves it open or closed; returns how often."""
        before = self.daemon.status()["sensors"]["door"]["value"]
        pull = f"{self.machine.chip}/sim_gpio{DOOR}/pull"
        last = "pull-down" if then_closed else "pull-up"
        now = "read -r up _ </proc/uptime; echo $up"
        _, said = self.machine.run(
            f"{now}; i=0; while [ $i -lt {count} ]; do echo pull-up >{pull}; echo pull-down >{pull}; i=$((i + 1)); done; "
            f"echo {last} >{pull}; {now}"
        )
        begin, end = map(float, said.split())
        if end - begin >= DOOR_DEBOUNCE_S:
            raise Failed(f"{count} bounces took {end - begin:.1f} s, longer than the debounce: this machine is too slow for the case")
        value = self.daemon.status()["sensors"]["door"]["value"]
        took = float(self.machine.run(now)[1]) - end
        if took < DOOR_DEBOUNCE_S:
            expect(f"{what}: the door within its debounce", value, before)
        self.is_closed(what, then_closed)
        return count

    # --- a fan that stands still --------------------------------------------------------------------------------------

    def stall(self):
        """A stalled fan is kicked, then driven fully and reported; once it turns, all is as before. A busy machine may be so
        late that a kick ends before it shows, so one good stall of three is enough."""
        self.begin()
        self.temperature(24)
        self.settle("24 °C", {"fan": 500})
        seen = []
        for _ in range(3):
            seen.append(self.stand_still())
            self.turn_again()
            kick = kick_of(seen[-1])
            if kick:
                return f"kicked for {kick:.1f} s, then full and \"stalled\", line high; turning: said, and 50 % again; stall {len(seen)}"
        raise Failed(f"a kick, then the share, then high; the line had (seconds, level): {seen}")

    def stand_still(self):
        """Stops the pulses until the stall is reported; returns the line's levels in order, as (seconds, level)."""
        stalled = "ERROR output fan: stalled"
        told_before = self.told(stalled)
        self.machine.forget()
        self.machine.pulse(TACH, 0)
        until(lambda: f"the stall is told; {self.fan()}", lambda: self.fan()["speedFault"] == "stalled")
        events = self.machine.driven(FAN)
        expect("drive of a stalled fan, and its line", (self.fan()["permille"], self.levels()["fan"]), (1000, 1))
        expect("what was driven last", events[-1][2], 1)
        expect("times that the log told of it", self.told(stalled) - told_before, 1)
        return [(b[0] - a[0], a[2]) for a, b in zip(events, events[1:])]

    def turn_again(self):
        mended = "output fan: its speed is normal again"
        told_before = self.told(mended)
        self.machine.forget()
        self.machine.pulse(TACH, USUAL_HZ)
        until(lambda: f"it is mended; {self.fan()}", lambda: not self.fan()["speedFault"])
        expect("times that the log told of it", self.told(mended) - told_before, 1)
        self.settle("it turns again", {"fan": 500})
        until("its line is switched again", lambda: {0, 1} <= {level for _, _, level in self.machine.driven(FAN)})

    def told(self, words):
        return int(self.machine.run(f"grep -c '{words}' {self.daemon.log}", check=False)[1])

    # --- software PWM -------------------------------------------------------------------------------------------------

    def pwm(self):
        """The kernel's trace shows the duty cycle and the frequency. A busy machine may delay a switch, so one good
        measurement of ten is enough. Every delay makes a period longer, so the frequency may be off by a half."""
        self.begin()
        seen = []
        for celsius, permille in [(22.4, 300), (26, 750)]:
            self.temperature(celsius)
            self.settle(f"{celsius} °C", {"fan": permille})
            seen.append(self.share(permille / 1000))
        return "; ".join(seen)

    def share(self, wanted, periods=8):
        seen = []
        for _ in range(10):
            self.machine.forget()
            until("the line is switched", lambda: len(self.machine.driven(FAN)) > 2 * periods + 1, pause=1)
            events = self.machine.driven(FAN)[: 2 * periods + 1]
            levels = [level for _, _, level in events]
            if any(a == b for a, b in zip(levels, levels[1:])):
                seen.append(f"not on and off in turn but {levels}")
                continue
            whole = events[-1][0] - events[0][0]
            high = sum(b[0] - a[0] for a, b in zip(events, events[1:]) if a[2])
            hertz = periods / whole
            seen.append(f"{100 * high / whole:.1f} % of {100 * wanted:.0f} % at {hertz:.2f} of {FAN_HZ} Hz")
            if abs(high / whole - wanted) <= 0.02 and 0.5 < hertz / FAN_HZ < 1.5:
                return f"{seen[-1]}, look {len(seen)}"
        raise Failed(f"how the fan's line is switched: {', '.join(seen)}")

    # --- kill -9 ------------------------------------------------------------------------------------------------------

    def crash(self):
        """After a kill the lines are at their resistors; `twind safe` drives the crash rows; a kept pin is taken over as it
        is found."""
        self.begin()
        self.temperature(30)
        hand = f"--config {self.daemon.config}"
        self.machine.run(f"/root/twind override heater on --for 1h {hand}")
        self.machine.run(f"/root/twind override pump on --for 1h {hand}")
        self.settle("before the crash", {"relay": 1000, "fan": 1000, "heater": 1000, "pump": 1000})
        # An override would be restored by the restart; without one the pump stays as it is.
        self.machine.run(f"/root/twind override pump clear {hand}; /root/twind override heater clear {hand}")
        self.settle("the hands are gone", {"relay": 1000, "fan": 1000, "heater": 0, "pump": 1000})
        self.machine.pull(PUMP, 1)
        self.machine.forget()
        self.daemon.signal("KILL")
        expect("wires, killed", self.levels(), {**RESISTORS, "pump": 1})
        said = self.daemon.safe()
        rows = {"relay": 1, "fan": 1, "heater": 1}
        for name, level in rows.items():
            permille = 1000 if level != (name == "heater") else 0
            contains("twind safe", said, rf"(?m)^{name}: {permille // 10} %")
        expect("what `twind safe` drove last", self.last_driven(), {**rows, "pump": None})
        expect("wires, after twind safe", self.levels(), {**RESISTORS, "pump": 1})
        kept = [self.keeps(1), self.keeps(0)]
        return f"killed: at the resistors; twind safe: relay and fan on, heater off, pump untouched; {'; '.join(kept)}"

    def keeps(self, level):
        """The next start takes the pump over at its wire's level, and drives no other level there."""
        if self.daemon.pid is not None:
            self.daemon.signal("KILL")
        self.machine.pull(PUMP, level)
        self.machine.forget()
        self.daemon.start()
        self.settle(f"started, the pump's wire is {level}", {"relay": 1000, "fan": 1000, "pump": 1000 * level})
        # A line that twind holds no longer follows its resistor.
        self.machine.pull(PUMP, not level)
        expect("wire of the pump, pulled the other way", self.levels()["pump"], level)
        expect("what was driven on the pump's line", {level for _, _, level in self.machine.driven(PUMP)}, {level})
        return f"a wire that is {level} is kept"

    # --- another configuration ----------------------------------------------------------------------------------------

    def reload(self):
        """Lines that stay do not blink; those that move are released and requested, even when an output takes over the
        tachometer's line."""
        self.begin()
        self.temperature(30)
        self.settle("before the reload", {"relay": 1000, "fan": 1000, "heater": 0})
        # If nobody drove them, each would be at its other level.
        for pin, level in ((MOVED_HEATER, 0), (MOVED_TACH, 1)):
            self.machine.pull(pin, level)
        self.load("moved.toml", "the lamp is there", lambda outputs: "lamp" in outputs)
        self.machine.pulse(MOVED_TACH, USUAL_HZ)
        self.machine.pull(LAMP, 1)
        wires = {"heater": MOVED_HEATER, "lamp": LAMP}
        until(lambda: f"moved: {self.machine.levels(wires)}", lambda: self.machine.levels(wires) == {"heater": 1, "lamp": 0})
        self.turns("by its new line")
        # The heater is active low: its stop row drives the line high. Once released, its resistor keeps it high.
        expect("what was driven on the heater's old line", {level for _, _, level in self.machine.driven(HEATER)} - {1}, set())
        expect("what was driven on its new line", {level for _, _, level in self.machine.driven(MOVED_HEATER)}, {1})
        expect("what was driven on the relay's and the fan's", self.blinks(), set())
        self.load("first.toml", "the lamp is gone", lambda outputs: "lamp" not in outputs)
        self.machine.pulse(TACH, USUAL_HZ)
        self.settle("after the reload", {"relay": 1000, "fan": 1000, "heater": 0})
        self.turns("by its old line")
        expect("what was driven on the relay's and the fan's", self.blinks(), set())
        # Nobody holds them any more.
        for pin in (MOVED_HEATER, MOVED_TACH):
            self.machine.claim(pin)
            self.machine.let_go(pin)
        return "relay and fan do not blink; heater and tach move and come back, and a lamp takes the tach's line"

    def load(self, file, what, condition):
        self.machine.forget()
        self.machine.run(f"cp /root/{file} {self.daemon.config}; kill -HUP {self.daemon.pid}")
        until(lambda: f"{what}; log: {self.daemon.said()}", lambda: condition(self.daemon.status()["outputs"]))

    def turns(self, how):
        until(lambda: f"it turns, {how}: {self.fan()}", lambda: self.fan()["rpm"] and not self.fan()["speedFault"])

    def blinks(self):
        return {(pin, level) for _, pin, level in self.machine.driven() if pin in (RELAY, FAN) and level == 0}

    # --- a line in use by another program -----------------------------------------------------------------------------

    def claimed(self):
        """Another program holds a line: that is logged once, with the fix; the others work; the line is taken once free."""
        self.begin()
        self.stop()
        for pin in (RELAY, TACH):
            self.machine.claim(pin)
        code, said = self.look()
        if code == 0:
            raise Failed(f"the look found nothing wrong: {said}")
        for pin in (RELAY, TACH):
            contains("the look", said, rf"line {pin} of /dev/gpiochip0 is in use by \"sysfs\": stop that program")
        refused = rf"output relay.*line {RELAY} .* in use"
        before = self.told(refused)
        self.daemon.start()
        self.temperature(15)
        self.settle("the heater works", {"heater": 1000})
        for fault, pin in (("fault", RELAY), ("speedFault", TACH)):
            name = "relay" if pin == RELAY else "fan"
            until(lambda: f"{name}'s {fault} is told: {self.output(name)}", lambda: self.output(name)[fault])
            contains(f"{name}'s {fault}", self.output(name)[fault], rf"line {pin} .*in use by \"sysfs\": stop that program")
        self.temperature(30)
        self.settle("the fan works", {"fan": 1000, "heater": 0})
        expect("wire of the relay, somebody else's", self.levels()["relay"], RESISTORS["relay"])
        expect("times that the log told of the relay", self.told(refused) - before, 1)
        for pin in (RELAY, TACH):
            self.machine.let_go(pin)
        until(lambda: f"the relay is had: {self.output('relay')}", lambda: not self.output("relay")["fault"])
        self.settle("the relay works", {"relay": 1000, "fan": 1000})
        self.turns("by a line that was somebody else's")
        return "relay and tach said with who has them, heater and fan work; free again: both taken"


def kick_of(stretches):
    """How long the fan was kicked; `None` if it was not. At half drive its line is high for an eighth of a second at a time,
    so a kick is a second or more, with ordinary switching after it."""
    long_high = [index for index, (seconds, level) in enumerate(stretches) if level and seconds > 1]
    kicked = long_high and (0 in (level for _, level in stretches[long_high[0] + 2 :]))
    return stretches[long_high[0]][0] if kicked else None


def contains(what, text, pattern):
    if not re.search(pattern, text):
        raise Failed(f"{what} is to have {pattern!r}: {text}")
