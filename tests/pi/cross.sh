#!/usr/bin/env bash
# Cross-builds the release binary of twind; prints its path last.
# Debian's compiler and its standard library for the other architecture must be of one version, and both come from Debian.
# Usage: tests/pi/cross.sh [arm64]
. "$(dirname "$0")/lib.sh"

arch=${1:-arm64}
case $arch in
arm64) triple=aarch64-unknown-linux-gnu linker=aarch64-linux-gnu-gcc ;;
*) say "usage: $0 [arm64]" >&2; exit 64 ;;
esac

compiler=$(dpkg-query -W -f '${Version}' rustc-web)
sysroot=$cache/sysroot-$arch-$compiler
if [ ! -e "$sysroot/complete" ]; then
    rm -rf "$cache/sysroot-$arch-"*
    fetch_package "libstd-rust-web-dev:$arch=$compiler" "$sysroot"
    touch "$sysroot/complete"
fi

# Only the target's crates take the other sysroot: build scripts run here, with the standard library of here.
name=$(printf %s "$triple" | tr a-z- A-Z_)
export "CARGO_TARGET_${name}_LINKER=$linker" "CARGO_TARGET_${name}_RUSTFLAGS=--sysroot=$sysroot/usr"
export "CC_${triple//-/_}=$linker"
export RUSTC=/usr/bin/rustc
cd "$project"
cargo build --quiet --locked --release --package twind --bin twind --target "$triple" --target-dir "$cache/target" >&2
say "$cache/target/$triple/release/twind"
