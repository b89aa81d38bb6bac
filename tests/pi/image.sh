#!/usr/bin/env bash
# Makes what an emulated Raspberry Pi 3B boots: kernel, device tree, initial RAM disk and SD card, Debian arm64 throughout.
# Prints the folder last. The folder is made again when a script that makes it, or Debian's kernel, changes.
. "$(dirname "$0")/lib.sh"

# The kernel modules that the root needs: network over USB, the I2C bus and its sensor, PWM.
root_modules=(dwc2 usbnet cdc_ether rndis_host cdc_subset i2c-bcm2835 i2c-dev lm75 pwm-bcm2835 bcm2835_wdt bcm2835_thermal)
# The modules needed to mount the root.
boot_modules=(crc32c_generic sdhci-iproc bcm2835 ext4)

kernel=$(kernel_name arm64)
key=$( (cat "$0" "$pi/lib.sh" "$project/packaging/lib.sh" "$project/tests/package/root.sh"; say "$kernel"; candidate "linux-image-$kernel:arm64") | sha256sum | cut -c1-16)
image=$cache/image-$key
if [ -e "$image/complete" ]; then
    say "$image"
    exit 0
fi
rm -rf "$cache"/image-*
mkdir -p "$image"
work=$(mktemp -d -p "$cache")
trap 'rm -rf "$work"' EXIT

# --- the root ---------------------------------------------------------------------------------------------------------

root_tar=$("$project/tests/package/root.sh" arm64 | tail -n 1)
root=$work/root
mkdir "$root"
tar -C "$root" -xpf "$root_tar"

# --- the kernel and its modules ---------------------------------------------------------------------------------------

fetch_package arm64 "linux-image-$kernel:arm64" "$work/kernel"
cp "$work/kernel/boot/vmlinuz-$kernel" "$image/vmlinuz"
cp "$work/kernel/usr/lib/linux-image-$kernel/broadcom/bcm2837-rpi-3-b.dtb" "$image/board.dtb"
depmod -b "$work/kernel" "$kernel"

mkdir -p "$work/initrd/"{bin,proc,sys,dev,new}
copy_modules "$work/kernel" "$kernel" "$root" "${root_modules[@]}"
copy_modules "$work/kernel" "$kernel" "$work/initrd" "${boot_modules[@]}"

cp "$root/usr/bin/busybox" "$work/initrd/bin/busybox" 2>/dev/null || cp "$root/bin/busybox" "$work/initrd/bin/busybox"
cat >"$work/initrd/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in crc32c_generic sdhci-iproc bcm2835 ext4; do modprobe $module; done
tries=0
while [ ! -b /dev/mmcblk0 ] && [ $tries -lt 240 ]; do sleep 0.5; tries=$((tries + 1)); done
mount -t ext4 -o noatime,rw /dev/mmcblk0 /new
umount /proc /sys
mount --move /dev /new/dev
exec switch_root /new /sbin/init
INIT
chmod +x "$work/initrd/init"
pack_initrd "$work/initrd" >"$image/initrd.gz"

# --- the guest's own settings -----------------------------------------------------------------------------------------

say twind-pi >"$root/etc/hostname"
: >"$root/etc/machine-id"
sed -i 's/^root:[^:]*:/root::/' "$root/etc/shadow"
mkdir -p "$root/etc/systemd/system/multi-user.target.wants" "$root/etc/systemd/network" "$root/etc/modules-load.d"
# The usual unit would wait for udev to find the serial line.
cat >"$root/etc/systemd/system/shell.service" <<'UNIT'
[Unit]
After=systemd-user-sessions.service systemd-modules-load.service systemd-networkd.service
[Service]
ExecStart=-/sbin/agetty -a root -L 115200 ttyS1 dumb
StandardInput=tty
StandardOutput=tty
TTYPath=/dev/ttyS1
UNIT
ln -s /etc/systemd/system/shell.service "$root/etc/systemd/system/multi-user.target.wants/"
printf '[Match]\nName=en* eth* usb*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nLinkLocalAddressing=no\n' >"$root/etc/systemd/network/usb.network"
# Loaded by name: udev's search for devices is the slowest part of a boot on an emulated processor (see machine.py).
printf '%s\n' "${root_modules[@]}" >"$root/etc/modules-load.d/twind.conf"
ln -s /lib/systemd/system/systemd-networkd.service "$root/etc/systemd/system/multi-user.target.wants/"
for unit in systemd-networkd-wait-online.service systemd-random-seed.service systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount \
    dev-mqueue.mount systemd-timesyncd.service getty@tty1.service serial-getty@ttyS1.service apt-daily.timer apt-daily-upgrade.timer \
    dpkg-db-backup.timer fstrim.timer e2scrub_all.timer e2scrub_reap.service systemd-pstore.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

# The generators are not needed, and each reload of the units would run them all. The one that stays handles `systemd.mask=`.
mkdir -p "$root/etc/systemd/system-generators"
for generator in "$root"/lib/systemd/system-generators/*; do
    [ "${generator##*/}" = systemd-debug-generator ] || ln -s /dev/null "$root/etc/systemd/system-generators/${generator##*/}"
done

# QEMU needs a card whose size is a power of two.
truncate -s 512M "$image/sd.img"
mke2fs -q -t ext4 -d "$root" "$image/sd.img"
touch "$image/complete"
say "$image"
