#!/usr/bin/env bash
# Makes the package of the published release, from its commit and with that commit's own packaging/build-deb, and keeps it in
# the cache. Prints its path last.
#
#   tests/package/released.sh [--install] [amd64|arm64]       --install: also installs the build tools
#
# Exit status 3, with a message, if the commit is missing because this clone is shallow.
. "$(dirname "$0")/../../packaging/lib.sh"

# Version 0.1.0-1. Each later release is added here once it is published; those that sites may still run stay.
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
    # The objects are shared, not copied. `git clone` would copy them from a shallow source.
    git init --quiet "$work/sources"
    (cd "$project" && realpath "$(git rev-parse --git-path objects)") >"$work/sources/.git/objects/info/alternates"
    git -C "$work/sources" checkout --quiet --detach "$commit"
    # Debian's files may be shared. Build results may not, since both programs have the same name.
    mkdir "$work/cache"
    for shared in "$cache"/apt-* "$cache"/debs "$cache"/sysroot-*; do
        [ ! -e "$shared" ] || ln -s "$shared" "$work/cache/"
    done
    # As released, but hardly optimised, since optimisation takes most of the time and changes nothing tested here.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        CARGO_TARGET_DIR=$work/target TWIND_PI_CACHE=$work/cache \
        "$work/sources/packaging/build-deb" $install --output "$kept" "$arch" >&2
    touch "$kept/complete"
fi
ls "$kept"/*.deb
