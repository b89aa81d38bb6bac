#!/usr/bin/env bash
# The package on Debian with systemd: in a container whose PID 1 is a real systemd, with the hub on this machine. For arm64 an
# emulator runs everything in the container; emulated.sh says what that leaves untested.
#
#   tests/package/nspawn.sh [--install] [--suite SUITE] [amd64|arm64 [CASE…]]
#
# --install      installs missing Debian packages
# --suite SUITE  the container's Debian, such as trixie (default: that of this machine)
#
# Each case begins with the state that the one before it left. A choice of cases must begin with one that makes its own
# installation (a_fresh_package_neither_runs_nor_is_enabled or a_released_daemon_holds_a_twin).
#
# TWIND_SKIP_NSPAWN      if set, nothing is done
# TWIND_PACKAGE_TWINHUB  the stand-in hub's program (default: built here)
# TWIND_PI_CACHE         see packaging/lib.sh
#
# Exit status 0 if all is well, or if the tools are not available here, which it says.
. "$(dirname "$0")/../../packaging/lib.sh"
here=$project/tests/package

install= suite=
while [ $# -gt 0 ]; do
    case $1 in
    --install) install=--install ;;
    --suite) suite=${2:?--suite needs a name}; shift ;;
    *) break ;;
    esac
    shift
done
arch=${1:-amd64}
chosen=("${@:2}")
case $arch in
amd64 | arm64) ;;
*) fail "no container for $arch (amd64, arm64)" ;;
esac
if [ -n "${TWIND_SKIP_NSPAWN:-}" ]; then
    say "skipped: the package for $arch in a container (TWIND_SKIP_NSPAWN is set)"
    exit 0
fi
"$here/tools.sh" "$arch" $install || { [ $? -eq 3 ] && say "skipped: the package for $arch in a container" && exit 0; exit 1; }

work=$(mktemp -d -p "$cache")
root=$work/root machine=twind-$$ nspawn='' leader=''
finish() {
    # The container's systemd stops what runs in it.
    [ -z "$leader" ] || nsenter -t "$leader" -a /bin/systemctl poweroff 2>/dev/null || true
    [ -z "$nspawn" ] || timeout 30 tail --pid="$nspawn" -f /dev/null || kill -9 "$nspawn" 2>/dev/null || true
    [ -z "${hub:-}" ] || kill "$hub" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

. "$here/container.sh"
. "$here/cases.sh"
. "$here/upgrades.sh"
. "$here/first_hour.sh"
[ "$arch" = amd64 ] || . "$here/emulated.sh"
for case in "${chosen[@]}"; do
    grep -qxF -e "$case" <<<"$cases" || fail "no such case: $case; there are $cases"
done
[ ${#chosen[@]} -eq 0 ] || cases=$(printf '%s\n' "${chosen[@]}")

# why_not CASE: why it is not tried, if it is not.
no_release=
why_not() {
    left_out "$1"
    [[ $1 != *_released_* || -z $no_release ]] || say "$no_release"
}
is_tried() { grep -qxF -e "$1" <<<"$cases" && [ -z "$(why_not "$1")" ]; }

say "== packages"
build() { "$project/packaging/build-deb" ${install:+--install-tools} "$arch" --output "$1" "${@:2}" | tail -n 1; }
package=$(build "$work/debs")
older= released=
! is_tried a_downgrade_does_not_either || older=$(build "$work/debs" -- --deb-version 0.0.9-1)
if is_tried a_released_daemon_holds_a_twin; then
    code=0
    built=$("$here/released.sh" $install "$arch") || code=$?
    case $code in
    0) released=$work/debs/released.deb && cp "$(tail -n 1 <<<"$built")" "$released" ;;
    3) no_release=$(tail -n 1 <<<"$built") ;;
    *) fail "the released package cannot be built" ;;
    esac
fi
newer=$(build "$work/debs" -- --deb-version 99.0-1)
lintian --allow-root --fail-on warning "$package" || fail "lintian has something to say"
say "$(basename "$package"): $(stat -c %s "$package") bytes, lintian has nothing to say"

say "== container"
start_hub
start_container
tried=0
for case in $cases; do
    why=$(why_not "$case")
    [ -z "$why" ] || { say "--  ${case//_/ }: $why"; continue; }
    # The starts of all cases would be too many for the unit's ten minutes. systemd 252 forgets them at each daemon-reload, 257 does not.
    inside systemctl reset-failed twind 2>/dev/null || true
    began=$(date +%s%N)
    "$case"
    tried=$((tried + 1))
    say "ok  ${case//_/ } ($((($(date +%s%N) - began) / 1000000)) ms)"
done
say "the package for $arch is well${suite:+ on $suite}: $tried cases of $(wc -w <<<"$cases")"
