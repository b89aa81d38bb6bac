#!/usr/bin/env bash
# twind on a machine whose kernel simulates a GPIO chip with edges and pull resistors, which the emulated Raspberry Pi lacks.
# The kernel's view of the lines decides. Makes what it needs, then boots once.
#
#   tests/pi/edges.sh [--install] [CASE…]       --install: installs missing Debian packages
#
# TWIND_SKIP_PI   if set, nothing is done
# TWIND_PI_CACHE  see packaging/lib.sh
#
# Exit status 0 if all is well, or if the tools are not available here, which it says.
. "$(dirname "$0")/lib.sh"

begin edges "the machine with simulated lines" "$@"
image=$("$pi/edges-image.sh" | tail -n 1)
twind=$("$project/packaging/cross.sh" amd64 | tail -n 1)
PYTHONDONTWRITEBYTECODE=1 python3 "$pi/edges.py" --image "$image" --twind "$twind" --work "$cache/edges-work" "${cases[@]}"
