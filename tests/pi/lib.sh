# What the scripts of the emulated machines stand on; sourced, not run.
#
# TWIND_PI_CACHE   where everything is kept that can be made again (default: pi below Cargo's target folder)
#
# apt is asked with lists and sources of its own below the cache: the machine's sources, architectures and lists stay as
# they are, and a mirror's stale index of one architecture cannot hide the packages of another.

set -euo pipefail
pi=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$pi/../.." && pwd)
target=${CARGO_TARGET_DIR:-$project/target}
cache=${TWIND_PI_CACHE:-$target/pi}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

# The distribution of this machine and of the guests.
codename=bookworm

say() { printf '%s\n' "$*"; }
fail() { say "FAILED: $*" >&2; exit 1; }

# pi_apt COMMAND…: apt-get, or with `cache` first apt-cache, by the sources of the cache.
pi_apt() {
    local tool=apt-get
    [ "$1" != cache ] || { tool=apt-cache; shift; }
    DEBIAN_FRONTEND=noninteractive "$tool" -qq \
        -o Dir::Etc::sourcelist="$cache/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State="$cache/apt/state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$cache/apt/cache" \
        -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 \
        -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

# Where this machine has its Debian from: `URI SUITE`, one a line.
debian_sources() {
    apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 'Component: main' |
        awk -v codename="$codename" '$2 == codename || $2 == codename "-security"' | sort -u
}

# Refreshes the lists of the cache, once a day.
refresh_lists() {
    [ -z "$(find "$cache/apt/complete" -mmin -1440 2>/dev/null)" ] || return 0
    mkdir -p "$cache/apt/state/lists/partial" "$cache/apt/cache/archives/partial"
    debian_sources | while read -r uri suite; do
        say "deb $uri $suite main"
        [ "$suite" != "$codename" ] || say "deb $uri $codename-backports main"
    done >"$cache/apt/sources.list"
    grep -q . "$cache/apt/sources.list" || return 1
    # apt-get ends with 0 when an index could not be had; its message begins with E: or W:.
    pi_apt update 2>&1 | tee "$cache/apt/update.log"
    ! grep -q '^[EW]:' "$cache/apt/update.log" || return 1
    touch "$cache/apt/complete"
}

# kernel_name ARCH: Debian's kernel for it, such as 6.1.0-56-arm64.
kernel_name() {
    local name
    name=$(pi_apt cache depends "linux-image-$1:$1" | sed -n 's/.*Depends: linux-image-\([^:]*\).*/\1/p' | head -n 1)
    [ -n "$name" ] || fail "Debian's kernel for $1 is not to be had"
    say "$name"
}

# copy_modules FROM KERNEL TO MODULE…: a kernel's modules with what they depend on, from one root to another.
copy_modules() {
    local from=$1 kernel=$2 to=$3 module file
    shift 3
    mkdir -p "$to/lib/modules"
    for module in "$@"; do
        modprobe -d "$from" -S "$kernel" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
    done | sort -u | while read -r file; do
        install -D -m 644 "$file" "$to/lib/modules/$kernel/${file#*"/$kernel/"}"
    done
    cp "$from/lib/modules/$kernel/"modules.{builtin,builtin.modinfo,order} "$to/lib/modules/$kernel/"
    depmod -b "$to" "$kernel"
}

# pack_initrd FOLDER: as the kernel wants it, to standard output.
pack_initrd() { (cd "$1" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1); }

# fetch_package PACKAGE FOLDER: unpacks a package into a folder.
fetch_package() {
    mkdir -p "$cache/debs" "$2"
    (cd "$cache/debs" && pi_apt download "$1")
    local name=${1%%:*}
    name=${name%%=*}
    dpkg -x "$(ls -t "$cache/debs/$name"_*.deb | head -n 1)" "$2"
}

# The version of a package that apt would install.
candidate() { pi_apt cache policy "$1" | sed -n 's/^  Candidate: //p'; }

# begin MACHINE WHAT ARGUMENT…: what both scripts do first. Sets `cases`; ends with 0 if there is nothing to be done here.
begin() {
    local machine=$1 what=$2 install=
    shift 2
    if [ -n "${TWIND_SKIP_PI:-}" ]; then
        say "skipped: $what (TWIND_SKIP_PI is set)"
        exit 0
    fi
    if [ "${1:-}" = --install ]; then
        install=--install
        shift
    fi
    cases=("$@")
    "$pi/tools.sh" "$machine" $install || { [ $? -eq 3 ] && say "skipped: $what" && exit 0; exit 1; }
}
