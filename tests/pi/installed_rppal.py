"""The registers inside the sandbox, by driver `rppal`.

It wants `/dev/gpiomem`, which Raspberry Pi's own kernels have and Debian's has not. There it takes `/dev/mem`, which the
kernel's line must open (`iomem=relaxed`) and a drop-in must give to the unit: all of the machine's memory. So what is seen
here is the driver in the rest of the sandbox; `/dev/gpiomem` and its group are not.
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
# What the kernel says of a process that has that capability and no other, and a filter of system calls.
CONFINED = {"CapEff:": "0000000000020000", "CapBnd:": "0000000000020000", "NoNewPrivs:": "1", "Seccomp:": "2"}


def rppal(unit):
    """Refused without the drop-in, and why; with it a kill, and an end in order."""
    with unit.configured(RPPAL):
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
    """That nothing else of the sandbox was given up for it."""
    said = unit.machine.run(f"grep -E '^(Cap(Eff|Bnd)|NoNewPrivs|Seccomp):' /proc/{unit.pid()}/status; ps -o user= -C twind")[1].split()
    found = dict(zip(said[:-1:2], said[1:-1:2]))
    if found != CONFINED or said[-1] != "twind":
        raise Failed(f"with the drop-in it is {said}")
