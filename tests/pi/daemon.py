"""twind in the guest as a process on one of its boards: its configuration, start and stop."""

from machine import OUTPUT, Failed, until
from plant import Wired, plant, wires_of
from process import Process


def configuration(board, device, port, state="/var/lib"):
    """The configuration file; every path in it is in the guest."""
    return f"""[hub]
connection-string-file = "/root/{device}.secret"
port = {port}
ca-file = "/root/ca.pem"
[twin]
state-dir = "{state}/{device}"
[report]
min-interval = "1s"
[local]
socket = "/run/twind/{device}.sock"
{plant(board, f"/run/twind/{device}")}"""


class Daemon(Wired, Process):
    """See the module."""

    def __init__(self, machine, board, device):
        super().__init__(machine, device)
        self.board, self.device = board, device
        self.has_pins = board != "simulated"

    def stop(self):
        """Stops it in order and checks that the stop rows are on the wires: all off, the pump as it was."""
        before = self.wires()
        self.signal("TERM")
        wires, held = self.wires(), self.holds()
        wanted = {"relay": (held, 0), "heater": (held, 1), "pump": (held, before["pump"][1]), "lamp": (held, None), "blower": (1, 0)}
        if self.has_pins and wires != wanted:
            raise Failed(f"stopped on {self.board}: {wires}, not {wanted}; log: {self.said()}")

    def holds(self):
        """The function of a pin that nobody holds. By registers it stays as it was; a kernel line becomes an input, whose
        level QEMU keeps."""
        return OUTPUT if self.board == "rppal" else 0

    def settle(self, what, drives):
        """Waits until the daemon has these drives, and on a board with pins the registers too."""

        def settled():
            return self.drives() == drives and (not self.has_pins or self.wires() == wires_of(drives))

        def found():
            wires = f", registers {self.wires()} for {wires_of(drives)}" if self.has_pins else ""
            return f"{what}: drives {self.drives()} for {drives}{wires}; log: {self.said()}"

        until(found, settled)

    def hears(self, version):
        """Waits until it has this version of the desired section."""
        until(f"twind has desired version {version}", lambda: self.status()["hub"]["desiredVersion"] == version)

    def reads(self, celsius):
        """Waits until its sensor reads this."""
        value = lambda: self.status()["sensors"]["cabinet"]["value"]
        until(lambda: f"the sensor reads {celsius}, not {value()}", lambda: value() == celsius)
