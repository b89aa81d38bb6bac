"""Runs cases one after the other and reports on them."""

import time
import traceback

from machine import Failed


def run_cases(cases, names, failed=lambda name: None):
    """Runs the named cases, each a function; returns (name, passed, seconds, what it measured) for each. `failed` is called
    with the name of each that fails."""
    results = []
    for name in names:
        begin = time.monotonic()
        try:
            measured, passed = cases[name](), True
        except Failed as failure:
            measured, passed = str(failure), False
        except Exception:  # An unforeseen error fails this case, not the others.
            measured, passed = traceback.format_exc(), False
        results.append((name, passed, time.monotonic() - begin, measured))
        print(f"{'ok' if passed else 'FAILED'}: {name}: {measured}", flush=True)
        if not passed:
            failed(name)
    return results


def chosen(parser, cases, names):
    """The requested cases, in their defined order; all of them if none was requested."""
    unknown = [name for name in names if name not in cases]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}; there are {', '.join(cases)}")
    return [name for name in cases if not names or name in names]


def summary(results, folder):
    """Prints one line per case; returns the exit status."""
    print()
    for name, passed, seconds, measured in results:
        print(f"{name:16} {'ok' if passed else 'FAILED':7} {seconds:5.0f} s  {measured.splitlines()[0][:150]}")
    well = bool(results) and all(passed for _, passed, _, _ in results)
    if not well:
        print(f"the logs are in {folder}")
    return 0 if well else 1
