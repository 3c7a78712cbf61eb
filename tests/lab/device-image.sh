#!/bin/bash
# Makes the machine of tests/device, an arm64 computer that QEMU emulates, and prints the folder it is in:
#   root.ext4        this machine's own release of Debian, with what a door needs of it, but no door
#   vmlinuz, initrd, device.dtb
#   key              whom its root lets in by ssh
# No program of the other architecture runs for it: the tree is made for this machine's, and then every package of it
# is unpacked once more, from the other one's. It is kept in the cache under its recipe's key.
#
#   INTERCOM_CACHE   where it is kept (root: /var/cache/intercom)
#
# Exit status: 0 made or found, 75 this machine cannot make it (its tests are left out then), 1 else.
set -euo pipefail

HERE=$(dirname "$(readlink -f "$0")")
CACHE=${INTERCOM_CACHE:-/var/cache/intercom}
SUITE=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
LOG=$CACHE/logs/device.log
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -e $KEYRING ]] || KEYRING=${KEYRING%.gpg}.pgp
# The last line is what ./setup.sh install would fetch: done here, as apt is slow on an emulated processor.
readonly PACKAGES=(
    systemd-sysv udev kmod dbus iproute2 procps login passwd ca-certificates
    openssh-server                  # how the tests get in
    alsa-utils                      # who speaks and listens at the far end of the loopback card
    busybox-static                  # the first steps, before the disk is there
    python3 python3-venv python3-pyaudio python3-systemd libopus0 libsrtp2-1 libspeexdsp1
)
# Units and generators that a door does not need, and that are slow there.
readonly NEEDLESS=(apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service
    fstrim.timer systemd-networkd-wait-online.service systemd-hwdb-update.service getty@tty1.service ldconfig.service
    alsa-restore.service alsa-state.service systemd-journal-catalog-update.service systemd-update-done.service
    systemd-random-seed.service systemd-pstore.service dev-hugepages.mount modprobe@efi_pstore.service
    modprobe@drm.service modprobe@fuse.service serial-getty@ttyAMA0.service)
readonly GENERATORS=(debug gpt-auto hibernate-resume rc-local run system-update sysv bless-boot cryptsetup integritysetup veritysetup)
# What is emulated; lab/emulator.py says the same.
readonly MACHINE='virt,gic-version=3'
readonly BOARD=(-cpu cortex-a72 -smp 1 -m 512)
# shellcheck source=tests/lab/device-packages.sh
. "$HERE/device-packages.sh"

say() { printf '==> %s\n' "$*" >&2; }

key() { { cat "$HERE"/device-*.sh; (cd "$HERE/device" && find . -type f -exec sha256sum {} + | LC_ALL=C sort -k 2); echo "$SUITE"; } | sha256sum | cut -c1-16; }

tree() {
    local mirror=$1 native=$WORK/native root=$WORK/root include
    include=$(IFS=,; echo "${PACKAGES[*]}")
    mmdebstrap --quiet --mode=root --variant=apt --keyring="$KEYRING" --include="$include" \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Retries "3"' \
        --aptopt='APT::Install-Recommends "false"' --dpkgopt='force-unsafe-io' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
        "$SUITE" "$native" "deb [signed-by=$KEYRING] $mirror $SUITE main"
    apt_for "$WORK/apt" arm64 "$SUITE" "$mirror"
    mapfile -t packages < <(awk -v RS= '/\nStatus: install ok installed/ { print $2 }' "$native/var/lib/dpkg/status")
    fetch_debs "$WORK/apt/apt.conf" "$WORK/debs" "${packages[@]}"
    mv "$native" "$root"
    rm -rf "$root/usr/lib/$(uname -m)-linux-gnu" "$root/usr/lib64" "${root:?}/lib64" "$root/etc/ld.so.cache" \
        "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    unpack_debs "$WORK/debs" "$root"
    sed -i "s/^Architecture: $(dpkg --print-architecture)\$/Architecture: arm64/" "$root/var/lib/dpkg/status"
    echo arm64 >"$root/var/lib/dpkg/arch"
    for file in "$root/var/lib/dpkg/info"/*:"$(dpkg --print-architecture)".*; do
        mv "$file" "${file/:$(dpkg --print-architecture)./:arm64.}"
    done
}

settle() {
    local root=$WORK/root name
    cp -r "$HERE/device/etc" "$HERE/device/usr" "$root/"
    mkdir -p "$root/usr/lib/modules" "$root/etc/systemd/system-generators"
    cp -r "$WORK/kernel/modules/." "$root/usr/lib/modules/"
    /sbin/depmod -b "$root" "$(cat "$WORK/kernel/release")"
    ssh-keygen -q -t ed25519 -N '' -f "$WORK/out/key" -C device
    install -D -m 600 "$WORK/out/key.pub" "$root/root/.ssh/authorized_keys"
    chmod 700 "$root/root/.ssh"
    echo door >"$root/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 door\n' >"$root/etc/hosts"
    tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
    echo '/dev/vda / ext4 defaults,noatime 0 0' >"$root/etc/fstab"
    grep -q ^gpio: "$root/etc/group" || echo gpio:x:986: >>"$root/etc/group"
    # The journal outlives a power cut, as the tests do.
    mkdir -p "$root/var/log/journal" "$root/etc/systemd/journald.conf.d"
    printf '[Journal]\nStorage=persistent\nSyncIntervalSec=1s\nRateLimitIntervalSec=0\n' >"$root/etc/systemd/journald.conf.d/device.conf"
    for name in "${GENERATORS[@]}"; do ln -sf /dev/null "$root/etc/systemd/system-generators/systemd-$name-generator"; done
    for name in "${NEEDLESS[@]}"; do ln -sf /dev/null "$root/etc/systemd/system/$name"; done
    mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
    for name in gpio-sim device-ready; do
        ln -sf "/etc/systemd/system/$name.service" "$root/etc/systemd/system/multi-user.target.wants/"
    done
    ln -sf /dev/null "$root/etc/udev/rules.d/90-alsa-restore.rules"
    ln -sf multi-user.target "$root/usr/lib/systemd/system/default.target"
}

first_steps() {
    local steps=$WORK/initrd number=10 name file
    mkdir -p "$steps"/{bin,proc,sys,dev,root,modules}
    cp "$WORK/root/bin/busybox" "$steps/bin/busybox"
    ln -s busybox "$steps/bin/sh"
    cp "$HERE/device/init" "$steps/init"
    for name in virtio_pci virtio_mmio virtio_blk virtio_net ext4 overlay; do
        /sbin/modprobe -d "$WORK/root" -S "$(cat "$WORK/kernel/release")" --show-depends "$name" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | awk '!seen[$0]++' | while read -r file; do
        cp "$file" "$steps/modules/$number-${file##*/}"
        number=$((number + 1))
    done
    (cd "$steps" && find . | cpio -o -H newc --quiet | gzip -1) >"$WORK/out/initrd"
}

# What the board tells of itself: a Raspberry Pi's revision, for gpiozero, and no GPIO chip of the board's own.
board() {
    local tree=$WORK/out/device.dtb
    qemu-system-aarch64 -M "$MACHINE,dumpdtb=$tree" "${BOARD[@]}" -nodefaults -display none
    fdtput -r "$tree" /gpio-keys /pl061@9030000
    fdtput -c "$tree" /system
    fdtput -t x "$tree" /system linux,revision c03115
}

make() {
    local mirror
    WORK=$(mktemp -d "$CACHE/device.XXXXXX")
    trap 'rm -rf "$WORK"' EXIT
    mkdir "$WORK/out"
    mirror=$(mirrors | head -n 1)
    say "an arm64 machine for the device tests: Debian $SUITE and its kernel, two minutes"
    "$HERE/device-kernel.sh" "$SUITE" "$mirror" "$WORK/kernel"
    say "    its files"
    tree "$mirror"
    settle
    first_steps
    board
    cp "$WORK/kernel/vmlinuz" "$WORK/out/"
    /sbin/mke2fs -q -F -t ext4 -E lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0 -m 0 -L root -d "$WORK/root" "$WORK/out/root.ext4" 2G
    mv -T "$WORK/out" "$IMAGE"
}

lacking() {
    local name
    for name in qemu-system-aarch64 mmdebstrap aarch64-linux-gnu-gcc fdtput cpio; do command -v "$name" || echo "no $name"; done | sed -n 's/^no //p'
    [[ -c /dev/net/tun ]] || echo /dev/net/tun
    ((EUID == 0)) || echo root
}

missing=$(lacking | paste -sd ' ')
if [[ -n $missing ]]; then
    say "no arm64 machine for the device tests: this one lacks $missing"
    exit 75
fi
umask 022
IMAGE=$CACHE/device-$(key)
if [[ ! -d $IMAGE ]]; then
    mkdir -p "$CACHE/logs"
    exec 9>"$CACHE/device.lock"
    flock -n 9 || { say "another setup is making this machine: waiting for it"; flock 9; }
    # Under the lock nobody makes one, so these are the remains of those that were broken off.
    rm -rf "$CACHE"/device.??????
    if [[ ! -d $IMAGE ]]; then
        : >"$LOG"
        set +e
        (set -e; make) 2>&1 | tee -a "$LOG" | { grep --line-buffered '^==>' >&2; true; }
        status=${PIPESTATUS[0]}
        set -e
        if ((status)); then
            say "the arm64 machine for the device tests could not be made. The last lines of $LOG:"
            tail -n 8 "$LOG" | sed 's/^/    /' >&2
            exit 1
        fi
    fi
    find "$CACHE" -maxdepth 1 -name 'device-*' -type d ! -path "$IMAGE" -mtime +30 -exec rm -rf -- {} +
fi
touch "$IMAGE"
echo "$IMAGE"
