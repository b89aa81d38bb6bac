#!/usr/bin/env python3
"""Boots an emulated Raspberry Pi 3B with twind on its card, and runs the cases.

    run.py --image FOLDER --twind FILE --twinhub FILE --work FOLDER [--package FILE [--released FILE]]
           [CASE…]

Nothing in the work folder needs to be kept; it is there to look at when a case fails. Exit status 1 if one does.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile

from cases import BOARDS, CLOCK_DESIRED, CLOCK_DEVICE, DEVICES, Cases
import installed
import power
import unit
from daemon import configuration
from hub import Hub
from machine import Failed, Machine, until
from power import Power
from runner import chosen, run_cases, summary

CASES = {
    "clock": lambda cases: cases.clock(),
    **{board: lambda cases, board=board: cases.scene(board) for board in BOARDS},
    "same": lambda cases: cases.same(),
    **{f"crash-{board}": lambda cases, board=board: cases.crash(board) for board in BOARDS[1:]},
    "cost": lambda cases: cases.cost(),
    # Last, because they run the installed service.
    **{name: lambda cases, case=case: cases.alone() or case(cases.installed) for name, case in installed.CASES.items()},
}
# It has its own card and its own machines.
POWER = "power"
PACKAGED = (*installed.CASES, POWER)
RELEASED = "package-released"


def stored_twin(hub, twind, folder):
    """Has the arm64 binary fetch and store a twin on this machine; returns the folder of the record."""
    hub.patch(CLOCK_DEVICE, CLOCK_DESIRED)
    os.mkdir(folder)
    write(f"{folder}/secret", f"{hub.connection_strings[CLOCK_DEVICE]};GatewayHostName=127.0.0.1", 0o600)
    write(f"{folder}/temperature", "25")
    write(
        f"{folder}/twind.toml",
        f"""[hub]
connection-string-file = "secret"
port = {hub.port}
ca-file = "{hub.ca}"
[twin]
state-dir = "{folder}/state"
[board]
driver = "simulated"
folder = "{folder}/board"
[outputs.fan]
pwm = {{ channel = 0 }}
[sensors.cabinet]
driver = "file"
path = "{folder}/temperature"
[climate]
sensor = "cabinet"
[local]
socket = "{folder}/socket"
""",
    )
    command = ["qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu", twind]
    with open(f"{folder}/log", "w") as log:
        daemon = subprocess.Popen([*command, "run", "--config", f"{folder}/twind.toml"], stderr=log)
        try:
            until("twind here has a twin", lambda: alive(daemon, f"{folder}/log") and "fanOn" in hub.reported(CLOCK_DEVICE))
        finally:
            daemon.terminate()
            daemon.wait()
    return f"{folder}/state"


def alive(process, log):
    if process.poll() is not None:
        with open(log) as text:
            raise Failed(f"twind here ended with {process.returncode}: {text.read()}")
    return True


def write(path, text, mode=0o644):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)


def card(arguments, hub, folder):
    """Makes a copy of the image's card with one more archive on it; returns its path."""
    twind, package = arguments.twind, arguments.package
    state = stored_twin(hub, twind, f"{folder}/stored")
    payload = f"{folder}/payload"
    os.mkdir(payload)
    shutil.copy(twind, f"{payload}/twind")
    shutil.copy(hub.ca, f"{payload}/ca.pem")
    for device, board in [(f"pi-{board}", board) for board in BOARDS] + [(CLOCK_DEVICE, "gpiochip")]:
        write(f"{payload}/{device}.toml", configuration(board, device, hub.port))
        write(f"{payload}/{device}.secret", hub.connection_strings[device], 0o600)
    if package:
        shutil.copy(package, f"{payload}/twind.deb")
        if arguments.released:
            shutil.copy(arguments.released, f"{payload}/released.deb")
        write(f"{payload}/{unit.DEVICE}.toml", unit.configuration(hub.port))
        write(f"{payload}/{unit.DEVICE}.secret", hub.connection_strings[unit.DEVICE], 0o600)
    archive = f"{folder}/payload.tar"

    def of_root(entry):
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        return entry

    with tarfile.open(archive, "w") as tar:
        tar.add(payload, "root", filter=of_root)
        tar.add(state, f"var/lib/{CLOCK_DEVICE}", filter=of_root)
    path = f"{folder}/sd.img"
    subprocess.run(["cp", "--sparse=always", f"{arguments.image}/sd.img", path], check=True)
    commands = f"cd root\nwrite {archive} payload.tar\n"
    subprocess.run(["debugfs", "-w", "-f", "-", path], input=commands, text=True, check=True, capture_output=True)
    return path


def run(arguments, folder):
    hub = Hub(arguments.twinhub, folder, [*DEVICES, unit.DEVICE, power.DEVICE])
    try:
        results = run_shared(arguments, hub, folder)
        if POWER in arguments.cases:
            power_case = lambda: Power(arguments.image, arguments.package, hub, f"{folder}/{POWER}").run()
            results += run_cases({POWER: power_case}, [POWER])
        return results
    finally:
        hub.end()


def run_shared(arguments, hub, folder):
    """The cases that share one boot."""
    names = [name for name in arguments.cases if name in CASES]
    if not names:
        return []
    machine = None
    try:
        machine = Machine(arguments.image, card(arguments, hub, folder), folder)
        print(f"booted in {machine.boot():.0f} s", flush=True)
        machine.run("tar -C / -xf /root/payload.tar && sync")
        cases = Cases(machine, hub)
        if "clock" not in names:
            cases.set_clock()
        table = {name: lambda case=case: case(cases) for name, case in CASES.items()}
        return run_cases(table, names, lambda name: name == "clock" and cases.set_clock())
    finally:
        if machine:
            machine.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("image", "twind", "twinhub", "work"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--package", help="the Debian package for arm64, without which the cases `package…` and `power` are skipped")
    parser.add_argument("--released", help=f"the released package for arm64, without which the case `{RELEASED}` is skipped")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join([*CASES, POWER]))
    arguments = parser.parse_args()
    names = [name for name in [*CASES, POWER] if arguments.package or name not in PACKAGED]
    if not arguments.package:
        print(f"skipped: {', '.join(PACKAGED)} (no --package)")
    elif not arguments.released:
        print(f"skipped: {RELEASED} (no --released)")
        names.remove(RELEASED)
    # Always in this order: the clock is wrong only once.
    arguments.cases = chosen(parser, names, arguments.cases)
    folder = os.path.abspath(arguments.work)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return summary(run(arguments, folder), folder)


if __name__ == "__main__":
    sys.exit(main())
