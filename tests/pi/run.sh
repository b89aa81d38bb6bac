#!/usr/bin/env bash
# twind on an emulated Raspberry Pi 3B, judged from outside the machine. Makes what it needs, then boots
# once for most cases, and three times for the power cuts.
#
#   tests/pi/run.sh [--install] [CASE…]       --install: installs missing Debian packages
#
# TWIND_SKIP_PI   if set, nothing is done
# TWIND_PI_CACHE  see packaging/lib.sh
# TWIND_PI_TWINHUB  the stand-in hub's program (default: built here)
#
# Exit status 0 if all is well, or if the tools are not available here, which it says.
. "$(dirname "$0")/lib.sh"

begin pi "the emulated Raspberry Pi" "$@"
twinhub=${TWIND_PI_TWINHUB:-$target/debug/twinhub}
[ -n "${TWIND_PI_TWINHUB:-}" ] || (cd "$project" && cargo build --quiet --locked --package twinhub)
image=$("$pi/image.sh" | tail -n 1)
twind=$("$project/packaging/cross.sh" arm64 | tail -n 1)
package=()
if [ -n "$install" ] || command -v cargo-deb >/dev/null; then
    package=(--package "$("$project/packaging/build-deb" ${install:+--install-tools} arm64 | tail -n 1)")
    code=0
    released=$("$project/tests/package/released.sh" $install arm64) || code=$?
    case $code in
    0) package+=(--released "$(tail -n 1 <<<"$released")") ;;
    3) tail -n 1 <<<"$released" ;;
    *) fail "the released package cannot be built" ;;
    esac
fi
PYTHONDONTWRITEBYTECODE=1 python3 "$pi/run.py" --image "$image" --twind "$twind" --twinhub "$twinhub" --work "$cache/work" "${package[@]}" "${cases[@]}"
