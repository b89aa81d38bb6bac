#!/usr/bin/env bash
# Checks that this machine can emulate one of the test machines and build for it; --install installs what is missing.
# Exit code 0 if everything is there; 3 if not, with what is missing and why it is not available.
# Usage: tests/pi/tools.sh pi|edges [--install]
. "$(dirname "$0")/lib.sh"

machine=${1:-}
case $machine in
pi)
    what="the emulated Raspberry Pi" emulator=qemu-system-aarch64
    packages=(rustc-web gcc-aarch64-linux-gnu libc6-dev-arm64-cross mmdebstrap arch-test e2fsprogs kmod cpio)
    # QEMU from the backports: its Raspberry Pi has an I2C controller.
    backports_packages=(qemu-system-arm qemu-user-static)
    ;;
edges)
    what="the machine with simulated lines" emulator=qemu-system-x86_64
    packages=(gcc-12 make kmod cpio xz-utils)
    # It shares parts with the Raspberry Pi's QEMU, so both must be of one version.
    backports_packages=(qemu-system-x86)
    ;;
*) say "usage: $0 pi|edges [--install]" >&2; exit 64 ;;
esac

cannot() { say "$what cannot be had: $*"; exit 3; }

command -v dpkg-query >/dev/null || cannot "this is no Debian"
. /etc/os-release
[ "${VERSION_CODENAME:-}" = "$codename" ] || cannot "this is ${PRETTY_NAME:-unknown}, its packages are chosen for Debian $codename"
[ "$(dpkg --print-architecture)" = amd64 ] || cannot "this machine is no amd64"

[ "$machine" != pi ] || [ "$(id -u)" = 0 ] || cannot "only root can make its card (device nodes, owners)"

mapfile -t missing < <(missing_packages "${packages[@]}" "${backports_packages[@]}")
if [ ${#missing[@]} -gt 0 ]; then
    [ "${2:-}" = --install ] || cannot "missing packages: ${missing[*]} (tests/pi/tools.sh $machine --install)"
    [ "$(id -u)" = 0 ] || cannot "missing packages: ${missing[*]}, which only root can install"
    refresh_lists arm64 || cannot "the lists of Debian's packages are not to be had (see above)"
    for package in "${missing[@]}"; do
        case " ${backports_packages[*]} " in
        *" $package "*) pi_apt install -y --no-install-recommends -t "$codename-backports" "$package" ;;
        *) pi_apt install -y --no-install-recommends "$package" ;;
        esac >"$cache/install.log" 2>&1 || { tail -n 5 "$cache/install.log"; cannot "$package does not install"; }
    done
fi
refresh_lists arm64 || cannot "the lists of Debian's packages are not to be had (see above)"
qemu=$("$emulator" --version | sed -n 's/.*version \([0-9]*\)\..*/\1/p')
[ "$qemu" -ge 10 ] || cannot "QEMU $qemu is too old (its Raspberry Pi has no I2C controller; 10 has one)"
say "tools are there: QEMU $qemu"
