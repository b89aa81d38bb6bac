"""A simulated room around the installed unit: it drifts by itself, and is cooled and heated by what the registers drive. The
sensor shows its temperature, and the range must be held.

The room waits for the daemon: each step begins once the last temperature was read, however slow the machine is.
"""

import math

from machine import Failed, until
from plant import in_words
from scene import MAX_CELSIUS, MIN_CELSIUS

# Kelvin per step: the blower at full duty, the relay's fan, and the heater.
BLOWER, RELAY, HEATER = -2.0, -1.0, 1.5
# The sensor rounds down to half degrees.
SHOWN = 0.5


def room(unit):
    """The room comes into the range from too warm and from too cold, and stays there."""
    unit.hears(unit.hub.patch(unit.device, {"fanOn": None}))
    hot = live(unit, "a warm day", 36.0, 1.0, 14)
    cold = live(unit, "a cold night", 17.0, -0.6, 14)
    return f"{MIN_CELSIUS:g} to {MAX_CELSIUS:.1f} °C: {hot}; {cold}"


def live(unit, name, celsius, drift, steps):
    """Runs this many steps of a room that drifts by `drift` kelvin in each."""
    course = []
    for _ in range(steps):
        shown = math.floor(celsius / SHOWN) * SHOWN
        unit.machine.set_temperature(shown)
        reads = lambda: unit.status()["sensors"]["cabinet"]["value"]
        until(lambda: f"the sensor reads {shown}, not {reads()}; {unit.said()}", lambda: reads() == shown)
        wires = unit.wires()
        print(f"    {unit.board:8} {name:14} {celsius:5.2f} °C          {in_words(unit.seen())}", flush=True)
        course.append(celsius)
        celsius += drift + BLOWER * wires["blower"][1] / 1000 + RELAY * wires["relay"][1] + HEATER * (1 - wires["heater"][1])
    # The sensor's rounding, and the drift until it is read again.
    slack = SHOWN + abs(drift)
    held = lambda celsius: MIN_CELSIUS - slack <= celsius <= MAX_CELSIUS + slack
    inside = next((index for index, celsius in enumerate(course) if MIN_CELSIUS <= celsius <= MAX_CELSIUS), None)
    if inside is None or inside > steps // 2 or not all(map(held, course[inside:])):
        raise Failed(f"{name}: the range is not held: {course}; {unit.said()}")
    rest = course[inside:]
    return f"{name}: {course[0]:g} °C, in it after {inside} steps, then {min(rest):.1f} to {max(rest):.1f} °C for {len(rest)}"
