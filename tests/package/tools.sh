#!/usr/bin/env bash
# Whether the package can be tried here; with --install, makes it so.
# Exit code 0 if all is there, 3 if not (with what is missing, and why it cannot be had).
# Usage: tests/package/tools.sh [--install]
. "$(dirname "$0")/../../packaging/lib.sh"

cannot() { say "the package cannot be tried here: $*"; exit 3; }

command -v dpkg-query >/dev/null || cannot "this is no Debian"
. /etc/os-release
[ "${VERSION_CODENAME:-}" = "$codename" ] || cannot "this is ${PRETTY_NAME:-unknown}, its packages are chosen for Debian $codename"
[ "$(dpkg --print-architecture)" = amd64 ] || cannot "this machine is no amd64"
[ "$(id -u)" = 0 ] || cannot "only root can start a container"
mapfile -t missing < <(missing_packages lintian mmdebstrap systemd-container)
if [ ${#missing[@]} -gt 0 ]; then
    [ "${1:-}" = --install ] || cannot "missing packages: ${missing[*]} (tests/package/tools.sh --install)"
    refresh_lists amd64 || cannot "the lists of Debian's packages are not to be had (see above)"
    foreign_apt amd64 install -y --no-install-recommends "${missing[@]}" >"$cache/install.log" 2>&1 ||
        { tail -n 5 "$cache/install.log"; cannot "${missing[*]} do not install"; }
fi
refresh_lists amd64 || cannot "the lists of Debian's packages are not to be had (see above)"
