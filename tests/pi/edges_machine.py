"""A machine whose GPIO chip is simulated by its own kernel (gpio-sim), with edges and pull resistors.

The chip has the label and the number of lines of a Raspberry Pi's. The kernel tells each wire's level, its resistor, and
everything that was driven, with its time. The resistor sets the level of an input. A line that nobody holds is at its
resistor's level, as on a Raspberry Pi with a mainline kernel.
"""

import os
import re
import shutil
import subprocess
import time

from machine import Guest, until

LABEL, LINES = "pinctrl-bcm2835", 54
CONFIG = "/sys/kernel/config/gpio-sim/pi"
CHIP = "/sys/devices/platform/gpio-sim.0/gpiochip0"
TRACE = "/sys/kernel/tracing"
KERNEL = "console=ttyS0,115200 mitigations=off quiet panic=-1"

# A fan's tachometer: pulls its line down and releases it $1 times a second (a multiple of 100) until it is killed.
# It makes up for lateness, so the mean rate is right however unsteady the emulated processor is. /run/pulses holds the
# number of pulses so far, and the time of the last one in hundredths of a second.
PULSES = """#!/bin/sh
now() { read -r up _ </proc/uptime; now=${up%.*}${up#*.}; }
exec 3>$2 4<>/run/never
now
start=$now count=0
while :; do
    now
    while [ $count -lt $(((now - start) * $1 / 100)) ]; do
        echo pull-down >&3
        echo pull-up >&3
        count=$((count + 1))
    done
    echo $count $now >/run/pulses
    read -t 0.01 never <&4
done
"""


def library_files(program):
    """The shared libraries that a program needs, with its loader."""
    said = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"(/\S+) \(0x", said)))


def initrd(image, twind, files, folder):
    """The image's RAM disk, followed by one with the program, its libraries and the test's files (name: text)."""
    payload = os.path.join(folder, "payload")
    for path in library_files(twind):
        os.makedirs(payload + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, payload + path)
    os.makedirs(f"{payload}/root", exist_ok=True)
    shutil.copy(twind, f"{payload}/root/twind")
    for name, text in files.items():
        with open(os.open(f"{payload}/root/{name}", os.O_WRONLY | os.O_CREAT, 0o700), "w") as file:
            file.write(text)
    path = os.path.join(folder, "initrd.gz")
    shutil.copy(f"{image}/initrd.gz", path)
    pack = "find . | cpio -o -H newc -R 0:0 --quiet | gzip -1"
    with open(path, "ab") as disk:
        subprocess.run(pack, shell=True, check=True, cwd=payload, stdout=disk)
    return path


class SimulatedChip(Guest):
    """See the module."""

    chip = CHIP

    def __init__(self, image, initrd, folder):
        # One processor: the kernel's thread that numbers edges then runs before the next edge is made. With two, the other
        # one may be late, and the kernel merges several edges into one.
        super().__init__(
            ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "512M"]
            + ["-kernel", f"{image}/vmlinuz", "-initrd", initrd, "-append", KERNEL, "-nic", "none"]
            + ["-serial", "chardev:console"],
            folder,
        )

    def boot(self):
        """Waits for the guest's shell and makes the chip; returns how long it took."""
        begin = time.monotonic()
        until("a shell in the guest (see console.log)", lambda: "@@ a shell\n" in self.console.hear(), 900)
        self.run(
            f"mkdir {CONFIG} {CONFIG}/bank && echo {LINES} >{CONFIG}/bank/num_lines && "
            f"echo {LABEL} >{CONFIG}/bank/label && echo 1 >{CONFIG}/live && mkfifo /run/never && "
            f"echo mono >{TRACE}/trace_clock && echo 1 >{TRACE}/events/gpio/enable"
        )
        self.base = int(self.run("cat /sys/class/gpio/gpiochip*/base")[1])
        return time.monotonic() - begin

    def levels(self, pins):
        """The levels of these lines, keyed by the pins' names."""
        _, said = self.run("cat " + " ".join(f"{CHIP}/sim_gpio{pin}/value" for pin in pins.values()))
        return dict(zip(pins, map(int, said.split())))

    def pull(self, pin, up):
        """Changes the resistor of a line."""
        self.run(f"echo pull-{'up' if up else 'down'} >{CHIP}/sim_gpio{pin}/pull")

    def forget(self):
        """Clears the trace of driven lines."""
        self.run(f": >{TRACE}/trace")

    def driven(self, pin=None):
        """What was driven since `forget`: (time in seconds, pin, level), for one pin or all."""
        _, said = self.run(f"cat {TRACE}/trace")
        pattern = re.compile(r" (\d+\.\d+): gpio_value: (\d+) set ([01])$", re.M)
        found = [(float(at), int(number) - self.base, int(level)) for at, number, level in pattern.findall(said)]
        return [event for event in found if pin in (None, event[1])]

    def claim(self, pin):
        """Claims a line by the kernel's old interface, which calls itself `sysfs`."""
        self.run(f"echo {self.base + pin} >/sys/class/gpio/export")

    def let_go(self, pin):
        self.run(f"echo {self.base + pin} >/sys/class/gpio/unexport")

    def pulse(self, pin, hertz):
        """Makes tachometer pulses at this rate; 0 stops them."""
        self.run("[ ! -e /run/pulses.pid ] || kill $(cat /run/pulses.pid); rm -f /run/pulses.pid /run/pulses")
        if hertz:
            self.run(f"(sh /root/pulses {hertz} {CHIP}/sim_gpio{pin}/pull </dev/null & echo $! >/run/pulses.pid)")
            self.pulses()

    def pulses(self):
        """How many pulses were made since the fan began to turn, and the time of the last one in seconds."""

        def told():
            # The file may be half written.
            words = self.run("cat /run/pulses", check=False)[1].split()
            return words if len(words) == 2 and words[0].isdigit() else None

        count, hundredths = until("pulses are told", told)
        return int(count), int(hundredths) / 100
