# Functions that the scripts of the emulated machines share; sourced, not run. Sources packaging/lib.sh.
. "$(dirname "${BASH_SOURCE[0]}")/../../packaging/lib.sh"
pi=$project/tests/pi

# pi_apt COMMAND…: apt for the guests' architectures, amd64 and arm64.
pi_apt() { foreign_apt arm64 "$@"; }

# kernel_name ARCH: the name of Debian's kernel for it, such as 6.1.0-56-arm64.
kernel_name() {
    local name
    name=$(pi_apt cache depends "linux-image-$1:$1" | sed -n 's/.*Depends: linux-image-\([^:]*\).*/\1/p' | sed -n 1p)
    [ -n "$name" ] || fail "Debian's kernel for $1 is not to be had"
    say "$name"
}

# copy_modules FROM KERNEL TO MODULE…: copies kernel modules with their dependencies from one root to another.
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

# pack_initrd FOLDER: packs it for the kernel, to standard output.
pack_initrd() { (cd "$1" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1); }

# candidate PACKAGE: the version that apt would install.
candidate() { pi_apt cache policy "$1" | sed -n 's/^  Candidate: //p'; }

# begin MACHINE WHAT ARGUMENT…: the start of both scripts. Sets `install` (empty or --install) and `cases`; exits with 0 if
# there is nothing to do here.
begin() {
    local machine=$1 what=$2
    shift 2
    install=
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
