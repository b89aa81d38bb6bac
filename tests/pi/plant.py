"""What twind drives and measures on the emulated Raspberry Pi, and what a probe on the board sees of it.

Each board has the same five outputs. `relay`, on or off, and `blower`, hardware PWM, cool. `heater`, on or off and active
low, heats. `lamp`, software PWM, and `pump`, on or off, have properties of their own; `pump` is kept as it is whatever
happens to the daemon.
"""

from machine import OUTPUT, Failed, until

RELAY, HEATER, PUMP, LAMP = 17, 22, 23, 27
PINS = {"relay": RELAY, "heater": HEATER, "pump": PUMP, "lamp": LAMP}
LAMP_HZ = 2
OUTPUTS = ("relay", "blower", "heater", "lamp", "pump")
AT_REST = dict.fromkeys(OUTPUTS, 0)
# The crash rows of the configuration below, in permille; the pump is kept.
CRASH = {"relay": 0, "blower": 400, "heater": 0, "lamp": 0}


def plant(board, folder=""):
    """The board, outputs, sensor and climate of the configuration; a simulated board is in this folder."""
    chip = ', chip = "pinctrl-bcm2835"' if board == "gpiochip" else ""
    on_chip = chip.replace(", ", "", 1)
    folder = f'folder = "{folder}"' if board == "simulated" else ""
    return f"""[board]
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
"""


def wires_of(drives):
    """What a probe should see."""
    return {
        "relay": (OUTPUT, int(drives["relay"] > 0)),
        "heater": (OUTPUT, int(drives["heater"] == 0)),
        "pump": (OUTPUT, int(drives["pump"] > 0)),
        "lamp": (OUTPUT, None),
        "blower": (1, drives["blower"]),
    }


def seen_in(registers):
    """What the registers show: a pin's function and level; whether the PWM is on, and its duty."""
    pins = {name: (registers.function(pin), registers.level(pin)) for name, pin in PINS.items()}
    return {**pins, "blower": registers.pwm()}


def steady(seen):
    """The same without the lamp's level, which its PWM switches all the time."""
    return {**seen, "lamp": (seen["lamp"][0], None)}


def in_words(seen):
    pins = [f"{name} {'out' if seen[name][0] == OUTPUT else 'in'} {seen[name][1]}" for name in PINS]
    on, permille = seen["blower"]
    return ", ".join([*pins, f"blower {permille / 10:g} %" if on else "blower's PWM off"])


def show(board, trace):
    """Prints what `Machine.watch` saw by `Wired.seen`, without the lamp's level."""
    last = None
    for seconds, seen in trace:
        if steady(seen) != last:
            print(f"    {board:8} {f'after {seconds:.2f} s':30} {in_words(seen)}", flush=True)
        last = steady(seen)


class Wired:
    """A daemon on the pins of `self.machine`, however it is started; `self.board` is its driver, `said()` its log."""

    def seen(self):
        """What a probe on the board sees now."""
        return seen_in(self.machine.registers())

    def wires(self):
        """The same, without the lamp's level."""
        return steady(self.seen())

    def look(self, moment):
        """Prints the registers and what a probe sees now."""
        registers = self.machine.registers()
        print(f"    {self.board:8} {moment:30} {registers} | {in_words(seen_in(registers))}", flush=True)
        return seen_in(registers)

    def settle_wires(self, what, drives):
        """Waits until the registers have these drives."""
        wanted = wires_of(drives)
        until(lambda: f"{what}: registers {self.wires()} for {wanted}; log: {self.said()}", lambda: self.wires() == wanted)

    def lamp_share(self):
        """Software PWM, seen from outside. A busy machine may delay an edge, so one good measurement of ten is enough."""
        seen = []
        for _ in range(10):
            share = self.machine.share_high(LAMP, 6)
            if share is None:
                raise Failed(f"the lamp does not flicker; GPFSEL {self.machine.function(LAMP)}")
            seen.append(f"{100 * share:.1f} %")
            if abs(share - 0.3) <= 0.02:
                return f"{seen[-1]} of 30 % at {LAMP_HZ} Hz, look {len(seen)}"
        raise Failed(f"the lamp is to be high for 30 % of the time, seen: {', '.join(seen)}")
