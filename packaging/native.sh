# Functions of packaging/build-deb for a build by the machine's own compilers: which Rust is taken, and what is missing; sourced
# after lib.sh.

native=$(dpkg --print-architecture 2>/dev/null || true)
rust_needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$project/Cargo.toml")
cargo_bin=${CARGO_HOME:-$HOME/.cargo}/bin
# In MiB: what the link of the optimised program takes at its height, and what a build leaves on the disk.
memory_needed=1400
disk_needed=1500

# at_least VERSION WANTED: whether a version, which may be empty, is not older than another.
at_least() { [ -n "$1" ] && [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# as_root COMMAND…: by sudo, if this is not root.
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# rust_in FOLDER: the version of the rustc there, if it has a cargo beside it and both run: a rustup may have no toolchain.
rust_in() {
    "$1/cargo" --version >/dev/null 2>&1 || return 0
    "$1/rustc" --version 2>/dev/null | sed -n 's/^rustc \([0-9.]*\).*/\1/p'
}

# choose_rust: puts the first Rust that is new enough at the head of the path and describes it in `rust`, which else is empty. What
# is too old goes into `rust_found`.
choose_rust() {
    local folder version owner tried=()
    rust='' rust_found=''
    for folder in "$(dirname "$(command -v cargo || say /usr/bin/cargo)")" "$cargo_bin" /usr/bin; do
        [[ " ${tried[*]} " != *" $folder "* ]] || continue
        tried+=("$folder")
        version=$(rust_in "$folder")
        if at_least "$version" "$rust_needed"; then
            PATH=$folder:$PATH
            owner=$(dpkg-query -S "$folder/rustc" 2>/dev/null | sed 's/:.*//' || true)
            rust="Rust $version (${owner:+Debian package $owner, }$folder/rustc)"
            return
        fi
        [ -z "$version" ] || rust_found+="${rust_found:+, }$version ($folder/rustc)"
    done
}

# offered: the version of the newer Rust that apt would install, which is that of the older one of its two packages.
offered() {
    LC_ALL=C apt-cache policy rustc-web cargo-web 2>/dev/null | sed -n 's/^  Candidate: \([0-9.]*\).*/\1/p' | sort -V | head -n 1
}

has_cargo_deb() { command -v cargo-deb >/dev/null || [ -x "$cargo_bin/cargo-deb" ]; }

# look_at_room: adds to `faults` what memory and disk are short of.
look_at_room() {
    local free
    mkdir -p "$target"
    free=$(awk '/^(MemAvailable|SwapFree):/ { sum += $2 } END { print int(sum / 1024) }' /proc/meminfo)
    [ "$free" -ge "$memory_needed" ] ||
        faults+=("memory: $free MiB are free with the swap, the build takes $memory_needed (stop other programs, or add swap)")
    free=$(df -Pm "$target" | awk 'END { print $4 }')
    [ "$free" -ge "$disk_needed" ] ||
        faults+=("space: $free MiB are free for $target, the build takes $disk_needed (CARGO_TARGET_DIR names another folder)")
}

# look_at_tools: adds to `missing` the packages that are not there, and to `faults` what no package can mend.
look_at_tools() {
    local host debians
    choose_rust
    mapfile -t missing < <(missing_packages "${packages[@]}")
    if [ -n "$rust" ]; then
        # A 32-bit system on a 64-bit kernel: rustup looks at the kernel.
        host=$(rustc -vV | sed -n 's/^host: //p')
        case $native:$host in
        amd64:x86_64-*-linux-gnu | arm64:aarch64-*-linux-gnu | armhf:arm*-linux-gnueabihf) ;;
        *) faults+=("a Rust for $native: $rust builds for $host (rustup set default-host $(triple_of "$native") && rustup default stable)") ;;
        esac
        return
    fi
    debians=$(offered)
    if at_least "$debians" "$rust_needed"; then
        # They take the place of rustc, cargo and Debian's own rustup, which apt removes.
        missing+=(rustc-web cargo-web)
    else
        faults+=("Rust $rust_needed or later${rust_found:+, here is only $rust_found}: apt ${debians:+has only }${debians:-has no rustc-web} (sudo apt-get update may change that), https://rustup.rs has it")
    fi
}

# need_native INSTALL: ends here unless a build by the machine's own compilers can begin, and says all that is missing at once.
# INSTALL, if not empty, has it installed: packages by the machine's own apt.
need_native() {
    local install=$1 missing=() faults=()
    at_least "$(dpkg-query -W -f '${Version}' libc6)" "$glibc_promised" ||
        fail "this system is too old: the package needs Debian 12 or later, or a Raspberry Pi OS made from it"
    look_at_room
    look_at_tools
    if [ -n "$install" ] && { [ ${#missing[@]} -gt 0 ] || [ -z "$rust" ]; }; then
        as_root apt-get -qq update >&2
        faults=()
        look_at_room
        look_at_tools
        if [ ${#faults[@]} -eq 0 ]; then
            say "installing ${missing[*]}" >&2
            as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get -o DPkg::Lock::Timeout=600 install -qq -y --no-install-recommends "${missing[@]}" >&2
            hash -r
            look_at_tools
        fi
    fi
    [ ${#missing[@]} -eq 0 ] || faults+=("packages: sudo apt-get install --no-install-recommends ${missing[*]}")
    has_cargo_deb || [ -n "$install" ] || faults+=("cargo-deb, once Rust is there: cargo install --locked --debug cargo-deb")
    if [ ${#faults[@]} -gt 0 ]; then
        [ -n "$install" ] || faults+=("or run it with --install-tools, which installs packages and cargo-deb")
        fail "a package cannot be built on this machine ($native) yet$(printf '\n  %s' "${faults[@]}")"
    fi
    say "building on this machine, for $native, with $rust" >&2
}
