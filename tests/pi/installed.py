"""twind as its package installs it: by its own user, in the unit's sandbox, on the kernel's lines, hardware PWM and a
sensor on the I2C bus. What this kernel does not have is `/dev/gpiomem`, so the driver `rppal` cannot be seen so."""

from machine import OUTPUT, Failed, until

DEVICE = "pi-package"
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
when = {{ crash = "on" }}
property = "components.relay.on"
[outputs.blower]
pwm = {{ channel = 0, frequency-hz = 1000 }}
when = {{ crash = "40%" }}
[sensors.cabinet]
driver = "hwmon"
id = "lm75"
period = "1s"
[climate]
cooling = "blower"
"""


def configuration(port):
    return CONFIGURATION.replace("PORT", str(port))


class Installed:
    """See the module."""

    def __init__(self, machine, hub):
        self.machine, self.hub = machine, hub

    def said(self):
        return self.machine.run("systemctl status --no-pager -n 0 twind; journalctl -u twind --no-pager -n 30", check=False)[1]

    def settle(self, what, relay, blower):
        """Waits until the registers show this."""
        machine, wanted = self.machine, ((OUTPUT, relay), (1, blower))

        def seen():
            return (machine.function(RELAY), machine.level(RELAY)), machine.pwm()

        until(lambda: f"{what}: {seen()} for {wanted}; {self.said()}", lambda: seen() == wanted)

    def denied(self, what, setting):
        """Without one line of the unit it must not go: then that line is what lets it."""
        run = self.machine.run
        run(f"mkdir -p /run/systemd/system/twind.service.d; printf '[Service]\\n{setting}\\n' >/run/systemd/system/twind.service.d/x.conf")
        run("systemctl daemon-reload; systemctl restart twind", check=False)
        until(lambda: f"without {what} it fails; {self.said()}", lambda: "cannot" in run("twind status", check=False)[1])
        said = run("twind status", check=False)[1]
        run("rm -r /run/systemd/system/twind.service.d; systemctl daemon-reload; systemctl restart twind")
        return [line for line in said.splitlines() if "cannot" in line][0].strip()

    def run(self):
        machine, hub = self.machine, self.hub
        machine.set_temperature(24)
        machine.run("dpkg -i /root/twind.deb")
        machine.run("cat /root/pi-package.toml >/etc/twind.toml")
        machine.run("install -m 600 /root/pi-package.secret /etc/twind/connection-string; install -m 600 /root/ca.pem /etc/twind/ca.pem")
        machine.run("systemctl enable --now twind")
        self.settle("the climate by PWM inside the sandbox", 0, 500)
        hub.patch(DEVICE, {"components": {"relay": {"on": True}}})
        self.settle("a line inside the sandbox", 1, 500)
        machine.set_temperature(26)
        self.settle("the sensor inside the sandbox", 1, 750)

        _, user = machine.run("ps -o user= -C twind")
        if user.split() != ["twind"]:
            raise Failed(f"it runs as {user}")
        # In tenths; more than that fails.
        machine.run("systemd-analyze security --no-pager --threshold=15 twind >/dev/null")

        # An upgrade: what is on the wire stays there.
        with machine.watch(machine.pwm, 0.01) as duties:
            machine.run("dpkg -i /root/twind.deb")
            until(lambda: f"the hub after the upgrade; {self.said()}", lambda: "hub: connected" in machine.run("systemctl show -P StatusText twind")[1])
        if duties != {(1, 750)}:
            raise Failed(f"the upgrade shows on the PWM: {duties}; {self.said()}")
        self.settle("after the upgrade", 1, 750)

        # A kill: the crash rows, then the twin again.
        with machine.watch(machine.pwm, 0.01) as duties:
            machine.run("systemctl kill --kill-who=main --signal=KILL twind")
            until(lambda: f"the crash row {duties}; {self.said()}", lambda: (1, 400) in duties)
        self.settle("after the kill", 1, 750)
        without = self.denied("DeviceAllow=char-gpiochip", "DeviceAllow=")
        if "DeviceAllow=char-gpiochip" not in without:
            raise Failed(f"that the sandbox is why is not said: {without}")
        self.settle("after it was denied", 1, 750)
        machine.run("systemctl stop twind")
        until("the stop row", lambda: machine.pwm() == (1, 0))
        return f"exposure at most 1.5; duties at the kill {sorted(duties)}; without DeviceAllow: {without}"
