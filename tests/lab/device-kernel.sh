#!/bin/bash
# Debian's kernel for arm64, and the modules that a door's machine needs, unpacked: device-kernel.sh RELEASE MIRROR FOLDER
# It has no simulated GPIO chip, so gpio-sim is compiled out of its own source (device-image.sh tells what becomes of
# it). FOLDER gets vmlinuz, release (the kernel's) and modules/.
set -euo pipefail

HERE=$(dirname "$(readlink -f "$0")")
readonly SUITE=$1 MIRROR=$2 OUT=$3
readonly WANTED=(virtio_pci virtio_mmio virtio_blk virtio_net virtio_rng ext4 overlay configfs snd-aloop snd-usb-audio xhci-pci)
# shellcheck source=tests/lab/device-packages.sh
. "$HERE/device-packages.sh"
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

apt_for "$WORK/arm64" arm64 "$SUITE" "$MIRROR"
apt_for "$WORK/native" "$(dpkg --print-architecture)" "$SUITE" "$MIRROR"
depends() { APT_CONFIG=$WORK/arm64/apt.conf apt-cache depends "$1" | sed -n 's/^  Depends: //p'; }
image=$(depends linux-image-arm64 | grep -m 1 '^linux-image-')
release=${image#linux-image-}
version=$(APT_CONFIG=$WORK/arm64/apt.conf apt-cache show "$image" | sed -n 's/^Version: //p' | head -n 1)
headers=linux-headers-$release
mapfile -t parts < <(depends "$headers" | grep '^linux-headers-')
kbuild=$(depends "$headers" | grep -m 1 '^linux-kbuild-')
source=$(depends linux-source | grep -m 1 '^linux-source-')

fetch_debs "$WORK/arm64/apt.conf" "$WORK/debs" "$image" "$headers" "${parts[@]}" "$source=$version"
fetch_debs "$WORK/native/apt.conf" "$WORK/debs" "$kbuild"    # compiled for this machine: it runs here
mkdir -p "$WORK/kernel" "$WORK/code" "$OUT"
mv "$WORK/debs/$source"_* "$WORK/source.deb"
unpack_debs "$WORK/debs" "$WORK/kernel"

# Three files of a big archive: tar ends when it has them, and what feeds it then ends with SIGPIPE.
{ dpkg-deb --fsys-tarfile "$WORK/source.deb" | tar -xO "./usr/src/$source.tar.xz" | xz -dc -T0; } 2>/dev/null |
    tar -x --occurrence=1 -C "$WORK/code" --strip-components=1 --wildcards \
        '*/drivers/gpio/gpio-sim.c' '*/drivers/gpio/gpiolib.h' '*/kernel/irq/irq_sim.c' || true
mkdir "$WORK/modules"
cp "$WORK"/code/drivers/gpio/* "$WORK/modules/"
# The kernel has this part built in or not at all; as a module it cannot look an interrupt up by itself, and asks.
sed -e 's/handle_simple_irq(irq_to_desc(irqnum));/generic_handle_domain_irq(work_ctx->domain, offset);/' \
    -e '/irqnum = irq_find_mapping/d' -e '/^[[:space:]]*int irqnum;/d' \
    -e 's/^#include <linux\/slab.h>/&\n#include <linux\/module.h>/' "$WORK/code/kernel/irq/irq_sim.c" >"$WORK/modules/irq-sim.c"
echo 'MODULE_DESCRIPTION("Simulated interrupts"); MODULE_LICENSE("GPL");' >>"$WORK/modules/irq-sim.c"
echo 'obj-m := irq-sim.o gpio-sim.o' >"$WORK/modules/Makefile"
sed -i "s:/usr/src/:$WORK/kernel&:" "$WORK/kernel/usr/src/$headers/Makefile"
make -s -C "$WORK/kernel/usr/src/$headers" M="$WORK/modules" ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- \
    CC=aarch64-linux-gnu-gcc modules
aarch64-linux-gnu-strip --strip-debug "$WORK"/modules/*.ko

# Only what is wanted, and what that needs, uncompressed: the emulated processor is slow.
here=$WORK/kernel/lib/modules/$release
[[ -d $here ]] || here=$WORK/kernel/usr/lib/modules/$release
there=$OUT/modules/$release
mkdir -p "$there/extra" "$WORK/top/lib/modules"
ln -s "$here" "$WORK/top/lib/modules/$release"
mkdir -p "$here/extra"
cp "$WORK"/modules/*.ko "$here/extra/"
/sbin/depmod -b "$WORK/top" "$release"
for module in "${WANTED[@]}" gpio-sim; do
    /sbin/modprobe -d "$WORK/top" -S "$release" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++' | while read -r file; do
    relative=${file#*"/modules/$release/"}
    mkdir -p "$there/$(dirname "$relative")"
    case $file in *.xz) xz -dc "$file" >"$there/${relative%.xz}" ;; *) cp "$file" "$there/$relative" ;; esac
done
cp "$here"/modules.{order,builtin,builtin.modinfo} "$there/"
cp "$WORK"/kernel/boot/vmlinuz-* "$OUT/vmlinuz"
echo "$release" >"$OUT/release"
