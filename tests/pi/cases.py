"""The test cases on an emulated Raspberry Pi. A case returns what it measured, or raises `Failed`."""

import json
import re
import time

from cost import cpu_share, resident_kib
from daemon import Daemon
from installed import Installed
from machine import Failed, expect, until
from plant import AT_REST, CRASH, PUMP
from scene import AT_WORK, SCENE, go_to_work, play

BOARDS = ("simulated", "gpiochip", "rppal")
# The device of the wrong-clock case: its twin is on the card before the first boot.
CLOCK_DEVICE = "pi-clock"
CLOCK_DESIRED = {"fanOn": True, "components": {"climate": {"minTemperature": 20, "maxTemperature": 30}}}
DEVICES = [f"pi-{board}" for board in BOARDS] + [CLOCK_DEVICE]


class Cases:
    """The cases share one boot and the results of earlier cases."""

    def __init__(self, machine, hub):
        self.machine, self.hub = machine, hub
        self.daemons = {}
        self.sequences = {}
        self.installed = Installed(machine, hub)

    def daemon(self, board):
        """The daemon on this board: the only one running, with the scene behind it."""
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
        """Stops every daemon, because two must not drive the same pins."""
        for daemon in self.daemons.values():
            if daemon.pid is not None:
                daemon.stop()

    # --- the wrong clock ----------------------------------------------------------------------------------------------

    def clock(self):
        """Without a clock chip the guest starts in the past. twind drives by the stored twin, signs no token, and connects
        once the time is known."""
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
        outputs in their stop rows."""
        self.alone()
        device = f"pi-{board}"
        daemon = self.daemons[board] = Daemon(self.machine, board, device)
        self.machine.set_temperature(22)
        before = daemon.wires()
        self.machine.run(f"/root/twind check --hardware --config {daemon.config}")
        expect("the wires, after `twind check --hardware`", daemon.wires(), before)
        daemon.start()
        until(lambda: f"twind connects; log: {daemon.said()}", lambda: daemon.status()["hub"]["synced"])
        play(daemon, self.hub)
        until(
            lambda: f"the hub hears of the last patch: {self.hub.reported(device)}",
            lambda: self.reports(device, SCENE[-1][0], 30),
        )
        # The pump keeps the state it is found in. The simulated board's files do not hold that state, so it is not compared.
        self.sequences[board] = [change for change in daemon.changes() if change[0] != "pump"]
        lamp = daemon.lamp_share() if daemon.has_pins else None
        daemon.stop()
        if not daemon.has_pins:
            return f"{len(SCENE)} steps, {len(self.sequences[board])} changes, by the daemon's own word"
        return f"{len(SCENE)} steps, relay, heater (active low), blower: GPFSEL, GPLEV and PWM registers follow; lamp {lamp}"

    def reports(self, device, patch, blower_percent):
        reported = self.hub.reported(device)
        blower = reported.get("components", {}).get("blower", {})
        return (reported.get("lastPatchReceivedId"), blower.get("dutyPercent")) == (patch, blower_percent)

    def same(self):
        """The same script gives the same sequence of drives on all three boards."""
        first = self.sequence(BOARDS[0])
        for board in BOARDS[1:]:
            if self.sequence(board) != first:
                raise Failed(f"{BOARDS[0]} had {first}, {board} had {self.sequence(board)}")
        return f"{len(first)} changes are the same on {', '.join(BOARDS)}"

    # --- kill -9 ------------------------------------------------------------------------------------------------------

    def crash(self, board):
        """What the wires do after the daemon is killed, after `twind safe`, and after the daemon is back."""
        daemon = self.daemon(board)
        go_to_work(daemon, self.hub)
        with self.machine.watch(lambda: self.machine.level(PUMP)) as pump_levels:
            self.crash_of(daemon)
            daemon.signal("TERM")
            daemon.start()
            daemon.settle("after a restart in order", AT_WORK)
        expect("levels of the pump, which is kept, all the while", {level for _, level in pump_levels}, {1})
        kept = "stay driven" if daemon.holds() else "become inputs"
        return f"killed: pins {kept}, PWM keeps 30 %; twind safe: crash rows; restart: from the stored twin; a kept pin never blinks"

    def crash_of(self, daemon):
        trace = [daemon.look("running")]
        daemon.signal("KILL")
        trace.append(daemon.look("after kill -9"))
        said = daemon.safe()
        trace.append(daemon.look("after twind safe"))
        daemon.start()
        daemon.settle("after the restart", AT_WORK)
        trace.append(daemon.look("after the restart"))
        held = daemon.holds()
        killed, safe = trace[1], trace[2]
        expect("relay, killed", killed["relay"], (held, 1))
        expect("heater, killed", killed["heater"], (held, 0))
        expect("blower, killed", killed["blower"], (1, 300))
        for name, permille in CRASH.items():
            if not re.search(rf"^{name}: {permille / 10:g} %", said, re.M):
                raise Failed(f"twind safe said of {name}: {said}")
        expect("pump, killed and safe", (killed["pump"], safe["pump"]), ((held, 1), (held, 1)))
        expect("relay, safe", safe["relay"], (held, 0))
        expect("heater, safe", safe["heater"], (held, 1))
        expect("blower, safe", safe["blower"], (1, CRASH["blower"]))
        expect("lamp, safe", safe["lamp"], (held, 0))

    # --- what it costs ------------------------------------------------------------------------------------------------

    def cost(self):
        """Memory is held to its budget; the emulated processor's time is only reported."""
        daemon = self.daemon("simulated")
        first_ms = self.first_pin_ms(daemon)
        until("twind is connected", lambda: daemon.status()["hub"]["synced"])
        share = cpu_share(self.machine, daemon.pid, 30)
        resident = resident_kib(self.machine, daemon.pid)
        return f"{resident} KiB resident, connected over TLS; {share}; first output {first_ms:.0f} ms after the start"

    def first_pin_ms(self, daemon):
        """Restarts the daemon and measures how long until the stored twin moves an output."""
        daemon.stop()
        trace = f"/run/twind/{daemon.device}/trace.jsonl"
        self.machine.run(f"rm -f {trace}")
        daemon.start()
        _, said = self.machine.run(f"cat /run/{daemon.device}.started; head -n 1 {trace}")
        started, first = said.strip().splitlines()
        return json.loads(first)["boottime_ns"] / 1e6 - 1000 * float(started)
