"""What is asked of twind on an emulated Raspberry Pi. A case returns what it measured, or raises `Failed`."""

import json
import re
import time

from daemon import CRASH, LAMP, LAMP_HZ, OUTPUTS, PUMP, Daemon
from machine import Failed, until

BOARDS = ("simulated", "gpiochip", "rppal")
# The device of the wrong clock: its twin is on the card before the first boot.
CLOCK_DEVICE = "pi-clock"
CLOCK_DESIRED = {"fanOn": True, "components": {"climate": {"minTemperature": 20, "maxTemperature": 30}}}
DEVICES = [f"pi-{board}" for board in BOARDS] + [CLOCK_DEVICE]
# The contract's, with a page of 4 KiB.
RESIDENT_KIB_MAX = 6144
AT_REST = dict.fromkeys(OUTPUTS, 0)

# The tutorial's back end, its values as it writes them (68 to 76, then 92 °F), and the temperatures of a day between
# them: what changes, the temperature in °C or the desired section, and which drives must follow.
SYSTEM = {"id": "17", "units": "farenheit", "firmwareVersion": "9.75"}
SCENE = [
    ("Init", {"fanOn": "false", "components": {"system": SYSTEM, "climate": {"minTemperature": "68", "maxTemperature": "76"}}}, {}),
    ("Switch fan on", {"fanOn": "true"}, {"relay": 1000, "blower": 450}),
    ("Set maximum temperature", {"components": {"climate": {"maxTemperature": "92"}}}, {"relay": 1000, "blower": 300}),
    ("Add WiFi component", {"components": {"wifi": {"channel": "6", "ssid": "my_network"}}}, {"relay": 1000, "blower": 300}),
    ("26 °C", 26, {"relay": 1000, "blower": 450}),
    ("30 °C", 30, {"relay": 1000, "blower": 750}),
    ("40 °C", 40, {"relay": 1000, "blower": 1000}),
    ("Delete WiFi component", {"components": {"wifi": None}}, {"relay": 1000, "blower": 1000}),
    ("fanOn is null", {"fanOn": None}, {"relay": 1000, "blower": 1000}),
    ("24 °C", 24, {"blower": 300}),
    ("18 °C", 18, {"heater": 1000}),
    ("-5 °C", -5, {"heater": 1000}),
    ("21 °C", 21, {"blower": 75}),
    ("a lamp at 30 %", {"components": {"lamp": {"level": 30}}}, {"blower": 75, "lamp": 300}),
    ("Switch fan off", {"fanOn": "false"}, {"lamp": 300}),
    ("Switch fan on again", {"fanOn": "true"}, {"relay": 1000, "blower": 300, "lamp": 300}),
]


class Cases:
    """The cases share one boot and what they found before."""

    def __init__(self, machine, hub):
        self.machine, self.hub = machine, hub
        self.daemons = {}
        self.sequences = {}

    def daemon(self, board):
        """The daemon on this board, alone, after the scene."""
        self.sequence(board)
        daemon = self.daemons[board]
        if daemon.pid is None:
            self.alone()
            daemon.start()
        return daemon

    def sequence(self, board):
        """The drives of the scene on this board."""
        if board not in self.daemons:
            self.scene(board)
        if board not in self.sequences:
            raise Failed(f"the scene on {board} failed")
        return self.sequences[board]

    def alone(self):
        """Two daemons on the same pins would be one too many."""
        for daemon in self.daemons.values():
            if daemon.pid is not None:
                daemon.stop()

    # --- the wrong clock ----------------------------------------------------------------------------------------------

    def clock(self):
        """Without a clock chip the guest starts in the past: twind drives by the stored twin, signs nothing, and
        connects when the time is known."""
        guest_time = int(self.machine.run("date +%s")[1])
        behind_days = (time.time() - guest_time) / 86400
        if behind_days < 1:
            raise Failed("the guest's clock is right already: this case must be the first one")
        daemon = self.daemons["clock"] = Daemon(self.machine, "gpiochip", CLOCK_DEVICE)
        self.machine.set_temperature(25)
        heard_before = self.hub.said()
        daemon.start()
        daemon.settle("the stored twin", {**AT_REST, "relay": 1000, "blower": 500})
        doubt = until(
            lambda: f"twind doubts the clock; log: {daemon.said()}",
            lambda: re.search(r"the clock says [^;\n]*", daemon.said()),
        ).group(0)
        heard = self.hub.said()[len(heard_before) :]
        if CLOCK_DEVICE in heard:
            raise Failed(f"the hub has heard of the device: {heard}")
        self.set_clock()
        until(lambda: f"twind connects; log: {daemon.said()}", lambda: daemon.status()["hub"]["synced"])
        daemon.settle("connected", {**AT_REST, "relay": 1000, "blower": 500})
        daemon.stop()
        return f"{behind_days:.0f} days behind: relay on, blower 50 %, the hub not asked (\"{doubt}\"); synced after date -s"

    def set_clock(self):
        self.machine.run(f"date -s @{int(time.time())}")

    # --- the scene ----------------------------------------------------------------------------------------------------

    def scene(self, board):
        """The tutorial's patches and a day's temperatures: daemon, registers and report follow, and a stop leaves the
        stop rows behind."""
        self.alone()
        device = f"pi-{board}"
        daemon = self.daemons[board] = Daemon(self.machine, board, device)
        self.machine.set_temperature(22)
        before = daemon.wires()
        self.machine.run(f"/root/twind check --hardware --config {daemon.config}")
        expect("the wires, after `twind check --hardware`", daemon.wires(), before)
        daemon.start()
        until(lambda: f"twind connects; log: {daemon.said()}", lambda: daemon.status()["hub"]["synced"])
        # Until the twin says otherwise the range is 20 to 28 °C.
        daemon.settle("no twin yet, 22 °C", {**AT_REST, "blower": 250})
        for name, change, drives in SCENE:
            if isinstance(change, dict):
                version = self.hub.patch(device, {"patchId": name, **change})
                until(f"twind has desired version {version}", lambda: daemon.status()["hub"]["desiredVersion"] == version)
            else:
                self.machine.set_temperature(change)
                reads = lambda: daemon.status()["sensors"]["cabinet"]["value"]
                until(lambda: f"the sensor reads {change}, not {reads()}", lambda: reads() == change)
            daemon.settle(name, {**AT_REST, **drives})
        until(
            lambda: f"the hub hears of the last patch: {self.hub.reported(device)}",
            lambda: self.reports(device, SCENE[-1][0], 30),
        )
        self.sequences[board] = daemon.changes()
        lamp = self.lamp() if daemon.has_pins else None
        daemon.stop()
        if not daemon.has_pins:
            return f"{len(SCENE)} steps, {len(self.sequences[board])} changes, by the daemon's own word"
        return f"{len(SCENE)} steps, relay, heater (active low), blower: GPFSEL, GPLEV and PWM registers follow; lamp {lamp}"

    def reports(self, device, patch, blower_percent):
        reported = self.hub.reported(device)
        blower = reported.get("components", {}).get("blower", {})
        return (reported.get("lastPatchReceivedId"), blower.get("dutyPercent")) == (patch, blower_percent)

    def lamp(self):
        """PWM by software, seen from outside. A busy machine may delay an edge, so one good look of ten is enough."""
        seen = []
        for _ in range(10):
            share = self.machine.share_high(LAMP, 6)
            if share is None:
                raise Failed(f"the lamp does not flicker; GPFSEL {self.machine.function(LAMP)}")
            seen.append(f"{100 * share:.1f} %")
            if abs(share - 0.3) <= 0.02:
                return f"{seen[-1]} of 30 % at {LAMP_HZ} Hz, look {len(seen)}"
        raise Failed(f"the lamp is to be high for 30 % of the time, seen: {', '.join(seen)}")

    def same(self):
        """One script, three boards, one sequence of drives."""
        first = self.sequence(BOARDS[0])
        for board in BOARDS[1:]:
            if self.sequence(board) != first:
                raise Failed(f"{BOARDS[0]} had {first}, {board} had {self.sequence(board)}")
        return f"{len(first)} changes are the same on {', '.join(BOARDS)}"

    # --- kill -9 ------------------------------------------------------------------------------------------------------

    def crash(self, board):
        """What the wires do when the daemon is killed, when `twind safe` has run, and when the daemon is back."""
        daemon = self.daemon(board)
        self.machine.set_temperature(18)
        self.hub.patch(daemon.device, {"components": {"pump": {"on": True}}})
        drives = {"relay": 1000, "blower": 300, "heater": 1000, "lamp": 300, "pump": 1000}
        daemon.settle("before the crash", drives)
        with self.machine.watch(lambda: self.machine.level(PUMP)) as pump_levels:
            self.crash_of(daemon, drives)
            daemon.signal("TERM")
            daemon.start()
            daemon.settle("after a restart in order", drives)
        expect("levels of the pump, which is kept, all the while", pump_levels, {1})
        kept = "stay driven" if daemon.holds() else "become inputs"
        return f"killed: pins {kept}, PWM keeps 30 %; twind safe: crash rows; restart: from the stored twin; a kept pin never blinks"

    def crash_of(self, daemon, drives):
        trace = [self.look("running", daemon)]
        daemon.signal("KILL")
        trace.append(self.look("after kill -9", daemon))
        said = daemon.safe()
        trace.append(self.look("after twind safe", daemon))
        daemon.start()
        daemon.settle("after the restart", drives)
        trace.append(self.look("after the restart", daemon))
        held = daemon.holds()
        killed, safe = trace[1], trace[2]
        expect("relay, killed", killed["relay"], (held, 1))
        expect("heater, killed", killed["heater"], (held, 0))
        expect("blower, killed", killed["blower"], (1, 300))
        for name, permille in CRASH.items():
            if not re.search(rf"^{name}: {permille} permille", said, re.M):
                raise Failed(f"twind safe said of {name}: {said}")
        expect("pump, killed and safe", (killed["pump"], safe["pump"]), ((held, 1), (held, 1)))
        expect("relay, safe", safe["relay"], (held, 0))
        expect("heater, safe", safe["heater"], (held, 1))
        expect("blower, safe", safe["blower"], (1, CRASH["blower"]))
        expect("lamp, safe", (safe["lamp"], safe["lamp level"]), (held, 0))

    def look(self, moment, daemon):
        """The wires now, printed."""
        wires = {**daemon.wires(), "lamp level": self.machine.level(LAMP)}
        pins = [f"{name} fsel {wires[name][0]} level {wires[name][1]}" for name in ("relay", "heater", "pump")]
        pins.append(f"lamp fsel {wires['lamp']} level {wires['lamp level']}")
        pins.append("blower {} duty {}".format("on" if wires["blower"][0] else "off", wires["blower"][1]))
        print(f"    {daemon.board:9} {moment:18} {', '.join(pins)}", flush=True)
        return wires

    # --- what it costs ------------------------------------------------------------------------------------------------

    def cost(self):
        """Memory is held to its budget; an emulated processor's time is only told."""
        daemon = self.daemon("simulated")
        first_ms = self.first_pin_ms(daemon)
        until("twind is connected", lambda: daemon.status()["hub"]["synced"])
        before = self.cpu_ticks(daemon)
        self.machine.run("sleep 30")
        after = self.cpu_ticks(daemon)
        seconds, ticks = after[0] - before[0], after[1] - before[1]
        resident_kib = int(self.machine.run(f"awk '/^VmRSS/ {{ print $2 }}' /proc/{daemon.pid}/status")[1])
        if resident_kib > RESIDENT_KIB_MAX:
            raise Failed(f"{resident_kib} KiB resident, connected over TLS (budget {RESIDENT_KIB_MAX})")
        return f"{resident_kib} KiB resident, connected over TLS; {ticks / seconds:.2f} % of an emulated core in {seconds:.0f} s; first output {first_ms:.0f} ms after the start"

    def first_pin_ms(self, daemon):
        """Starts it anew: how long until the stored twin moves an output."""
        daemon.stop()
        trace = f"/run/twind/{daemon.device}/trace.jsonl"
        self.machine.run(f"rm -f {trace}")
        daemon.start()
        _, said = self.machine.run(f"cat /run/{daemon.device}.started; head -n 1 {trace}")
        started, first = said.strip().splitlines()
        return json.loads(first)["boottime_ns"] / 1e6 - 1000 * float(started)

    def cpu_ticks(self, daemon):
        """The guest's seconds, and the daemon's time in hundredths."""
        _, said = self.machine.run(f"cut -d' ' -f1 /proc/uptime; awk '{{ print $14 + $15 }}' /proc/{daemon.pid}/stat")
        seconds, ticks = said.split()
        return float(seconds), int(ticks)


def expect(what, found, wanted):
    if found != wanted:
        raise Failed(f"{what}: {found}, not {wanted}")
