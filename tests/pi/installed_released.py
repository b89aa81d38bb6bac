"""The published release is installed over this package, and this package over the release again, each time with a silent
hub. Each daemon drives by the record, so each must read what the other wrote."""

import re

from machine import Failed, until
from scene import AT_WORK
from unit import CONFIGURATION, DEVICE


def released(unit):
    """A downgrade to the released daemon, a patch that only it hears, and the upgrade from it."""
    hub = unit.hub
    down = across(unit, "released")
    # From here on the released daemon writes the record.
    version = hub.patch(DEVICE, {"patchId": "released"})
    unit.hears(version)
    up = across(unit, "twind")
    if up != version:
        raise Failed(f"the record had desired version {up}, not {version}")
    unit.hears(hub.patch(DEVICE, {"patchId": "upgraded"}))
    return f"down with desired version {down}, up with {up}, no hub: driven as before, the PWM's registers do not move, the file is kept"


def across(unit, package):
    """Installs a package while the daemon drives and the hub is silent; returns the desired version in force then."""
    machine = unit.machine
    before, pid = version_of(unit), unit.pid()
    with unit.hub.frozen():
        with machine.watch(machine.pwm, 0.01) as duties:
            # The configuration is the site's, and differs from each package's.
            machine.run(f"dpkg -i --force-confold /root/{package}.deb </dev/null")
            controls = lambda: "climate: too-cold" in status_text(unit)
            until(lambda: f"control after {package}.deb; {unit.said()}", controls)
            unit.settle(f"after {package}.deb, without a hub", AT_WORK)
        if [duty for _, duty in duties] != [(1, AT_WORK["blower"])]:
            raise Failed(f"{package}.deb shows on the PWM: {duties}; {unit.said()}")
        if unit.pid() == pid:
            raise Failed(f"it is still the daemon from before {package}.deb")
        version, text = version_of(unit), status_text(unit)
        if version != before or "hub: connected" in text:
            raise Failed(f"the record is to give desired version {before} without a hub: {text}; {unit.said()}")
    machine.run(f"cmp /root/{DEVICE}.toml {CONFIGURATION}")
    until(lambda: f"the hub after {package}.deb; {unit.said()}", lambda: "hub: connected" in status_text(unit))
    unit.settle(f"after {package}.deb, with the hub", AT_WORK)
    return version


def status_text(unit):
    return unit.machine.run("systemctl show -P StatusText twind")[1]


def version_of(unit):
    return int(re.search(r"desired version (\d+)", status_text(unit)).group(1))
