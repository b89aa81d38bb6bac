#!/usr/bin/env bash
# Makes the root of a container: Debian amd64 with systemd, and nothing of twind's. Prints its tar last.
. "$(dirname "$0")/../../packaging/lib.sh"

packages=systemd,systemd-sysv,dbus,udev,procps,ca-certificates
root_tar=$cache/root-amd64-$(say "$packages $codename" | sha256sum | cut -c1-16).tar
if [ ! -e "$root_tar" ]; then
    say "making the root: a minute or two" >&2
    rm -f "$cache"/root-amd64-*.tar
    mapfile -t sources < <(sed "/-backports/d" "$cache/apt-amd64/sources.list")
    mmdebstrap --quiet --format=tar --arch=amd64 --variant=minbase --mode=root --include="$packages" \
        --dpkgopt='path-exclude=/usr/share/locale/*' --aptopt='Acquire::Languages "none"' \
        "$codename" "$root_tar.part" "${sources[@]}" >"$cache/mmdebstrap.log" 2>&1 ||
        { tail -n 20 "$cache/mmdebstrap.log" >&2; fail "the root cannot be made"; }
    mv "$root_tar.part" "$root_tar"
fi
say "$root_tar"
