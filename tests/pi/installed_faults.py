"""Faults of the installed unit: it is killed, it hangs, its hub falls silent. Each case judges by the registers from the
fault until all is well again, and prints them."""

import re

from machine import OUTPUT, Failed, until
from plant import CRASH, PINS, show, steady
from scene import AT_WORK, go_to_work

# Unanswered pings show that the hub is silent; the blower then goes to 60 % and the heater off.
SILENT = r"""s/^port = .*/&\nkeep-alive = "2s"/
s/^crash = "40%"/&\nhub-silent = { after = "3s", drive = "60%" }/
s/^active-low = .*/&\nwhen = { hub-silent = { after = "3s", drive = "off" } }/"""


def crash(unit):
    """kill -9: what the registers show until the daemon is back, and that it then gets the patch made meanwhile."""
    hub, pid = unit.hub, unit.pid()
    heard = len(hub.said())
    unit.look("running")
    with unit.machine.watch(unit.seen) as trace:
        unit.machine.run(f"kill -KILL {pid}")
        has_crash_rows(unit, trace)
        version = hub.patch(unit.device, {"fanOn": "false"})
        unit.settle("after the kill", {**AT_WORK, "relay": 0, "blower": 0})
    show(unit.board, trace)
    unit.hears(version)
    if not re.search(rf"{unit.device} +gone.*desired version {version}.*{unit.device} +connected", hub.said()[heard:], re.S):
        raise Failed(f"the patch is to be made while the daemon is away: {hub.said()[heard:]}")
    mine, hubs = unit.desired()
    if mine != hubs:
        raise Failed(f"the copy is {mine}, the hub has {hubs}")
    return f"{killed_of(unit, trace)}; ExecStopPost: crash rows; restart and resync: desired version {version}, made meanwhile, is driven, and the copy is the hub's whole section"


def watchdog(unit):
    """kill -STOP: the unit's own watchdog ends it."""
    pid = unit.pid()
    unit.look("running")
    with unit.machine.watch(unit.seen, 0.02) as trace:
        unit.machine.run(f"kill -STOP {pid}")
        has_crash_rows(unit, trace)
        unit.settle("after the watchdog", AT_WORK)
    show(unit.board, trace)
    told = unit.told(r"[Ww]atchdog")
    if not any("Watchdog timeout" in line for line in told):
        raise Failed(f"the journal is to tell of the watchdog: {unit.said()}")
    for line in told:
        print(f"    journal: {line}", flush=True)
    _, unit_says = unit.machine.run("systemctl show -P WatchdogUSec twind")
    hung = next(seconds for seconds, seen in trace if is_safe(seen))
    return f"hung, outputs as they were; WatchdogSec={unit_says.strip()} of the unit: crash rows after {hung:.0f} s, then the twin again"


def silent(unit):
    """The hub stops answering with its connections open: outputs go to their silent-hub rows, and back when it resumes."""
    heard = len(unit.hub.said())
    with unit.configured(SILENT):
        connected = rf"{unit.device} +connected"
        until(lambda: f"it connects anew; {unit.said()}", lambda: re.search(connected, unit.hub.said()[heard:]))
        # On a busy machine the reconnection may take so long that the rows are in force already.
        go_to_work(unit, unit.hub)
        unit.look("connected")
        with unit.hub.frozen():
            unit.settle("hub silent", {**AT_WORK, "blower": 600, "heater": 0})
            unit.look("hub silent for 3 s")
            cause = unit.status()["outputs"]["blower"]["cause"]
            if cause != "fail-safe hub-silent":
                raise Failed(f"the blower's cause is {cause}; {unit.said()}")
        unit.settle("the hub is back", AT_WORK)
        unit.look("the hub is back")
    return f"connections open, no word: {cause} after 3 s, blower 60 %, heater off, the rest as it was; back with the hub"


def has_crash_rows(unit, trace):
    rows = lambda: any(is_safe(seen) for _, seen in list(trace))
    until(lambda: f"the crash rows; seen {trace}; {unit.said()}", rows, pause=0.01)


def killed_of(unit, trace):
    """What was seen between the kill and `twind safe`, if a sample fell in between."""
    if unit.board == "rppal":
        # No process owns registers, so the kill itself does not show.
        if any(seen[name][0] != OUTPUT for _, seen in trace for name in PINS):
            raise Failed(f"pins are to stay outputs all the while: {trace}")
        return "killed: pins stay driven, PWM keeps 30 %"
    left = {"relay": (0, 1), "heater": (0, 0), "pump": (0, 1), "lamp": (0, None), "blower": (1, AT_WORK["blower"])}
    if left not in [steady(seen) for _, seen in trace]:
        return "killed: nobody looked before twind safe"
    return "killed: pins become inputs, PWM keeps 30 %"


def is_safe(seen):
    """Whether these are the crash rows, with the pump as it was."""
    levels = {name: seen[name][1] for name in PINS}
    return (levels, seen["blower"]) == ({"relay": 0, "heater": 1, "pump": 1, "lamp": 0}, (1, CRASH["blower"]))
