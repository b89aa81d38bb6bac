"""twind in the guest, on one of its boards: its configuration, its life, and what it says of itself.

The same four outputs on each board: `relay`, on or off, and `blower`, hardware PWM, cool; `heater`, on or off and low
when it is on, heats; `lamp`, PWM by software, has a property of its own.
"""

import json

from machine import OUTPUT, Failed, until

RELAY, HEATER, LAMP = 17, 22, 27
LAMP_HZ = 2
OUTPUTS = ("relay", "blower", "heater", "lamp")
# What the outputs do after a crash, as the table says it and in permille.
CRASH = {"relay": 0, "blower": 400, "heater": 0, "lamp": 0}


def configuration(board, device, port, state="/var/lib"):
    """The file; everything it names is in the guest."""
    chip = ', chip = "pinctrl-bcm2835"' if board == "gpiochip" else ""
    on_chip = chip.replace(", ", "", 1)
    folder = f'folder = "/run/twind/{device}"' if board == "simulated" else ""
    return f"""[hub]
connection-string-file = "/root/{device}.secret"
port = {port}
ca-file = "/root/ca.pem"
[twin]
state-dir = "{state}/{device}"
[report]
min-interval = "1s"
[board]
driver = "{board}"
{folder}
[outputs.relay]
pin = {RELAY}
{on_chip}
[outputs.blower]
pwm = {{ channel = 0, frequency-hz = 1000 }}
[outputs.blower.when]
crash = "40%"
[outputs.heater]
pin = {HEATER}
{on_chip}
active-low = true
[outputs.lamp]
pwm = {{ pin = {LAMP}, frequency-hz = {LAMP_HZ}{chip} }}
property = "components.lamp.level"
[sensors.cabinet]
driver = "hwmon"
id = "lm75"
period = "1s"
[climate]
sensor = "cabinet"
cooling = ["relay", "blower"]
heating = "heater"
[local]
socket = "/run/twind/{device}.sock"
"""


class Daemon:
    """See the module."""

    def __init__(self, machine, board, device):
        self.machine, self.board, self.device = machine, board, device
        self.has_pins = board != "simulated"
        self.config = f"/root/{device}.toml"
        self.log = f"/run/{device}.log"
        self.pid = None

    def start(self):
        self.machine.run(f"date -u +%FT%TZ\\ start >>{self.log}")
        _, said = self.machine.run(
            f"RUST_LOG=debug /root/twind run --config {self.config} </dev/null >>{self.log} 2>&1 & echo $!; disown"
        )
        self.pid = int(said.split()[-1])
        until(lambda: f"twind answers; its log: {self.said()}", lambda: self.status())

    def status(self):
        """What `twind status --json` says; `None` if nobody answers."""
        code, said = self.machine.run(f"/root/twind status --json --changes 1000 --config {self.config}", check=False)
        if code != 0:
            if self.machine.run(f"kill -0 {self.pid}", check=False)[0] != 0:
                raise Failed(f"twind on {self.board} is gone; its log: {self.said()}")
            return None
        return json.loads(said[said.index("{") :])

    def drives(self):
        """The outputs' drives in permille, as the daemon has them."""
        return {name: output["permille"] for name, output in self.status()["outputs"].items()}

    def changes(self):
        """Every (output, permille) so far, in order."""
        return [(change["output"], change["permille"]) for change in reversed(self.status()["changes"])]

    def said(self):
        return self.machine.run(f"tail -n 60 {self.log}")[1]

    def signal(self, name):
        """Sends a signal and waits for the end of the process."""
        self.machine.run(f"kill -{name} {self.pid}")
        gone = f"! kill -0 {self.pid}"
        until(f"twind ends after SIG{name}", lambda: self.machine.run(gone, check=False)[0] == 0)
        self.pid = None

    def stop(self):
        """Stops it in order, and looks whether it left the stop rows behind: all off, a pin's level as last driven."""
        self.signal("TERM")
        if self.has_pins:
            levels = (self.machine.level(RELAY), self.machine.level(HEATER), self.machine.pwm())
            if levels != (0, 1, (1, 0)):
                raise Failed(f"stopped, relay, heater and blower are {levels} on {self.board}; log: {self.said()}")

    def safe(self):
        """`twind safe` as the service manager would run it after a crash; returns what it printed."""
        return self.machine.run(f"SERVICE_RESULT=signal /root/twind safe --config {self.config}")[1]

    def settle(self, what, drives):
        """Waits until the daemon, and on a board with pins the registers, have these drives."""

        def settled():
            return self.drives() == drives and (not self.has_pins or self.wires() == self.wires_of(drives))

        def found():
            wires = f", registers {self.wires()} for {self.wires_of(drives)}" if self.has_pins else ""
            return f"{what}: drives {self.drives()} for {drives}{wires}; log: {self.said()}"

        until(found, settled)

    def wires(self):
        """What a probe on the board sees; the lamp only flickers."""
        machine = self.machine
        return {
            "relay": (machine.function(RELAY), machine.level(RELAY)),
            "heater": (machine.function(HEATER), machine.level(HEATER)),
            "lamp": machine.function(LAMP),
            "blower": machine.pwm(),
        }

    @staticmethod
    def wires_of(drives):
        """What it should see."""
        return {
            "relay": (OUTPUT, int(drives["relay"] > 0)),
            "heater": (OUTPUT, int(drives["heater"] == 0)),
            "lamp": OUTPUT,
            "blower": (1, drives["blower"]),
        }

