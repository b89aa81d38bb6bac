"""What the installed unit costs: memory, time, and what it writes to the card."""

import time

from cost import cpu_share, resident_kib, written
from machine import Failed, until

# Heartbeats are told the hub and not the card: a day's must not show there.
QUICK = r"""s/^min-interval = .*/heartbeat = "1s"/"""
HEARTBEATS = 10
HEARTBEATS_A_DAY = 24 * 60 // 5
PATCHES = 5
# The contract's.
WRITTEN_MAX = 1 << 20


def cost(unit):
    """Memory and writes are held to their budgets; an emulated processor's time is only told."""
    machine, pid = unit.machine, unit.pid()
    before = written(machine, pid)
    cpu = cpu_share(machine, pid, 20)
    quiet = written(machine, pid)[0] - before[0]
    with unit.configured(QUICK, "reload"):
        beat = heartbeats(unit)
        asked = patches(unit)
    kib = resident_kib(machine, pid)
    if beat * HEARTBEATS_A_DAY + quiet > WRITTEN_MAX:
        raise Failed(f"{beat} bytes written a heartbeat")
    return f"{kib} KiB resident; {cpu}; written: {quiet} bytes in quiet, {beat:.0f} a heartbeat, {asked:.0f} a patch"
