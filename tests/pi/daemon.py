"""twind in the guest, on one of its boards: its configuration, its life, and what it says of itself.

The same five outputs on each board: `relay`, on or off, and `blower`, hardware PWM, cool; `heater`, on or off and low
when it is on, heats; `lamp`, PWM by software, and `pump`, on or off and kept as it is whatever happens to the daemon, have properties of their own.
"""

from machine import OUTPUT, Failed, until
from process import Process

RELAY, HEATER, PUMP, LAMP = 17, 22, 23, 27
LAMP_HZ = 2
OUTPUTS = ("relay", "blower", "heater", "lamp", "pump")
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
[outputs.pump]
pin = {PUMP}
{on_chip}
property = "components.pump.on"
when = {{ start = "keep", stop = "keep", crash = "keep" }}
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


class Daemon(Process):
    """See the module."""

    def __init__(self, machine, board, device):
        super().__init__(machine, device)
        self.board, self.device = board, device
        self.has_pins = board != "simulated"

    def stop(self):
        """Stops it in order, and looks whether it left the stop rows behind: all off, the pump as it was."""
        before = self.wires()
        self.signal("TERM")
        wires, held = self.wires(), self.holds()
        wanted = {"relay": (held, 0), "heater": (held, 1), "pump": (held, before["pump"][1]), "lamp": held, "blower": (1, 0)}
        if self.has_pins and wires != wanted:
            raise Failed(f"stopped on {self.board}: {wires}, not {wanted}; log: {self.said()}")

    def holds(self):
        """What a pin is when nobody holds it: registers stay as they are, a line of the kernel's becomes an input, whose
        level QEMU keeps."""
        return OUTPUT if self.board == "rppal" else 0

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
            "pump": (machine.function(PUMP), machine.level(PUMP)),
            "lamp": machine.function(LAMP),
            "blower": machine.pwm(),
        }

    @staticmethod
    def wires_of(drives):
        """What it should see."""
        return {
            "relay": (OUTPUT, int(drives["relay"] > 0)),
            "heater": (OUTPUT, int(drives["heater"] == 0)),
            "pump": (OUTPUT, int(drives["pump"] > 0)),
            "lamp": OUTPUT,
            "blower": (1, drives["blower"]),
        }

