"""What the installed unit costs: memory, an emulated processor's time, and what it writes to the card.

The kernel counts what the process writes. What the journal and the file system write is only in the count of the whole
card, which is reported but not judged."""

from cost import cpu_share, resident_kib, written
from machine import Failed, until

QUIET_SECONDS = 15
# The shortest heartbeat allowed, so that some come; the default is five minutes.
QUICK = r"""s/^min-interval = .*/heartbeat = "1s"/"""
HEARTBEATS, HEARTBEATS_A_DAY = 5, 24 * 60 // 5
# One back-end patch an hour is more than a site gets.
PATCHES, PATCHES_A_DAY = 4, 24
# The budget of packaging/doc/proof.md: bytes a day.
WRITTEN_MAX = 1 << 20


def cost(unit):
    """Memory and writes are held to their budgets; processor time is only reported."""
    machine, pid = unit.machine, unit.pid()
    before = written(machine, pid)
    cpu = cpu_share(machine, pid, QUIET_SECONDS)
    quiet = difference(written(machine, pid), before)
    with unit.configured(QUICK):
        beat = heartbeats(unit, pid)
        patch = patches(unit, pid)
    kib = resident_kib(machine, pid)
    for what, (process, card) in {f"{QUIET_SECONDS} s of quiet": quiet, "a heartbeat": beat, "a patch": patch}.items():
        print(f"    written in {what}: {process:.0f} bytes by twind, {card:.0f} by all", flush=True)
    day = beat[0] * HEARTBEATS_A_DAY + patch[0] * PATCHES_A_DAY
    if quiet[0] or day > WRITTEN_MAX:
        raise Failed(f"{quiet[0]} bytes written in quiet; {day:.0f} a day (budget {WRITTEN_MAX})")
    return (
        f"{kib} KiB resident, connected over TLS; {cpu}; a day of {HEARTBEATS_A_DAY} heartbeats and {PATCHES_A_DAY} patches "
        f"writes {day / 1024:.0f} KiB"
    )


def heartbeats(unit, pid):
    """The bytes that one heartbeat writes."""
    version = lambda: unit.hub.reported(unit.device)["$version"]
    # First comes what the new configuration itself causes.
    told = version()
    until("a heartbeat", lambda: version() > told + 2)
    first, before = version(), written(unit.machine, pid)
    until(f"{HEARTBEATS} heartbeats; {unit.hub.reported(unit.device)}", lambda: version() >= first + HEARTBEATS)
    return difference(written(unit.machine, pid), before, version() - first)


def patches(unit, pid):
    """The bytes that one patch writes, its report included. A patch is acknowledged once it is stored."""
    before = written(unit.machine, pid)
    for number in range(PATCHES):
        unit.hears(unit.hub.patch(unit.device, {"patchId": f"written {number}"}))
    return difference(written(unit.machine, pid), before, PATCHES)


def difference(after, before, count=1):
    return tuple((b - a) / count for b, a in zip(after, before))
