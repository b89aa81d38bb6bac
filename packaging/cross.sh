#!/usr/bin/env bash
# Builds the release binary of twind for a Debian architecture; prints its path last.
# For this machine's own it is built by the toolchain on the path. Others are built on amd64: compiler and standard library must have
# the same version, and both come from Debian: for arm64 as a package, for armhf built from Debian's source, since the index of that
# architecture's security updates does not always match its signature.
# The binary contains no path of this machine: two builds of a commit by the same toolchain are identical.
# Usage: packaging/cross.sh [amd64|arm64|armhf]
. "$(dirname "$0")/lib.sh"

native=$(dpkg --print-architecture 2>/dev/null || say amd64)
arch=${1:-$native}
triple=$(triple_of "$arch")
case $arch in
"$native")
    # The 32-bit Raspberry Pi OS has a compiler of its own, for ARMv6.
    cc=cc triple=$(rustc -vV | sed -n 's/^host: //p')
    ;;
arm64) cc=aarch64-linux-gnu-gcc ;;
armhf) cc=arm-linux-gnueabihf-gcc ;;
*) say "usage: $0 [amd64|arm64|armhf]" >&2; exit 64 ;;
esac
cargo_home=${CARGO_HOME:-$HOME/.cargo}
name=$(printf %s "$triple" | tr a-z- A-Z_)
# Cargo prefers these to the flags of one target.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
flags="--remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$project=/twind"
linker=$cc
[ "$arch" != amd64 ] || linker=$project/packaging/release-cc
export "CARGO_TARGET_${name}_LINKER=$linker" "CC_${triple//-/_}=$cc"
export "CFLAGS_${triple//-/_}=-ffile-prefix-map=$cargo_home=/cargo"

# sysroot_of_package FOLDER: Debian's standard library, unpacked.
sysroot_of_package() { fetch_package "$arch" "libstd-rust-web-dev:$arch=$compiler" "$1"; }

# sysroot_of_source FOLDER: the standard library of Debian's source, compiled. It is a crate of its own, so that nightly
# features are not enabled for twind's crates.
sysroot_of_source() {
    local work=$1/work
    fetch_package amd64 "rust-web-src=$compiler" "$work/source"
    mkdir -p "$work/crate/src"
    printf '[package]\nname = "sysroot"\nversion = "0.0.0"\nedition = "2024"\n[profile.release]\npanic = "abort"\n[workspace]\n' >"$work/crate/Cargo.toml"
    say '#![no_std]' >"$work/crate/src/lib.rs"
    local library
    library=$(echo "$work"/source/usr/src/rustc-*/library)
    (
        cd "$work/crate"
        export RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT="$library"
        # The release profile optimises across crates, for which it needs their bitcode.
        export "CARGO_TARGET_${name}_RUSTFLAGS=$flags --remap-path-prefix=${library%/library}=/rustc -Cembed-bitcode=yes"
        cargo build --quiet --release -Z build-std=std,panic_abort --target "$triple" >&2
    )
    local to=$1/usr/lib/rustlib/$triple/lib
    mkdir -p "$to"
    cp "$work/crate/target/$triple/release/deps/"*.rlib "$to"
    rm -f "$to"/libsysroot-*.rlib
    rm -rf "$work"
}

build_folder=$target
if [ "$arch" != "$native" ]; then
    build_folder=$cache/target
    export RUSTC=/usr/bin/rustc
    compiler=$(dpkg-query -W -f '${Version}' rustc-web)
    sysroot=$cache/sysroot-$arch-$compiler
    if [ ! -e "$sysroot/complete" ]; then
        # Cargo would take what was compiled against another one for fresh.
        rm -rf "$cache/sysroot-$arch-"* "${build_folder:?}/$triple"
        case $arch in
        armhf) sysroot_of_source "$sysroot" ;;
        *) sysroot_of_package "$sysroot" ;;
        esac
        touch "$sysroot/complete"
    fi
    # Only the target's crates use the other sysroot: build scripts run here, with this machine's standard library.
    flags="$flags --sysroot=$sysroot/usr"
fi
if [ "$arch" = amd64 ]; then
    # Relocations packed by the linker (GLIBC 2.36): 150 KiB less to read at each start. For the others Debian 12's linker knows
    # no such.
    flags="$flags -Clink-arg=-Wl,-z,pack-relative-relocs"
    # What many functions have in common becomes a function of its own, as the compiler does by itself for arm64: 100 KiB less.
    flags="$flags -Cllvm-args=--enable-machine-outliner=always"
fi
export "CARGO_TARGET_${name}_RUSTFLAGS=$flags"
date_build
cd "$project"
cargo build --quiet --locked --release --package twind --bin twind --target "$triple" --target-dir "$build_folder" >&2
say "$build_folder/$triple/release/twind"
