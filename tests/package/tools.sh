#!/usr/bin/env bash
# Checks that the package can be tested here; --install installs what is missing.
# Exit code 0 if everything is there; 3 if not, with what is missing and why it is not available.
# Usage: tests/package/tools.sh amd64|arm64 [--install]
. "$(dirname "$0")/../../packaging/lib.sh"

arch=${1:-}
case $arch in
amd64) emulation=() ;;
arm64) emulation=(arch-test qemu-user-static) ;;
*) say "usage: $0 amd64|arm64 [--install]" >&2; exit 64 ;;
esac

cannot() { say "the package for $arch cannot be tried here: $*"; exit 3; }

command -v dpkg-query >/dev/null || cannot "this is no Debian"
. /etc/os-release
[ "${VERSION_CODENAME:-}" = "$codename" ] || cannot "this is ${PRETTY_NAME:-unknown}, its packages are chosen for Debian $codename"
[ "$(dpkg --print-architecture)" = amd64 ] || cannot "this machine is no amd64"
[ "$(id -u)" = 0 ] || cannot "only root can start a container"
mapfile -t missing < <(missing_packages lintian mmdebstrap systemd-container "${emulation[@]}")
if [ ${#missing[@]} -gt 0 ]; then
    [ "${2:-}" = --install ] || cannot "missing packages: ${missing[*]} (tests/package/tools.sh $arch --install)"
    refresh_lists amd64 || cannot "the lists of Debian's packages are not to be had (see above)"
    install_packages "${missing[@]}" >"$cache/install.log" 2>&1 ||
        { tail -n 5 "$cache/install.log"; cannot "${missing[*]} do not install"; }
fi
refresh_lists "$arch" || cannot "the lists of Debian's packages are not to be had (see above)"
