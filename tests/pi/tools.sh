#!/usr/bin/env bash
# Whether this machine can emulate a Raspberry Pi and build for it; with --install, makes it so.
# Exit code 0 if all is there, 3 if not (with what is missing, and why it cannot be had).
# Usage: tests/pi/tools.sh [--install]
. "$(dirname "$0")/lib.sh"

cannot() { say "the emulated Raspberry Pi cannot be had: $*"; exit 3; }

command -v dpkg-query >/dev/null || cannot "this is no Debian"
. /etc/os-release
[ "${VERSION_CODENAME:-}" = "$codename" ] || cannot "this is ${PRETTY_NAME:-unknown}, its packages are chosen for Debian $codename"
[ "$(dpkg --print-architecture)" = amd64 ] || cannot "this machine is no amd64"

[ "$(id -u)" = 0 ] || cannot "only root can make its card (device nodes, owners)"

mapfile -t missing < <(missing_packages "${host_packages[@]}" "${backports_packages[@]}")
if [ ${#missing[@]} -gt 0 ]; then
    [ "${1:-}" = --install ] || cannot "missing packages: ${missing[*]} (tests/pi/tools.sh --install)"
    refresh_lists arm64 || cannot "the lists of Debian's packages are not to be had (see above)"
    for package in "${missing[@]}"; do
        case " ${backports_packages[*]} " in
        *" $package "*) pi_apt install -y --no-install-recommends -t "$codename-backports" "$package" ;;
        *) pi_apt install -y --no-install-recommends "$package" ;;
        esac >"$cache/install.log" 2>&1 || { tail -n 5 "$cache/install.log"; cannot "$package does not install"; }
    done
fi
refresh_lists arm64 || cannot "the lists of Debian's packages are not to be had (see above)"
qemu=$(qemu-system-aarch64 --version | sed -n 's/.*version \([0-9]*\)\..*/\1/p')
[ "$qemu" -ge 10 ] || cannot "QEMU $qemu is too old: its Raspberry Pi has no I2C controller (10 has one)"
say "tools are there: QEMU $qemu, $(/usr/bin/rustc --version)"
