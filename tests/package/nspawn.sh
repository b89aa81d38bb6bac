#!/usr/bin/env bash
# The package on Debian with systemd: amd64 in a container whose PID 1 is a real systemd, the hub on this machine.
#
#   tests/package/nspawn.sh [--install]       --install: Debian's packages, too
#
# TWIND_SKIP_NSPAWN      set: nothing is done
# TWIND_PACKAGE_TWINHUB  the stand-in hub's program (default: built here)
# TWIND_PI_CACHE         see packaging/lib.sh
#
# Exit status 0 if all is well or the tools cannot be had here, which it says.
. "$(dirname "$0")/../../packaging/lib.sh"
here=$project/tests/package

if [ -n "${TWIND_SKIP_NSPAWN:-}" ]; then
    say "skipped: the package in a container (TWIND_SKIP_NSPAWN is set)"
    exit 0
fi
install=${1:-}
"$here/tools.sh" $install || { [ $? -eq 3 ] && say "skipped: the package in a container" && exit 0; exit 1; }

work=$(mktemp -d -p "$cache")
root=$work/root machine=twind-$$ nspawn='' leader=''
finish() {
    # The container's systemd ends what runs in it.
    [ -z "$leader" ] || nsenter -t "$leader" -a /bin/systemctl poweroff 2>/dev/null || true
    [ -z "$nspawn" ] || timeout 30 tail --pid="$nspawn" -f /dev/null || kill -9 "$nspawn" 2>/dev/null || true
    [ -z "${hub:-}" ] || kill "$hub" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

. "$here/container.sh"
. "$here/cases.sh"

say "== packages"
build() { "$project/packaging/build-deb" ${install:+--install-tools} amd64 --output "$1" "${@:2}" | tail -n 1; }
package=$(build "$work/debs")
older=$(build "$work/debs" -- --deb-version 0.0.9-1)
newer=$(build "$work/debs" -- --deb-version 99.0-1)
lintian --allow-root --fail-on warning "$package" || fail "lintian has something to say"
say "$(basename "$package"): $(stat -c %s "$package") bytes, lintian has nothing to say"

say "== container"
start_hub
start_container
for case in $cases; do
    began=$(date +%s%N)
    "$case"
    say "ok  ${case//_/ } ($((($(date +%s%N) - began) / 1000000)) ms)"
done
say "the package is well: $(wc -w <<<"$cases") cases"
