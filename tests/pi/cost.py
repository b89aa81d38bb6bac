"""What a process in the guest costs: memory, which is held to its budget; time of an emulated processor, which is only
reported; and the bytes it writes to the card."""

from machine import Failed

# The budget of packaging/doc/proof.md, in pages of 4 KiB.
RESIDENT_KIB_MAX = 6144


def resident_kib(machine, pid):
    kib = int(machine.run(f"awk '/^VmRSS/ {{ print $2 }}' /proc/{pid}/status")[1])
    if kib > RESIDENT_KIB_MAX:
        raise Failed(f"{kib} KiB resident, connected over TLS (budget {RESIDENT_KIB_MAX})")
    return kib


def cpu_share(machine, pid, seconds):
    """The share of one core that the idle process uses."""
    before = ticks(machine, pid)
    machine.run(f"sleep {seconds}")
    after = ticks(machine, pid)
    seconds, used = after[0] - before[0], after[1] - before[1]
    return f"{used / seconds:.2f} % of an emulated core in {seconds:.0f} s"


def ticks(machine, pid):
    """The guest's uptime in seconds, and the process's processor time in hundredths of a second."""
    _, said = machine.run(f"cut -d' ' -f1 /proc/uptime; awk '{{ print $14 + $15 }}' /proc/{pid}/stat")
    seconds, used = said.split()
    return float(seconds), int(used)


def written(machine, pid):
    """The bytes written to the card so far by the process, and by the whole system."""
    said = machine.run(f"awk '/^write_bytes/ {{ print $2 }}' /proc/{pid}/io; awk '{{ print 512 * $7 }}' /sys/block/mmcblk0/stat")[1]
    process, card = said.split()
    return int(process), int(card)
