#!/usr/bin/env bash
# twind on a machine whose kernel simulates a GPIO chip with edges and pull resistors, which the emulated Raspberry Pi has
# not. Judged by what the kernel has of the lines. Makes what it needs, then boots once.
#
#   tests/pi/edges.sh [--install] [CASE…]       --install: Debian's packages, too
#
# TWIND_SKIP_PI   set: nothing is done
# TWIND_PI_CACHE  see packaging/lib.sh
#
# Exit status 0 if all is well or the tools cannot be had here, which it says.
. "$(dirname "$0")/lib.sh"

begin edges "the machine with simulated lines" "$@"
image=$("$pi/edges-image.sh" | tail -n 1)
twind=$("$project/packaging/cross.sh" amd64 | tail -n 1)
PYTHONDONTWRITEBYTECODE=1 python3 "$pi/edges.py" --image "$image" --twind "$twind" --work "$cache/edges-work" "${cases[@]}"
