"""Has both parsers of Prometheus's client read each text, and wrong ones, which the stricter must refuse: python3 metrics.py FILE…

The first text is what `twind status --openmetrics` prints with two overrides, the others are files. Exit code 1 if anything is wrong.
"""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_older_format

LEVEL = 'level"C:\\new"'
WANTED = {
    ("twind_alarm", ("alarm", "sensor-gone"), ("kind", "sensor")): 1,
    ("twind_alarms",): 1,
    ("twind_device_info", ("identity", "localhost/pi")): 1,
    ("twind_hub_connected",): 0,
    ("twind_temperature_celsius", ("climate", "office")): 24,
    ("twind_humidity_ratio", ("climate", "greenhouse")): 0.553,
    ("twind_humidity_max_ratio", ("climate", "greenhouse")): 0.6,
    ("twind_co2_ppm", ("climate", "hall")): 640,
    ("twind_climate_value", ("climate", "cellar"), ("measures", LEVEL)): 0.25,
    ("twind_sensor_value", ("measures", LEVEL), ("sensor", "tank")): 0.25,
    ("twind_sensor_ok", ("sensor", "gone")): 0,
    ("twind_output_ok", ("output", "vent")): 1,
}
OVERRIDDEN = {
    ("twind_output_drive_ratio", ("output", "fan")): 0.4,
    ("twind_output_rpm", ("output", "fan")): 900,
    ("twind_temperature_min_celsius", ("climate", "office")): 19,
}
WRONG = {
    "no end": "# TYPE twind_alarms gauge\ntwind_alarms 0\n",
    "a unit that the name lacks": "# TYPE twind_alarms gauge\n# UNIT twind_alarms seconds\ntwind_alarms 0\n# EOF\n",
    "a family in two parts": "# TYPE a gauge\na{x=\"1\"} 0\n# TYPE b gauge\nb 0\na{x=\"2\"} 0\n# EOF\n",
}


def samples(families):
    found = {}
    for family in families:
        for sample in family.samples:
            found[(sample.name, *sorted(sample.labels.items()))] = sample.value
    return found


def check(is_right, what):
    print(f"{'ok' if is_right else 'FAILED'}: {what}")
    return is_right


def main():
    right = True
    for index, path in enumerate(sys.argv[1:]):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        families = list(read_openmetrics(text))
        name = path.rsplit("/", 1)[-1]
        found = samples(families)
        right &= check(len(families) > 30 and {family.type for family in families} == {"gauge"}, f"{name} has gauges")
        right &= check(all(family.documentation for family in families), f"{name} says what each means")
        unit = {family.name: family.unit for family in families}.get("twind_temperature_celsius")
        right &= check(unit == "celsius", f"{name} has units")
        right &= check(samples(read_older_format(text)) == found, f"{name} means the same in the older format")
        count = sum(not line.startswith("#") for line in text.splitlines())
        right &= check(count == len(found), f"{name} has no series twice")
        for key, value in {**WANTED, **({} if index else OVERRIDDEN)}.items():
            if found.get(key) != value:
                right = check(False, f"{name}: {key} is {found.get(key)} and not {value}")
        left = [value for (key, *_), value in found.items() if key.endswith("_override_left_seconds")]
        if index == 0:
            right &= check(len(left) == 2 and all(3500 < value <= 3600 for value in left), f"{name} has both overrides")
    for what, text in WRONG.items():
        try:
            list(read_openmetrics(text))
            right = check(False, f"the parser takes {what}")
        except ValueError:
            print(f"ok: the parser refuses {what}")
    sys.exit(0 if right else 1)


main()
