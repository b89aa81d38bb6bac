"""The package's cases: the installed unit on the kernel's GPIO lines, hardware PWM and a sensor on the I2C bus. They share
one installation, and each but the first begins with every output driven."""

import re

from installed_cost import cost
from installed_faults import crash, silent, watchdog
from installed_released import released
from installed_room import room
from installed_rppal import rppal
from machine import Failed, until
from plant import PUMP
from scene import AT_WORK, SCENE, go_to_work, play
from unit import Unit

# The highest exposure allowed by `systemd-analyze security`, in tenths.
EXPOSURE_MAX = 15


class Installed:
    """See the module."""

    def __init__(self, machine, hub):
        self.machine, self.hub = machine, hub
        self.unit = None
        self.has_played = False

    def at_work(self):
        """The unit, running as installed, every output driven."""
        if self.unit is None:
            self.scene()
        if not self.has_played:
            raise Failed("the scene on the installed unit failed")
        # systemd limits the number of starts, and the cases start it more often than a site does.
        self.machine.run("systemctl reset-failed twind; systemctl start twind")
        go_to_work(self.unit, self.hub)
        return self.unit

    def scene(self):
        """Installs it, and plays the tutorial's patches and a day's temperatures to it."""
        machine = self.machine
        unit = self.unit = Unit(machine, self.hub)
        machine.set_temperature(22)
        # The pump is kept as it is found, which is as an earlier case left it.
        machine.pull_low(PUMP)
        unit.install()
        play(unit, self.hub)
        self.has_played = True
        lamp = unit.lamp_share()
        _, user = machine.run("ps -o user= -C twind")
        if user.split() != ["twind"]:
            raise Failed(f"it runs as {user}")
        # The command fails above the threshold.
        _, said = machine.run(f"systemd-analyze security --no-pager --threshold={EXPOSURE_MAX} twind | tail -n 1")
        exposure = re.search(r"twind.service: ([\d.]+)", said).group(1)
        return f"{len(SCENE)} steps inside the sandbox (exposure {exposure}): GPFSEL, GPLEV and PWM registers follow; lamp {lamp}"

    def upgrade(self):
        """An upgrade leaves the wires as they are, and the unit's DeviceAllow= is what lets the daemon have the lines."""
        machine, unit = self.machine, self.at_work()
        with machine.watch(machine.pwm, 0.01) as duties:
            machine.run("dpkg -i /root/twind.deb")
            is_connected = lambda: "hub: connected" in machine.run("systemctl show -P StatusText twind")[1]
            until(lambda: f"the hub after the upgrade; {unit.said()}", is_connected)
        if [duty for _, duty in duties] != [(1, AT_WORK["blower"])]:
            raise Failed(f"the upgrade shows on the PWM: {duties}; {unit.said()}")
        unit.settle("after the upgrade", AT_WORK)
        # Without this setting the daemon must not get a line, which proves that the setting is what lets it.
        with unit.drop_in(["DeviceAllow="]):
            without = unit.cannot_drive("relay")
        if "DeviceAllow=char-gpiochip" not in without:
            raise Failed(f"that the sandbox is why is not said: {without}")
        unit.settle("after it was denied", AT_WORK)
        return f"the PWM's registers do not move at the upgrade; without DeviceAllow: {without}"


CASES = {
    "package": Installed.scene,
    "package-room": lambda installed: room(installed.at_work()),
    "package-upgrade": Installed.upgrade,
    "package-released": lambda installed: released(installed.at_work()),
    "package-crash": lambda installed: crash(installed.at_work()),
    "package-watchdog": lambda installed: watchdog(installed.at_work()),
    "package-silent": lambda installed: silent(installed.at_work()),
    "package-cost": lambda installed: cost(installed.at_work()),
    "package-rppal": lambda installed: rppal(installed.at_work()),
}
