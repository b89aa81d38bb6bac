"""An emulated Raspberry Pi 3B, observed and controlled from outside: its console, its registers, its temperature sensor.

Registers are read through QEMU's qtest socket while the guest runs. They show what a probe on the board would see, as far
as QEMU models it: levels and functions of pins, and the PWM's settings. QEMU models no edges and no pull resistors, which
`edges_machine.py` has, and no PWM signal on the wire. Addresses are those that the BCM2837's processors use.
"""

import contextlib
import os
import re
import socket
import subprocess
import threading
import time

GPIO = 0x3F200000
GPIO_CLEAR = GPIO + 0x28
GPIO_LEVELS = GPIO + 0x34
PWM = 0x3F20C000
PWM_RANGE_1 = PWM + 0x10
PWM_DATA_1 = PWM + 0x14
OUTPUT = 1
# Two processors, since more are slower on a host that has only two. Registers are open to root, because rppal needs them
# where there is no /dev/gpiomem. udev does not search for devices, which takes longer than the rest of the boot.
KERNEL = (
    "console=ttyS1,115200 root=/dev/mmcblk0 rootwait maxcpus=2 iomem=relaxed "
    "systemd.mask=systemd-udev-trigger.service systemd.mask=systemd-logind.service"
)

# Seconds. An upper bound that even a busy machine never reaches; no result depends on it.
LONG = 300
BOOTS_MAX = 4


class Failed(Exception):
    """A case found something wrong."""


class NoNetwork(Failed):
    """On a busy machine the emulated USB controller sometimes loses its device while the guest's kernel looks for it, and the
    kernel does not look again."""


def expect(what, found, wanted):
    if found != wanted:
        raise Failed(f"{what}: {found}, not {wanted}")


def until(what, condition, seconds=LONG, pause=0.1):
    """Waits for a condition and returns what made it true."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(pause)


def connect(path, process):
    """Connects to one of QEMU's sockets, which appears soon after its start."""

    def attempt():
        if process.poll() is not None:
            raise Failed(f"QEMU ended with {process.returncode}")
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(path)
            return client
        except OSError:
            client.close()
            return None

    return until(f"QEMU's socket {path}", attempt)


class Registers:
    """A snapshot of the registers of the header's pins and of hardware PWM channel 0."""

    def __init__(self, read):
        self.functions = [read(GPIO + 4 * bank) for bank in range(3)]
        self.levels = read(GPIO_LEVELS)
        self.control, self.range, self.data = read(PWM), read(PWM_RANGE_1), read(PWM_DATA_1)

    def function(self, pin):
        """The function of a pin: 0 is input, 1 is output."""
        return self.functions[pin // 10] >> 3 * (pin % 10) & 7

    def level(self, pin):
        return self.levels >> pin & 1

    def pwm(self):
        """Whether the PWM is on, and its duty in permille."""
        return self.control & 1, round(1000 * self.data / self.range) if self.range else 0

    def __str__(self):
        pins = f"GPFSEL1 {self.functions[1]:08x} GPFSEL2 {self.functions[2]:08x} GPLEV0 {self.levels:08x}"
        return f"{pins} CTL {self.control:02x} RNG1 {self.range:04x} DAT1 {self.data:04x}"


class Console:
    """The guest's shell at its serial console."""

    def __init__(self, client):
        self.client = client
        self.client.settimeout(0.2)
        self.number = 0
        self.heard = ""

    def hear(self):
        try:
            self.heard += self.client.recv(65536).decode("utf-8", "replace").replace("\r", "")
        except TimeoutError:
            pass
        return self.heard

    def say(self, text):
        # The UART's buffer holds 16 bytes.
        data = text.encode()
        for start in range(0, len(data), 16):
            self.client.sendall(data[start : start + 16])
            time.sleep(0.01)

    def run(self, command, seconds=LONG):
        """Runs a command; returns its exit status and what it printed."""
        self.number += 1
        mark = f"END{os.getpid()}_{self.number}"
        self.heard = ""
        # The mark is written in two parts, so that an echo of the command is not taken for it.
        self.say(f'{{ {command}\n}} 2>&1; echo "@@""{mark} $?"\n')
        pattern = re.compile(rf"@@{mark} (\d+)\n")
        found = until(
            lambda: f"an end of {command!r}; heard: {self.heard[-400:]!r}",
            lambda: pattern.search(self.hear()),
            seconds,
            pause=0,
        )
        return int(found.group(1)), self.heard[: found.start()]


class Guest:
    """A machine that QEMU emulates, with a shell at its serial console."""

    def __init__(self, command, folder):
        """`command` starts QEMU; its serial line goes to the chardev `console`."""
        console = os.path.join(folder, "console")
        self.folder = folder
        self.log = os.path.join(folder, "console.log")
        self.process = subprocess.Popen(
            [*command, "-display", "none", "-no-reboot"]
            + ["-chardev", f"socket,id=console,path={console},server=on,wait=off,logfile={self.log}"],
            stdin=subprocess.DEVNULL,
            stderr=open(os.path.join(folder, "qemu.log"), "w"),
        )
        self.console = Console(connect(console, self.process))

    def run(self, command, check=True, seconds=LONG):
        """Runs a command in the guest; returns its status and what it printed."""
        status, output = self.console.run(command, seconds)
        if check and status != 0:
            raise Failed(f"in the guest: {command}: exit status {status}: {output}")
        return status, output

    def end(self):
        self.process.kill()
        self.process.wait()


class Machine(Guest):
    """See the module."""

    def __init__(self, image, card, folder, snapshot="on"):
        """`snapshot`: whether writes to the card are discarded at the machine's end."""
        self.parts = (image, card, folder, snapshot)
        self._switch_on()

    def _switch_on(self):
        image, card, folder, snapshot = self.parts
        monitor, qtest = (os.path.join(folder, name) for name in ("monitor", "qtest"))
        super().__init__(
            ["qemu-system-aarch64", "-M", "raspi3b"]
            + ["-kernel", f"{image}/vmlinuz", "-dtb", f"{image}/board.dtb", "-initrd", f"{image}/initrd.gz"]
            + ["-append", KERNEL]
            + ["-drive", f"file={card},if=sd,format=raw,snapshot={snapshot}"]
            + ["-netdev", "user,id=n0", "-device", "usb-net,netdev=n0"]
            + ["-device", "tmp105,bus=i2c-bus.1,address=0x48,id=sensor"]
            + ["-serial", "null", "-serial", "chardev:console"]
            + ["-qtest", f"unix:{qtest},server=on,wait=off", "-qtest-log", "none"]
            + ["-monitor", f"unix:{monitor},server=on,wait=off"],
            folder,
        )
        self.monitor = connect(monitor, self.process)
        self.qtest = connect(qtest, self.process).makefile("rw", newline="\n")
        self.qtest_lock = threading.Lock()

    def boot(self):
        """Waits for the guest's shell and its network; returns how long it took."""
        begin = time.monotonic()
        for _ in range(BOOTS_MAX - 1):
            try:
                self._boot()
                return time.monotonic() - begin
            except NoNetwork as fault:
                print(f"{fault}: it is switched off and on", flush=True)
            self.end()
            for socket in ("console", "monitor", "qtest"):
                os.unlink(os.path.join(self.folder, socket))
            self._switch_on()
        self._boot()
        return time.monotonic() - begin

    def _boot(self):
        until("a shell in the guest (see console.log)", lambda: re.search(r"root@[^\n]*# ?$", self.console.hear()), 1800)
        self.console.say("bind 'set enable-bracketed-paste off'; stty -echo; PS1=; PS2=; set +m; dmesg -n 1\n")
        time.sleep(1)
        self.run("mkdir -p /run/twind; modprobe lm75; echo lm75 0x48 >/sys/bus/i2c/devices/i2c-1/new_device")
        try:
            until("the network", lambda: self.run("ip -4 route get 10.0.2.2 | grep src", check=False)[0] == 0, 120)
        except Failed as fault:
            raise NoNetwork("the guest did not find its USB network") from fault

    def register(self, address):
        return int(self._ask(f"readl 0x{address:x}"), 16)

    def pull_low(self, pin):
        """Drives a pin low from outside, whatever its function."""
        self._ask(f"writel 0x{GPIO_CLEAR:x} 0x{1 << pin:x}")

    def _ask(self, question):
        """Asks QEMU's qtest socket; returns the answer."""
        with self.qtest_lock:
            self.qtest.write(f"{question}\n")
            self.qtest.flush()
            while True:
                words = self.qtest.readline().split()
                if not words:
                    raise Failed("QEMU is gone")
                if words[0] == "OK":
                    return words[-1]

    def registers(self):
        return Registers(self.register)

    def function(self, pin):
        return self.registers().function(pin)

    def level(self, pin):
        return self.registers().level(pin)

    def pwm(self):
        return self.registers().pwm()

    def share_high(self, pin, periods, give_up=60):
        """The share of time in which a pin is high, over whole periods; `None` if its level does not change."""
        edges, last, end = [], self.level(pin), time.monotonic() + give_up
        while len(edges) < 2 * periods + 1:
            level, now = self.level(pin), time.monotonic()
            if level != last:
                edges.append((now, level))
                last = level
            elif now > end:
                return None
            time.sleep(0.001)
        high = sum(b[0] - a[0] for a, b in zip(edges, edges[1:]) if a[1])
        return high / (edges[-1][0] - edges[0][0])

    @contextlib.contextmanager
    def watch(self, look, pause=0.001):
        """Samples in the background with this pause in between; yields the changes in order, as (seconds since the start,
        what was seen)."""
        seen, over, begin = [], threading.Event(), time.monotonic()

        def watch():
            while not over.wait(pause):
                found = look()
                if not seen or seen[-1][1] != found:
                    seen.append((time.monotonic() - begin, found))

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            over.set()
            thread.join()

    def set_temperature(self, celsius):
        """Sets the temperature of the sensor on the I2C bus."""
        self.monitor.sendall(f"qom-set /machine/peripheral/sensor temperature {round(1000 * celsius)}\n".encode())
