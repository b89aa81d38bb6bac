"""Driver `rppal`, which writes the registers, inside the sandbox.

It needs `/dev/gpiomem`, which Raspberry Pi's own kernels have and Debian's does not. Without it the driver uses `/dev/mem`,
which is all of the machine's memory: the kernel's command line must open it (`iomem=relaxed`), and a drop-in must give it
to the unit. So this tests the driver in the rest of the sandbox, but not `/dev/gpiomem` and its group.
"""

from installed_faults import crash
from machine import Failed, until
from plant import AT_REST
from scene import go_to_work

RPPAL = r"""s/^driver = "gpiochip"/driver = "rppal"/; /^chip = /d; s/, chip = "[^"]*"//"""
DROP_IN = [
    "DeviceAllow=/dev/mem rw",
    "CapabilityBoundingSet=CAP_SYS_RAWIO",
    "AmbientCapabilities=CAP_SYS_RAWIO",
    "ExecStartPre=+/bin/chown twind /dev/mem",
]
# The status of a process that has only that capability, and a system call filter.
CONFINED = {"CapEff:": "0000000000020000", "CapBnd:": "0000000000020000", "NoNewPrivs:": "1", "Seccomp:": "2"}


def rppal(unit):
    """Without the drop-in it is refused with the reason; with it come a kill and an orderly stop."""
    with unit.configured(RPPAL, is_refused=True):
        refusal = r"the new board cannot be opened: (.*); the running"
        told = until(lambda: f"it tells what is missing; {unit.said()}", lambda: unit.told(refusal))[-1]
        print(f"    without a drop-in: {told}", flush=True)
        if "there is no /dev/gpiomem" not in told or 'driver = "gpiochip"' not in told:
            raise Failed(f"what is missing and what to do is not said: {told}")
        for line in DROP_IN:
            print(f"    drop-in: {line}", flush=True)
        with unit.drop_in(DROP_IN, then="stop"):
            unit.board = "rppal"
            go_to_work(unit, unit.hub)
            confined(unit)
            killed = crash(unit)
            unit.machine.run("systemctl stop twind")
            unit.settle("stopped in order", {**AT_REST, "pump": 1000})
            unit.look("stopped")
            unit.board = "gpiochip"
    return f"only with a drop-in that gives it /dev/mem, since stock Debian has no /dev/gpiomem; {killed}; stopped: stop rows"


def confined(unit):
    """Checks that the rest of the sandbox still holds."""
    said = unit.machine.run(f"grep -E '^(Cap(Eff|Bnd)|NoNewPrivs|Seccomp):' /proc/{unit.pid()}/status; ps -o user= -C twind")[1].split()
    found = dict(zip(said[:-1:2], said[1:-1:2]))
    if found != CONFINED or said[-1] != "twind":
        raise Failed(f"with the drop-in it is {said}")
