#!/usr/bin/env python3
"""Boots a machine with a simulated GPIO chip and twind in it, and runs the cases.

    edges.py --image FOLDER --twind FILE --work FOLDER [CASE…]

Nothing in the work folder needs to be kept; it is there to look at when a case fails. Exit status 1 if one does.
"""

import argparse
import os
import shutil
import sys

from edges_cases import FILES, Cases
from edges_machine import PULSES, SimulatedChip, initrd
from runner import chosen, run_cases, summary

CASES = {
    "levels": Cases.levels_follow,
    "edges": Cases.edges,
    "door": Cases.door,
    "stall": Cases.stall,
    "pwm": Cases.pwm,
    "crash": Cases.crash,
    "reload": Cases.reload,
    "claimed": Cases.claimed,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("image", "twind", "work"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    arguments = parser.parse_args()
    names = chosen(parser, CASES, arguments.cases)
    folder = os.path.abspath(arguments.work)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    disk = initrd(arguments.image, arguments.twind, {**FILES, "pulses": PULSES}, folder)
    machine = SimulatedChip(arguments.image, disk, folder)
    try:
        print(f"booted in {machine.boot():.0f} s", flush=True)
        cases = Cases(machine)
        results = run_cases({name: lambda case=case: case(cases) for name, case in CASES.items()}, names)
    finally:
        machine.end()
    return summary(results, folder)


if __name__ == "__main__":
    sys.exit(main())
