# Functions of the scripts that use Debian's packages; sourced, not run.
#
# TWIND_PI_CACHE   the cache of everything that can be made again (default: pi below Cargo's target folder)
#
# apt runs with lists and sources of its own in the cache: the machine's sources, architectures and lists stay as they are. Each
# foreign architecture has its own, so that a stale index of one cannot hide the packages of another. It waits for another that
# installs.

set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$project/target}
cache=${TWIND_PI_CACHE:-$target/pi}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

# The distribution of this machine, and of every package that is used, unless a machine builds its own package (native.sh).
codename=bookworm
# Its GLIBC, the newest that Depends= of the package promises.
glibc_promised=2.36

say() { printf '%s\n' "$*"; }
fail() { say "FAILED: $*" >&2; exit 1; }

# need_commit: what follows is of a commit, and of nothing beside it.
need_commit() {
    local changes
    changes=$(git -C "$project" status --porcelain --untracked-files=no) || fail "only a commit will do, and git knows none here"
    [ -z "$changes" ] || fail "there are changes since the last commit, commit them first: $changes"
}

# date_build: what is built from a commit gets the commit's time; from sources that git does not know, that of the changelog.
date_build() {
    SOURCE_DATE_EPOCH=$(git -C "$project" log -1 --format=%ct 2>/dev/null ||
        date -d "$(sed -n 's/^ -- .*>  //p' "$project/packaging/changelog" | sed -n 1p)" +%s)
    export SOURCE_DATE_EPOCH
}

# triple_of ARCH: Rust's name for a Debian architecture.
triple_of() {
    case $1 in
    amd64) say x86_64-unknown-linux-gnu ;;
    arm64) say aarch64-unknown-linux-gnu ;;
    armhf) say armv7-unknown-linux-gnueabihf ;;
    esac
}

# foreign_apt ARCH COMMAND…: apt-get, or with `cache` first apt-cache, with the sources of the cache.
foreign_apt() {
    local arch=$1 tool=apt-get
    local own=$cache/apt-$arch
    shift
    [ "$1" != cache ] || { tool=apt-cache; shift; }
    DEBIAN_FRONTEND=noninteractive "$tool" -qq \
        -o Dir::Etc::sourcelist="$own/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State="$own/state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$own/cache" \
        -o APT::Architectures::=amd64 -o APT::Architectures::="$arch" -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 \
        -o Acquire::Languages=none -o Acquire::Retries=3 -o DPkg::Lock::Timeout=600 "$@"
}

# The sources of this machine's Debian: `URI SUITE`, one a line.
debian_sources() {
    apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 'Component: main' |
        awk -v codename="$codename" '$2 == codename || $2 == codename "-security"' | sort -u
}

# refresh_lists ARCH: updates the lists of the cache once a day.
refresh_lists() {
    local own=$cache/apt-$1
    [ -z "$(find "$own/complete" -mmin -1440 2>/dev/null)" ] || return 0
    mkdir -p "$own/state/lists/partial" "$own/cache/archives/partial"
    debian_sources | while read -r uri suite; do
        say "deb $uri $suite main"
        [ "$suite" != "$codename" ] || say "deb $uri $codename-backports main"
    done >"$own/sources.list"
    grep -q . "$own/sources.list" || return 1
    # apt-get ends with 0 even if an index could not be fetched; its message begins with E: or W:.
    foreign_apt "$1" update 2>&1 | tee "$own/update.log"
    ! grep -q '^[EW]:' "$own/update.log" || return 1
    touch "$own/complete"
}

# fetch_package ARCH PACKAGE FOLDER: unpacks a package into a folder.
fetch_package() {
    refresh_lists "$1" >&2 || fail "the lists of Debian's packages for $1 are not to be had (see above)"
    mkdir -p "$cache/debs" "$3"
    (cd "$cache/debs" && foreign_apt "$1" download "$2")
    local name=${2%%:*}
    name=${name%%=*}
    dpkg -x "$(ls -t "$cache/debs/$name"_*.deb | sed -n 1p)" "$3"
}

# install_packages PACKAGE…: on this machine, as root. The user-mode emulator comes from the backports, as the emulated Raspberry Pi
# does, since both must have the same version.
install_packages() {
    refresh_lists amd64 >&2 || fail "the lists of Debian's packages are not to be had (see above)"
    foreign_apt amd64 install -y --no-install-recommends "${@/%qemu-user-static/qemu-user-static/$codename-backports}" >&2
}

# register_emulator: registers the emulator for arm64 programs with the kernel, if it is not registered.
register_emulator() {
    local known=/proc/sys/fs/binfmt_misc
    mountpoint -q $known || mount -t binfmt_misc binfmt_misc $known
    [ -e $known/qemu-aarch64 ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf >$known/register
}

# missing_packages PACKAGE…: prints those that are not installed here.
missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -x installed >/dev/null || say "$package"
    done
}
