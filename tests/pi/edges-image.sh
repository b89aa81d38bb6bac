#!/usr/bin/env bash
# Makes what the machine with simulated lines boots: Debian's kernel for amd64, and an initial RAM disk that is its whole
# system. The RAM disk has the kernel's own simulator of GPIO chips (gpio-sim), which Debian does not build. Prints the folder
# last. The folder is made again when this script, one that it sources, or Debian's kernel changes.
. "$(dirname "$0")/lib.sh"

kernel=$(kernel_name amd64)
series=$(say "$kernel" | cut -d. -f1,2)
key=$( (cat "$0" "$pi/lib.sh" "$project/packaging/lib.sh"; say "$kernel"; candidate "linux-image-$kernel"; candidate busybox-static) | sha256sum | cut -c1-16)
image=$cache/edges-image-$key
if [ -e "$image/complete" ]; then
    say "$image"
    exit 0
fi
rm -rf "$cache"/edges-image-*
mkdir -p "$image"
work=$(mktemp -d -p "$cache")
trap 'rm -rf "$work"' EXIT

# --- the kernel and gpio-sim ------------------------------------------------------------------------------------------

common=${kernel%-amd64}-common
for package in "linux-image-$kernel" "linux-headers-$kernel" "linux-headers-$common" "linux-kbuild-$series" "linux-source-$series" busybox-static ca-certificates; do
    # From the package lists that named the kernel: lists of another hour may name another kernel.
    fetch_package arm64 "$package:amd64" "$work/kernel"
done
version() { dpkg-deb -f "$(ls -t "$cache/debs/$1"_*.deb | sed -n 1p)" Version; }
[ "$(version "linux-source-$series")" = "$(version "linux-headers-$kernel")" ] ||
    fail "Debian's source of the kernel is $(version "linux-source-$series"), its headers are $(version "linux-headers-$kernel")"
cp "$work/kernel/boot/vmlinuz-$kernel" "$image/vmlinuz"

sources=linux-source-$series
tar -C "$work" -xf "$work/kernel/usr/src/$sources.tar.xz" "$sources/drivers/gpio/"{gpio-sim.c,gpiolib.h} "$sources/kernel/irq/irq_sim.c"
# The source is large and no longer needed.
rm "$work/kernel/usr/src/$sources.tar.xz" "$cache/debs/$sources"_*.deb
module=$work/module
mkdir "$module"
mv "$work/$sources/drivers/gpio/gpio-sim.c" "$module/gpio-sim-main.c"
mv "$work/$sources/drivers/gpio/gpiolib.h" "$work/$sources/kernel/irq/irq_sim.c" "$module"
# gpio-sim needs irq_sim, which Debian's kernel leaves out. A module may not look up interrupt descriptors, but
# generic_handle_irq does the same in one call.
sed -i 's/handle_simple_irq(irq_to_desc(irqnum))/generic_handle_irq(irqnum)/' "$module/irq_sim.c"
grep -q 'generic_handle_irq(irqnum)' "$module/irq_sim.c" || fail "the kernel's irq_sim.c is another one: look how it handles an interrupt"
printf 'obj-m := gpio-sim.o\ngpio-sim-y := gpio-sim-main.o irq_sim.o\n' >"$module/Makefile"
headers=$work/kernel/usr/src/linux-headers-$kernel
# The headers are not installed, only unpacked.
sed -i "s|/usr/src/|$work/kernel/usr/src/|" "$headers/Makefile"
make -s -C "$headers" M="$module" modules >"$cache/module.log" 2>&1 || { tail -n 20 "$cache/module.log" >&2; fail "gpio-sim does not build"; }
install -D -m 644 "$module/gpio-sim.ko" "$work/kernel/lib/modules/$kernel/extra/gpio-sim.ko"
depmod -b "$work/kernel" "$kernel"

# --- the system -------------------------------------------------------------------------------------------------------

root=$work/root
mkdir -p "$root/"{bin,dev,etc,proc,root,run,sys,tmp,var/lib}
cp "$work/kernel/bin/busybox" "$root/bin/busybox"
copy_modules "$work/kernel" "$kernel" "$root" gpio-sim
# Without trusted root certificates `twind check` reports that no hub can be reached.
mkdir -p "$root/etc/ssl/certs"
cat "$work/kernel"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
modprobe gpio-sim
mount -t configfs configfs /sys/kernel/config
mount -t tracefs tracefs /sys/kernel/tracing
ip link set lo up
dmesg -n 1
cd /root
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo
# This shell stays as PID 1, which reaps orphans. The inner one reads a file, so it neither edits lines nor prompts.
while :; do
    echo "@@ a shell"
    setsid sh /dev/ttyS0
done
INIT
chmod +x "$root/init"
pack_initrd "$root" >"$image/initrd.gz"
touch "$image/complete"
say "$image"
