#!/usr/bin/env bash
# Builds the package of this commit twice, the second time from scratch in a clone elsewhere, and compares the bytes.
# Usage: tests/package/reproducible.sh [amd64|arm64|armhf]
. "$(dirname "$0")/../../packaging/lib.sh"

arch=${1:-amd64}
cd "$project"
need_commit
work=$(mktemp -d -p "$cache")
trap 'rm -rf "$work"' EXIT

first=$(packaging/build-deb "$arch" --output "$work/first" | tail -n 1)
git clone --quiet --no-hardlinks . "$work/elsewhere"
# Debian's files may be shared; build results may not.
mkdir "$work/cache"
for kept in "$cache"/apt-* "$cache"/debs "$cache"/sysroot-*; do
    [ ! -e "$kept" ] || ln -s "$kept" "$work/cache/"
done
second=$(
    export CARGO_TARGET_DIR=$work/target TWIND_PI_CACHE=$work/cache
    "$work/elsewhere/packaging/build-deb" "$arch" --output "$work/second" | tail -n 1
)
cmp "$first" "$second" || fail "two builds of a commit differ"
say "$(basename "$first"): two builds are the same $(stat -c %s "$first") bytes, SHA-256 $(sha256sum <"$first" | cut -d ' ' -f 1)"
