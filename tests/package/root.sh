#!/usr/bin/env bash
# Makes the root file system of a machine: Debian with systemd, and nothing of twind's. Containers boot it, and it becomes
# the emulated Raspberry Pi's card. Must be run as root. Prints the path of its tar last.
# Usage: tests/package/root.sh [amd64|arm64 [SUITE]]      default: this machine's own Debian; another such as trixie
. "$(dirname "$0")/../../packaging/lib.sh"

arch=${1:-amd64} suite=${2:-$codename}
packages=systemd,systemd-sysv,systemd-timesyncd,dbus,udev,kmod,iproute2,procps,ca-certificates,tzdata,busybox-static,sudo,adduser
root_tar=$cache/root-$arch-$suite-$(say "$packages" | sha256sum | cut -c1-16).tar
if [ ! -e "$root_tar" ]; then
    say "making the root for $arch: some minutes" >&2
    refresh_lists "$arch" >&2 || fail "the lists of Debian's packages for $arch are not to be had (see above)"
    [ "$arch" = amd64 ] || register_emulator
    rm -f "$cache/root-$arch-$suite"-*.tar
    mapfile -t sources < <(sed "/-backports/d; s/ $codename/ $suite/" "$cache/apt-$arch/sources.list")
    mmdebstrap --quiet --format=tar --arch="$arch" --variant=minbase --mode=root --include="$packages" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --aptopt='Acquire::Languages "none"' \
        "$suite" "$root_tar.part" "${sources[@]}" >"$cache/mmdebstrap.log" 2>&1 ||
        { tail -n 20 "$cache/mmdebstrap.log" >&2; fail "the root cannot be made"; }
    mv "$root_tar.part" "$root_tar"
fi
say "$root_tar"
