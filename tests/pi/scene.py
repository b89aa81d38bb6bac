"""The tutorial's back end and a day's temperatures, played to a daemon on the emulated Raspberry Pi."""

from plant import AT_REST

# The back end's patches with its own spellings (68 to 76, then 92 °F), and a day's temperatures between them. Each step has a
# name, the new temperature in °C or the desired patch, and the drives that must follow.
SYSTEM = {"id": "17", "units": "farenheit", "firmwareVersion": "9.75"}
SCENE = [
    ("Init", {"fanOn": "false", "components": {"system": SYSTEM, "climate": {"minTemperature": "68", "maxTemperature": "76"}}}, {}),
    ("Switch fan on", {"fanOn": "true"}, {"relay": 1000, "blower": 450}),
    ("Set maximum temperature", {"components": {"climate": {"maxTemperature": "92"}}}, {"relay": 1000, "blower": 300}),
    ("Add WiFi component", {"components": {"wifi": {"channel": "6", "ssid": "my_network"}}}, {"relay": 1000, "blower": 300}),
    ("26 °C", 26, {"relay": 1000, "blower": 450}),
    ("30 °C", 30, {"relay": 1000, "blower": 750}),
    ("40 °C", 40, {"relay": 1000, "blower": 1000}),
    ("Delete WiFi component", {"components": {"wifi": None}}, {"relay": 1000, "blower": 1000}),
    ("fanOn is null", {"fanOn": None}, {"relay": 1000, "blower": 1000}),
    ("24 °C", 24, {"blower": 300}),
    ("18 °C", 18, {"heater": 1000}),
    ("-5 °C", -5, {"heater": 1000}),
    ("21 °C", 21, {"blower": 75}),
    ("a lamp at 30 %", {"components": {"lamp": {"level": 30}}}, {"blower": 75, "lamp": 300}),
    ("Switch fan off", {"fanOn": "false"}, {"lamp": 300}),
    ("Switch fan on again", {"fanOn": "true"}, {"relay": 1000, "blower": 300, "lamp": 300}),
]
# The range at the end of the scene.
MIN_CELSIUS, MAX_CELSIUS = ((fahrenheit - 32) * 5 / 9 for fahrenheit in (68, 92))
# The drives at 18 °C after the scene, once the pump is on.
AT_WORK = {"relay": 1000, "blower": 300, "heater": 1000, "lamp": 300, "pump": 1000}


def play(daemon, hub):
    """Plays each step of the scene, and prints the registers before and after it. The daemon starts at 22 °C without a twin.
    After each step it must have heard of the change, and its drives must be the step's."""
    # Without a twin the range is 20 to 28 °C.
    daemon.settle("no twin yet, 22 °C", {**AT_REST, "blower": 250})
    for name, change, drives in SCENE:
        if daemon.has_pins:
            daemon.look(f"before {name}")
        if isinstance(change, dict):
            version = hub.patch(daemon.device, {"patchId": name, **change})
            daemon.hears(version)
        else:
            daemon.machine.set_temperature(change)
            daemon.reads(change)
        daemon.settle(name, {**AT_REST, **drives})
        if daemon.has_pins:
            daemon.look(f"after  {name}")


def go_to_work(daemon, hub):
    """After the scene: drives every output, until the hub has the report."""
    daemon.machine.set_temperature(18)
    version = hub.patch(daemon.device, {"fanOn": "true", "components": {"pump": {"on": True}}})
    daemon.hears(version)
    daemon.settle("at work", AT_WORK)
