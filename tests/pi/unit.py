"""twind in the guest as its package installs it: the systemd unit, its user and sandbox, one configuration, the hub over
TLS. It is observed from outside, at the registers and at the hub; the guest is asked only for what is not seen there."""

import contextlib
import json

from machine import Failed, until
from plant import Wired, plant

DEVICE = "pi-package"
CONFIGURATION = "/etc/twind.toml"
DROP_IN = "/run/systemd/system/twind.service.d"


def configuration(port, board="gpiochip"):
    """The configuration file."""
    return f"""[hub]
connection-string-file = "twind/connection-string"
port = {port}
ca-file = "twind/ca.pem"
[report]
min-interval = "1s"
{plant(board)}"""


class Unit(Wired):
    """See the module."""

    has_pins = True
    device = DEVICE

    def __init__(self, machine, hub):
        self.machine, self.hub = machine, hub
        self.board = "gpiochip"

    def install(self):
        """Installs the package with dpkg, puts configuration and secrets in place, then enables and starts the unit."""
        run = self.machine.run
        run("dpkg -i /root/twind.deb")
        run(f"cat /root/{DEVICE}.toml >{CONFIGURATION}")
        run(f"install -m 600 /root/{DEVICE}.secret /etc/twind/connection-string; install -m 600 /root/ca.pem /etc/twind/ca.pem")
        run("systemctl enable --now twind")

    def said(self):
        return self.machine.run("systemctl status --no-pager -n 0 twind; journalctl -u twind --no-pager -n 30", check=False)[1]

    def told(self, pattern):
        """The journal's lines that match this pattern."""
        return self.machine.run(f"journalctl -u twind --no-pager -o cat | grep -E '{pattern}'", check=False)[1].splitlines()

    def pid(self):
        return int(self.machine.run("systemctl show -P MainPID twind")[1])

    def status(self):
        """What `twind status --json` says."""
        said = self.machine.run("twind status --json")[1]
        return json.loads(said[said.index("{") :])

    def cannot_drive(self, output):
        """Waits until the status says why this output cannot be driven; returns the reason."""
        fault = lambda: self.status()["outputs"][output]["fault"]
        return until(lambda: f"{output} cannot be driven; {self.said()}", fault)

    def desired(self):
        """The daemon's copy of the desired section, and the hub's."""
        said = self.machine.run("twind twin desired")[1]
        hubs = self.hub.twin(DEVICE)["properties"]["desired"]
        return json.loads(said[said.index("{") :]), {name: value for name, value in hubs.items() if name != "$metadata"}

    # --- waiting ------------------------------------------------------------------------------------------------------

    def settle(self, what, drives):
        self.settle_wires(what, drives)

    def hears(self, version):
        """Waits until the hub is told that it has this version of the desired section."""
        self.reports(f"desired version {version}", lambda reported: reported.get("desiredVersion") == version)

    def reads(self, celsius):
        """Waits until the hub is told this temperature, in the unit of the scene's back end."""
        fahrenheit = celsius * 9 / 5 + 32

        def is_near(reported):
            told = reported.get("components", {}).get("climate", {}).get("temperature")
            return told is not None and abs(told - fahrenheit) < 0.1

        self.reports(f"a temperature of {fahrenheit:.1f} °F", is_near)

    def reports(self, what, condition):
        until(
            lambda: f"the hub is told {what}: {self.hub.reported(DEVICE)}; {self.said()}",
            lambda: condition(self.hub.reported(DEVICE)),
        )

    # --- temporary changes --------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def configured(self, edit, is_refused=False):
        """Edits the configuration with this sed script and reloads, which fails if it is to be refused; undone at the end."""
        self.machine.run(f"sed '{edit}' /root/{DEVICE}.toml >{CONFIGURATION}")
        try:
            status, said = self.machine.run("systemctl reload twind", check=False)
            if (status != 0) != is_refused:
                raise Failed(f"the reload ended with {status}: {said}")
            yield
        finally:
            self.machine.run(f"cat /root/{DEVICE}.toml >{CONFIGURATION}; systemctl reload twind", check=False)

    @contextlib.contextmanager
    def drop_in(self, lines, then="restart"):
        """Adds these lines to the unit's [Service] section and restarts it; undone at the end."""
        text = "\\n".join(["[Service]", *lines])
        self.machine.run(f"mkdir -p {DROP_IN}; printf '{text}\\n' >{DROP_IN}/x.conf; systemctl daemon-reload")
        try:
            self.machine.run("systemctl restart twind", check=False)
            yield
        finally:
            self.machine.run(f"rm -r {DROP_IN}; systemctl daemon-reload; systemctl {then} twind", check=False)
