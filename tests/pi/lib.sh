# What the scripts of the emulated Raspberry Pi stand on; sourced, not run. Above it lies packaging/lib.sh.
. "$(dirname "${BASH_SOURCE[0]}")/../../packaging/lib.sh"
pi=$project/tests/pi

# The guest has this machine's distribution. Its backports have a QEMU whose Raspberry Pi has an I2C controller.
host_packages=(rustc-web gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static mmdebstrap arch-test e2fsprogs kmod cpio)
backports_packages=(qemu-system-arm)

# pi_apt COMMAND…: apt for the guest's architecture.
pi_apt() { foreign_apt arm64 "$@"; }

# The version of a package that apt would install.
candidate() { pi_apt cache policy "$1" | sed -n 's/^  Candidate: //p'; }
