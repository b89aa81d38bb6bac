"""The power fails while twind writes, and comes back without a network and without the time.

The package is installed on a card that outlives its machine. QEMU is killed in the middle of a write, so everything that
the guest had not yet written is lost. Then the same card is booted again, and systemd starts twind by itself. A cut loses
the guest's memory, but nothing that the card was given: `tests/sim` has the card that loses what it confirmed.

The guest has no clock chip, so it starts at the time of systemd's build, or at the one that systemd-timesyncd saved. The
time then comes as it does on site: by that service, from a server on this machine.
"""

import contextlib
import json
import os
import re
import socketserver
import struct
import subprocess
import threading
import time

from hub import NAME
from machine import OUTPUT, Failed, Machine, until

DEVICE = "pi-power"
RELAY = 17
CONFIGURATION = f"""[hub]
connection-string-file = "twind/connection-string"
port = PORT
ca-file = "twind/ca.pem"
[report]
min-interval = "1s"
[board]
driver = "gpiochip"
[outputs.relay]
pin = {RELAY}
chip = "pinctrl-bcm2835"
property = "components.relay.on"
[outputs.blower]
pwm = {{ channel = 0, frequency-hz = 1000 }}
property = "components.blower.level"
"""
# The boot leaves out udev's search for devices (see machine.py), which would set the permissions of the lines.
LINES = """[Unit]
DefaultDependencies=no
After=systemd-udevd.service
Before=sysinit.target
[Service]
Type=oneshot
ExecStart=udevadm trigger --action=add --subsystem-match=gpio
[Install]
WantedBy=sysinit.target
"""
TIME = f"""[Time]
NTP={NAME}
FallbackNTP=
ConnectionRetrySec=2
"""
# systemd-timesyncd is in the image, but masked. systemd-time-wait-sync makes time-sync.target wait for the right time.
INSTALL = """cd /root
dpkg -i twind.deb
cat twind.toml >/etc/twind.toml
install -m 600 secret /etc/twind/connection-string
install -m 600 ca.pem /etc/twind/ca.pem
install -m 644 lines.service /etc/systemd/system
install -D -m 644 time.conf /etc/systemd/timesyncd.conf.d/time.conf
systemctl unmask systemd-timesyncd
systemctl enable lines systemd-timesyncd systemd-time-wait-sync twind
date -s @NOW
systemctl start twind"""
# Seconds from 1900, the epoch of NTP, to 1970.
NTP_EPOCH = 2_208_988_800


class TimeServer(socketserver.UDPServer):
    """Answers as an RFC 4330 server of stratum 1, with this machine's time."""

    def __init__(self):
        try:
            super().__init__(("127.0.0.1", 123), None)
        except OSError as error:
            raise Failed(f"the port of NTP on this machine's loopback: {error}") from error

    def finish_request(self, request, client_address):
        question, reply = request
        now = round((time.time() + NTP_EPOCH) * 2**32)
        kind = question[0] & 0b00111000 | 4
        head = struct.pack("!BBBb4x4x4s", kind, 1, question[2], -20, b"TEST")
        reply.sendto(head + struct.pack("!Q8sQQ", now, question[40:48], now, now), client_address)


@contextlib.contextmanager
def beside(run, stop):
    """Runs something in a thread of its own meanwhile."""
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join()


class Gateway(Machine):
    """A machine whose card keeps what was written to it."""

    def __init__(self, image, card, folder, link):
        os.mkdir(folder)
        super().__init__(image, card, folder, snapshot="off")
        self.card = card
        if not link:
            self.link("off")

    def link(self, state):
        """Plugs (`on`) or unplugs (`off`) the network cable."""
        self.monitor.sendall(f"set_link n0 {state}\n".encode())

    def written(self):
        """When the card's file was last written, in nanoseconds."""
        return os.stat(self.card).st_mtime_ns

    def wires(self):
        """The relay's function and level; whether the PWM is on, and its duty."""
        registers = self.registers()
        return (registers.function(RELAY), registers.level(RELAY)), registers.pwm()


def drives(document):
    """The wires that this desired section calls for."""
    components = document["components"]
    return (OUTPUT, int(components["relay"]["on"])), (1, 10 * components["blower"]["level"])


class Power:
    """See the module."""

    def __init__(self, image, package, hub, folder):
        self.image, self.hub, self.folder = image, hub, folder
        os.mkdir(folder)
        self.card = self.make_card(package)
        self.boots = 0
        # Every desired section that the hub ever sent, by its version.
        self.documents = {}
        self.machine = None

    def make_card(self, package):
        files = {"twind.deb": package, "ca.pem": self.hub.ca}
        for name, text in (
            ("twind.toml", CONFIGURATION.replace("PORT", str(self.hub.port))),
            ("secret", self.hub.connection_strings[DEVICE]),
            ("lines.service", LINES),
            ("time.conf", TIME),
        ):
            files[name] = f"{self.folder}/{name}"
            with open(files[name], "w") as file:
                file.write(text)
        card = f"{self.folder}/sd.img"
        subprocess.run(["cp", "--sparse=always", f"{self.image}/sd.img", card], check=True)
        commands = "cd root\n" + "".join(f"write {path} {name}\n" for name, path in files.items())
        subprocess.run(["debugfs", "-w", "-f", "-", card], input=commands, text=True, check=True, capture_output=True)
        return card

    def run(self):
        try:
            self.power_on(link=True)
            self.boot()
            self.machine.run(INSTALL.replace("NOW", str(int(time.time()))))
            self.write()
            self.settle("the first twin")
            # The installation itself is not under test.
            self.machine.run("sync")
            self.cut(mid_write=True)
            first = self.comes_back()
            sync = self.time_comes()
            self.cut(mid_write=False)
            second = self.comes_back()
            self.network_comes()
        finally:
            if self.machine:
                self.machine.end()
        return f"after the cuts {first}, {second}; {sync}"

    # --- the machine and the back end ---------------------------------------------------------------------------------

    def power_on(self, link):
        self.boots += 1
        self.machine = Gateway(self.image, self.card, f"{self.folder}/boot-{self.boots}", link)
        return self.machine

    def boot(self):
        self.tell(f"boot {self.boots}: a shell after {self.machine.boot():.0f} s")

    @staticmethod
    def tell(text):
        print(f"    {text}", flush=True)

    def write(self):
        """Writes a desired version that moves both outputs, with enough text to fill some blocks of the card."""
        number = len(self.documents) + 1
        components = {
            "relay": {"on": number % 2 == 1},
            "blower": {"level": 20 + number % 80},
            "note": {"text": f"{number:04}" * 1000},
        }
        desired = self.hub.desired(DEVICE, {"components": components})
        del desired["$metadata"]
        self.documents[desired["$version"]] = desired
        return desired["$version"]

    def newest(self):
        return max(self.documents)

    def reported(self):
        return self.hub.reported(DEVICE).get("desiredVersion", 0)

    def journal(self):
        return self.machine.run("journalctl -b -u twind -o cat --no-pager", check=False)[1]

    def settle(self, what):
        """Waits until the registers show the newest version, and the hub knows."""
        version = self.newest()
        wanted = drives(self.documents[version])
        until(
            lambda: f"{what}: {self.machine.wires()} for {wanted}, {self.reported()} reported for {version}; {self.journal()}",
            lambda: self.machine.wires() == wanted and self.reported() == version,
        )

    # --- the cut ------------------------------------------------------------------------------------------------------

    def cut(self, mid_write):
        """The hub writes version after version. The power fails as an output moves, or at the card's next write after
        that."""
        machine, over = self.machine, threading.Event()
        heard = len(self.hub.said())

        def flood():
            while not over.wait(0.05):
                self.write()

        first = self.write()
        with beside(flood, over.set):
            until(lambda: f"version {first} is reported; {self.journal()}", lambda: self.reported() >= first)
            before = machine.wires()
            # Read before the registers, so that a write while they move counts.
            stamp = until("an output moves", lambda: (stamp := machine.written()) and machine.wires() != before and stamp, pause=0)
            if mid_write:
                until("the card is given a block", lambda: machine.written() != stamp, pause=0)
            last = machine.wires()
            machine.end()
        until("the hub has noticed", lambda: f"{DEVICE}  gone" in self.hub.said()[heard:])
        # The acknowledged version: the boot must find no older one.
        self.least = self.reported()
        moment = "as the card was given a block" if mid_write else "as an output moved"
        self.tell(f"cut {moment}: registers {last}, {self.least} reported, {self.newest()} written by the hub")

    def comes_back(self):
        """Boots the card again, with neither network nor time; returns the version that was found."""
        heard = len(self.hub.said())
        machine = self.power_on(link=False)
        with machine.watch(machine.wires, 0.05) as trace:
            self.boot()
            until(lambda: f"twind is up; {self.journal()}", lambda: machine.run("systemctl is-active twind", check=False)[0] == 0)
            version, wanted = self.kept()
            until(lambda: f"{machine.wires()} for {wanted}; {self.journal()}", lambda: machine.wires() == wanted)
        self.nothing_else_was_driven(trace, wanted)
        journal = self.journal()
        if f"started from the stored twin, desired version {version}" not in journal or "not used" in journal:
            raise Failed(f"the journal is {journal}")
        _, files = machine.run("ls /var/lib/twind; dmesg | grep -o 'EXT4-fs.*recovery.*'", check=False)
        if "recovery complete" not in files or "corrupt" in files or "tmp" in files:
            raise Failed(f"no such cut, or it left something: {files}")
        if DEVICE in self.hub.said()[heard:]:
            raise Failed(f"the hub has heard of the device: {self.hub.said()[heard:]}")
        self.tell(f"registers {machine.wires()}: version {version}, {self.least} to {self.newest()} are right; {' | '.join(files.splitlines())}")
        for line in journal.splitlines():
            self.tell(f"journal: {line[:200]}")
        return f"version {version} ({self.least} to {self.newest()} are right)"

    def kept(self):
        """The version that the device has, which must be exactly what the hub sent; and its drives."""
        _, said = self.machine.run("twind twin desired")
        kept = json.loads(said[said.index("{") : said.rindex("}") + 1])
        version = kept.get("$version", 0)
        sent = self.documents.get(version)
        if version < self.least:
            raise Failed(f"version {version} is kept, {self.least} was reported before the cut; {self.journal()}")
        # Compared as text, since 1 equals 1.0 in Python.
        if json.dumps(kept, sort_keys=True) != json.dumps(sent, sort_keys=True):
            raise Failed(f"version {version} is not what the hub sent: {said}, not {sent}; {self.journal()}")
        return version, drives(kept)

    def nothing_else_was_driven(self, trace, wanted):
        """Checks that from the first moment the relay was an input or at the stored level, and the duty 0 or the stored one."""
        for when, ((function, level), (on, duty)) in trace:
            self.tell(f"{when:5.1f} s: relay fsel {function} level {level}, blower {'on' if on else 'off'} duty {duty}")
            if function == OUTPUT and level != wanted[0][1] or duty not in (0, wanted[1][1]):
                raise Failed(f"{trace} on the way to {wanted}")

    # --- the time -----------------------------------------------------------------------------------------------------

    def time_comes(self):
        """The clock is months behind: twind waits, even with a network. Then a time server answers, and twind goes on."""
        machine, run = self.machine, self.machine.run
        behind_days = (time.time() - int(run("date +%s")[1])) / 86400
        if behind_days < 1:
            raise Failed(f"the guest knows the time already: {behind_days} days behind")
        doubt = until(
            lambda: f"twind waits for the time; {self.journal()}",
            lambda: re.search(r"the clock says [^\n]*waiting for it to be set", self.journal()),
        ).group(0)
        heard = len(self.hub.said())
        self.plug_in()
        before = self.life()
        if self.synchronised() or DEVICE in self.hub.said()[heard:]:
            raise Failed(f"the time is known already: {self.synchronised()}; the hub has heard {self.hub.said()[heard:]}")
        allowed = [set(wire) for wire in zip(machine.wires(), drives(self.documents[self.newest()]))]
        with machine.watch(machine.wires, 0.01) as trace:
            took = self.synchronise()
            self.settle("the hub is there again")
        seen = [set(wire) for wire in zip(*(wires for _, wires in trace))]
        if not all(wire <= states for wire, states in zip(seen, allowed)):
            raise Failed(f"the step of the clock shows on the registers: {trace}; {self.journal()}")
        if self.life() != before:
            raise Failed(f"the step of the clock ended the daemon: {self.life()}, not {before}; {self.journal()}")
        connections = self.hub.said()[heard:].count(f"{DEVICE}  connected")
        if connections != 1:
            raise Failed(f"{connections} connections after the time was known: {self.hub.said()[heard:]}")
        reports = self.hub.said()[heard:].count(f"{DEVICE}  reported")
        self.tell(f"the time: {behind_days:.0f} days behind, set {took:.1f} s after the server was there; one connection, {reports} reports")
        return f"{behind_days:.0f} days behind (\"{doubt}\"), connected after NTP, the same process {before[0]}"

    def network_comes(self):
        """After the second cut the guest starts at the time that systemd-timesyncd saved."""
        behind = time.time() - int(self.machine.run("date +%s")[1])
        if behind > 86400:
            raise Failed(f"no time was saved: {behind} s behind")
        self.plug_in()
        took = self.synchronise()
        self.settle("the hub is there again")
        self.tell(f"the time: {behind:.0f} s behind, set {took:.1f} s after the server was there; version {self.reported()} reported")

    def plug_in(self):
        self.machine.link("on")
        reach = f"timeout 5 bash -c 'exec 3<>/dev/tcp/{NAME}/{self.hub.port}'"
        until("the guest reaches the hub's port", lambda: self.machine.run(reach, check=False)[0] == 0)

    def synchronised(self):
        return self.machine.run("systemctl is-active time-sync.target", check=False)[0] == 0

    def synchronise(self):
        """A time server answers until the guest has the time; returns the seconds it took."""
        begin = time.monotonic()
        with TimeServer() as server, beside(server.serve_forever, server.shutdown):
            # It has asked in vain and backs off; a restart spares the wait.
            self.machine.run("systemctl restart systemd-timesyncd")
            until(lambda: f"time-sync.target: {self.machine.run('systemctl status systemd-timesyncd', check=False)[1]}", self.synchronised)
        off = abs(time.time() - float(self.machine.run("date +%s.%N")[1]))
        if off > 30:
            raise Failed(f"the guest's clock is {off} s off, time-sync.target is reached")
        return time.monotonic() - begin

    def life(self):
        """The daemon's process id and the number of its restarts."""
        return self.machine.run("systemctl show -P MainPID -P NRestarts twind")[1].split()
