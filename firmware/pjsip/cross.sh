# shellcheck shell=bash disable=SC2034  # build.sh, which sources it, uses what it sets
# Building for another machine than this one: build.sh with TARGET="arm64 trixie". This machine's cross compiler works
# on the headers and libraries of the target's own release (sysroot.sh), and what comes out is tried on an emulated
# processor, with the target's own Python.

readonly CROSS_PACKAGES=(build-essential pkg-config patch xz-utils python3-venv debian-archive-keyring mmdebstrap
    gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user-static)

TRIPLET='' CROSS_CONFIGURE=() PYTHON_OF_TARGET=() RUN=() HEADERS=''

is_cross() { [[ "$ARCH $SUITE" != "$(dpkg --print-architecture) $(release)" ]]; }

# The place of a release in their order; nothing for one that is not known here.
place() { case $1 in bookworm) echo 12 ;; trixie) echo 13 ;; esac; }

check_target() {
    is_cross || return 0
    [[ $ARCH == arm64 ]] || die "cannot build for '$ARCH' on this machine: there is arm64"
    [[ -n $(place "$SUITE") ]] || die "cannot build for '$SUITE': there are bookworm and trixie"
    # What a newer compiler makes wants the newer libraries that come with it.
    (($(place "$(release)") <= $(place "$SUITE"))) || die "$(release) is newer than $SUITE: its compiler makes nothing that runs there" \
        "Build on Debian $(place "$SUITE") or older, or on the Pi itself: sudo ./setup.sh wheel"
}

# Has everything that follows compile for the target.
enter_cross() {
    local root python options
    step "libraries of $SUITE for $ARCH"
    root=$(INTERCOM_CACHE=$CACHE "$HERE/sysroot.sh" "$ARCH" "$SUITE" 9>&-) || exit 1
    TRIPLET=aarch64-linux-gnu
    # Told where OpenSSL is, or PJSIP leaves it out whenever it is built for another machine.
    CROSS_CONFIGURE=(--host="$TRIPLET" --with-ssl="$root/usr")
    python=$(compgen -G "$root/usr/lib/python3.*/os.py" | sed 's:/os.py$::')
    # -L and -B: the target's C library, not the one that came with the cross compiler.
    options="--sysroot=$root -B$root/usr/lib/$TRIPLET -L$root/usr/lib/$TRIPLET"
    export CC="$TRIPLET-gcc $options" CXX="$TRIPLET-g++ $options" AR=$TRIPLET-ar RANLIB=$TRIPLET-ranlib LD=$TRIPLET-ld
    export PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_LIBDIR=$root/usr/lib/$TRIPLET/pkgconfig:$root/usr/share/pkgconfig
    # setuptools believes what the target's Python was made with, but for the headers: those it takes from this machine.
    HEADERS=$root/usr/include/${python##*/}
    mkdir "$WORK/python"
    cp "$python/_sysconfigdata__$TRIPLET.py" "$WORK/python/"
    PYTHON_OF_TARGET=(
        _PYTHON_HOST_PLATFORM=linux-aarch64 _PYTHON_SYSCONFIGDATA_NAME="_sysconfigdata__$TRIPLET" PYTHONPATH="$WORK/python"
        LDSHARED="$CC -shared" LDCXXSHARED="$CXX -shared"
    )
    # This processor, because the emulator's default one is twenty times as slow.
    RUN=(env QEMU_CPU=cortex-a72 qemu-aarch64-static -L "$root" "$root/usr/bin/${python##*/}")
}
