#!/usr/bin/env bash
# Makes the package of the release that is out there, from the commit that it was built from and by that commit's own
# packaging/build-deb, and keeps it in the cache. Prints its path last.
#
#   tests/package/released.sh [--install] [amd64|arm64]       --install: what building it takes, too
#
# Exit status 3 if the commit is not in this clone, because the clone is a shallow one; it says so.
. "$(dirname "$0")/../../packaging/lib.sh"

# Version 0.1.0-1. A later release is added here when it is out, and every one that sites may still run stays.
commit=8319cb22b025a1802f2fbf35f3fb1c604f4ecf7e

install=
if [ "${1:-}" = --install ]; then
    install=--install-tools
    shift
fi
arch=${1:-amd64}
kept=$cache/released-${commit:0:12}-$arch
if [ ! -e "$kept/complete" ]; then
    if ! git -C "$project" cat-file -e "$commit^{commit}" 2>/dev/null; then
        [ "$(git -C "$project" rev-parse --is-shallow-repository)" = true ] || fail "the released commit $commit is missing, though this clone has its whole history"
        say "the released package for $arch cannot be built: this clone is shallow, and the commit $commit is not in it (git fetch --unshallow)"
        exit 3
    fi
    say "building the released package for $arch: some minutes" >&2
    rm -rf "$kept"
    work=$(mktemp -d -p "$cache")
    trap 'rm -rf "$work"' EXIT
    # Its objects stay where they are. No `git clone`, which a shallow source makes copy them.
    git init --quiet "$work/sources"
    (cd "$project" && realpath "$(git rev-parse --git-path objects)") >"$work/sources/.git/objects/info/alternates"
    git -C "$work/sources" checkout --quiet --detach "$commit"
    # What is Debian's may be shared. What is built may not: both programs have one name.
    mkdir "$work/cache"
    for shared in "$cache"/apt-* "$cache"/debs "$cache"/sysroot-*; do
        [ ! -e "$shared" ] || ln -s "$shared" "$work/cache/"
    done
    # As released, but hardly optimised: that takes most of the time, and changes nothing that is tried here.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        CARGO_TARGET_DIR=$work/target TWIND_PI_CACHE=$work/cache \
        "$work/sources/packaging/build-deb" $install --output "$kept" "$arch" >&2
    touch "$kept/complete"
fi
ls "$kept"/*.deb
