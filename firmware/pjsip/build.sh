#!/bin/bash
# Builds pjsua2, PJSIP's Python interface, as one abi3 wheel for this machine's architecture and
# Debian release, or another one's. Prints the path of the wheel on standard output and progress on standard error.
#
#   build.sh            build the wheel, or find the one built earlier
#   build.sh --key      print the name this recipe's wheel is kept under, and build nothing
#   build.sh --stored   find the one built earlier, or fail
#
# Environment:
#   TARGET              whom to build for, "arm64 trixie" for instance (default: this machine); see cross.sh
#   PJPROJECT_TARBALL   path of a pjproject source tarball, instead of fetching Debian's
#   PJPROJECT_UNKNOWN   "yes": build also from a source that this recipe does not know
#   SANITIZE            "yes": with AddressSanitizer and UBSan, for tests/bench/fuzz.py; a wheel of its own
#   INTERCOM_CACHE      where wheels are kept (root: /var/cache/intercom, others: ~/.cache/intercom)
#   JOBS                compilers at a time (default: one per processor, one alone below 1.5 GB)
#   PYTHON              the interpreter to build with (default: /usr/bin/python3)
#
# README.md beside this file tells why we build it ourselves and what each switch is for.
# shellcheck disable=SC2016  # $(NAME) in single quotes is apt's and make's own language
set -euo pipefail

readonly OLDEST=2.17               # the oldest pjproject that our patches and the daemon fit
readonly LOCAL_VERSION=intercom4   # the part of the wheel's version that is ours
# The sources that this recipe was tried with, whatever their files are called: SHA-256, and the day that pjproject
# released it. A new one is a commit here: it makes a new wheel for every door, at its next upgrade.
readonly KNOWN=(
    '6860c2f7604b4eee75f38151a9ef69774eb3f0c5286fc1d14bc1db2dc5a9e8aa 2026-04-22'   # 2.17, in Debian's asterisk 22.10.1
)
readonly PACKAGES=(build-essential pkg-config patch xz-utils python3-dev python3-venv
    libopus-dev libssl-dev libsrtp2-dev libspeexdsp-dev uuid-dev)

readonly PARTS=(pjlib pjlib-util pjnath pjmedia pjsip)     # the libraries that pjproject consists of

# Functions that the engine calls with ctypes. Nothing in pjsua2 itself may need one of them, so
# the linker is told to take each from its archive.
readonly KEEP=(pjsua_set_no_snd_dev pjsua_get_pjsip_endpt pjsua_conf_connect pjsua_conf_disconnect
    pjmedia_port_get_frame pjmedia_port_put_frame pjmedia_jbuf_get_state
    pjsua_pool_create pj_pool_alloc pj_pool_release pj_gethostname pj_log_set_level pjsua_im_send pjsua_dump
    pjsip_resolver_create pjsip_resolve pjsip_endpt_set_ext_resolver
    pjsip_endpt_get_timer_heap pj_timer_heap_earliest_time pj_timer_heap_count
    pjsip_endpt_register_module pjsip_endpt_unregister_module pjsip_tsx_layer_get_tsx_count
    pjsip_ua_get_dlg_set_count pjsip_endpt_respond_stateless pjsip_endpt_create_request
    pjsip_endpt_send_request pjsip_endpt_send_request_stateless pjsip_msg_find_hdr_by_name)

# -DNDEBUG: a failed assertion would abort the whole engine in the middle of a visit.
# The rest is what Debian compiles its own network daemons with.
readonly OPTIMISE="-O2 -g0 -fPIC -DNDEBUG -fstack-protector-strong -D_FORTIFY_SOURCE=2"
readonly CONFIGURE=(
    --enable-epoll                  # one descriptor for the engine's loop to wait on
    --with-external-srtp            # Debian's libsrtp2: Debian's source carries no copy
    --enable-speex-resample         # the only resampler left in Debian's source
    --disable-sound                 # the card belongs to our own clock (PyAudio)
    --disable-speex-aec             # echo is cancelled on that clock too, by AEC3 in pywebrtc-audio
    --disable-libwebrtc
    --disable-video --disable-sdl --disable-ffmpeg --disable-v4l2
    --disable-openh264 --disable-vpx --disable-libyuv
    --disable-speex-codec --disable-gsm-codec --disable-ilbc-codec --disable-g7221-codec
    --disable-l16-codec --disable-silk --disable-bcg729 --disable-opencore-amr --disable-lyra
    --disable-upnp
)

# The same with what finds faults in memory, for tests: every block that PJSIP's pools hand out is one of malloc's.
# Left out: addresses that are not aligned, which the processors of a door read as well.
readonly SANITIZERS="-fsanitize=address,undefined -fno-sanitize=alignment,nonnull-attribute,vptr"
readonly OBSERVE="-O1 -g -fPIC -fno-omit-frame-pointer -DNDEBUG -DPJ_POOL_DEBUG=1 $SANITIZERS"

HERE=$(dirname "$(readlink -f "$0")")
PYTHON=${PYTHON:-/usr/bin/python3}
[[ -x $PYTHON ]] || PYTHON=python3
if [[ -n ${INTERCOM_CACHE:-} ]]; then CACHE=$INTERCOM_CACHE
elif ((EUID == 0)); then CACHE=/var/cache/intercom
else CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/intercom; fi
LOG=$CACHE/logs/pjsua2-build.log
WORK='' SWAP=''
readonly WRAPPER_MB=550     # what the compiler takes for the wrapper, measured, and a little more

step() { printf 'pjsua2 [%3d s] %s\n' "$SECONDS" "$*" >&2; }
die() { printf 'pjsua2: %s\n' "$1" >&2; shift; (($# == 0)) || printf '        %s\n' "$@" >&2; exit 1; }

# Runs a command with its output in the log; on failure shows the log's end.
logged() {
    local what=$1
    shift
    printf '\n=== %s: %s\n' "$what" "$*" >>"$LOG"
    "$@" >>"$LOG" 2>&1 || log_tail "$what"
}

log_tail() {
    printf 'pjsua2: %s failed. The last lines of %s:\n' "$1" "$LOG" >&2
    tail -n 20 "$LOG" | sed 's/^/    /' >&2
    exit 1
}

is_sanitized() { [[ ${SANITIZE:-} == yes ]]; }

release() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }
read -r ARCH SUITE <<<"${TARGET:-$(dpkg --print-architecture) $(release)}"
# shellcheck source=firmware/pjsip/cross.sh
. "$HERE/cross.sh"

key() {
    {
        (cd "$HERE" && sha256sum build.sh cross.sh sysroot.sh config_site.h door.i gate.c media.c sdp.c short.c requirements.lock patches/*.patch)
        ! is_sanitized || echo sanitized
        echo "$SUITE"
        echo "$ARCH"
    } | sha256sum | cut -c1-16
}

check_tools() {
    local missing=() package packages=("${PACKAGES[@]}")
    ! is_cross || packages=("${CROSS_PACKAGES[@]}")
    for package in "${packages[@]}"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    ((${#missing[@]} == 0)) || die "cannot build: Debian packages are missing. As root:" \
        "apt-get install --no-install-recommends ${missing[*]}"
}

# The Debian mirrors of this machine, best guess first, one a line.
mirrors() {
    local name wanted='Created-By: Packages'
    name=$(release)
    {
        apt-get indextargets --format '$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)' "$wanted" |
            awk -F'|' -v c="$name" '$1 == "Debian" && $2 == c && $3 == "main" { print $4 }'
        # No index was ever downloaded (a fresh image): the sources alone, without their Release files.
        apt-get indextargets --no-release-info --format '$(RELEASE)|$(COMPONENT)|$(REPO_URI)' "$wanted" |
            awk -F'|' -v c="$name" '($1 == c || $1 ~ /^(old)*stable$|^testing$/) && $2 == "main" { print $3 }'
    } 2>/dev/null | awk '!seen[$0]++'
}

# known HASH: prints the day of a source that this recipe knows.
known() {
    local one
    for one in "${KNOWN[@]}"; do
        if [[ ${one% *} == "$1" ]]; then echo "${one#* }"; return; fi
    done
    return 1
}

# Fetches pjproject from Debian's signed archive to $WORK/pjproject.tar.xz, or takes the one fetched before. apt does
# the checking: it verifies the archive's signature and, through it, the checksum of the one file we take. Its lists and
# sources are our own: the machine's stay as they are. Where sid has moved on, testing may have one that is known.
fetch() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg apt=$WORK/apt mirror suite line found='' one
    for one in "${KNOWN[@]}"; do
        one=${one% *}
        [[ $(sha256sum 2>/dev/null <"$CACHE/sources/$one.tar.xz" | cut -d' ' -f1) == "$one" ]] 2>/dev/null || continue
        step "source: fetched before"
        cp "$CACHE/sources/$one.tar.xz" "$WORK/pjproject.tar.xz"
        ORIGIN="fetched before SHA256:$one"
        return
    done
    [[ -e $keyring ]] || keyring=${keyring%.gpg}.pgp
    [[ -e $keyring ]] || die "Debian's archive keyring is missing. As root: apt-get install debian-archive-keyring"
    mkdir -p "$apt"/{lists/partial,cache/archives/partial,parts,file}
    if ((EUID == 0)) && id _apt >/dev/null 2>&1; then chown _apt "$apt/file"; fi
    cat >"$apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/parts";
Dir::State::Lists "$apt/lists";
Dir::Cache "$apt/cache";
CONF
    while read -r mirror; do
        step "source: Debian's archive (asterisk in sid carries pjproject)"
        for suite in sid testing; do
            printf '\n=== source: %s at %s\n' "$suite" "$mirror" >>"$LOG"
            echo "deb-src [signed-by=$keyring] $mirror $suite main" >"$apt/sources.list"
            APT_CONFIG=$apt/apt.conf apt-get -qq -o Acquire::Retries=3 update >>"$LOG" 2>&1 || continue
            line=$(APT_CONFIG=$apt/apt.conf apt-get source --print-uris --only-source asterisk 2>>"$LOG" |
                grep 'orig-Xpjproject\.tar' || true)
            [[ -n $line ]] || { echo 'no orig-Xpjproject component there' >>"$LOG"; continue; }
            # One that is known, wherever it is; else the newest, to say what there is.
            line=${line//\'/}
            if known "${line##*SHA256:}" >/dev/null; then found=$line; break 2; fi
            found=${found:-$line}
        done
    done < <(mirrors)
    [[ -n $found ]] || die "no pjproject source: none of this machine's apt mirrors gave Debian's sid." \
        "Is the network there? Does 'apt-get update' work? Details: $LOG" \
        "Or hand in a tarball: PJPROJECT_TARBALL=/path/to/pjproject.tar.xz $0"
    local uri name size hash
    read -r uri name size hash <<<"$found"
    must_know "${hash#SHA256:}" "Debian's archive has $name"
    logged "download of $name ($size bytes)" env APT_CONFIG="$apt/apt.conf" /usr/lib/apt/apt-helper \
        -o Acquire::Retries=3 download-file "$uri" "$apt/file/$name" "$hash"
    mv "$apt/file/$name" "$WORK/pjproject.tar.xz"
    ORIGIN="$name $hash"
    # The next build may want it when Debian has it no more.
    mkdir -p "$CACHE/sources"
    cp "$WORK/pjproject.tar.xz" "$CACHE/sources/${hash#SHA256:}.tar.xz"
}

# must_know HASH WHAT: the end, where a source is none that this recipe was tried with.
must_know() {
    local hash=$1
    ! known "$hash" >/dev/null || return 0
    if [[ ${PJPROJECT_UNKNOWN:-} == yes ]]; then
        step "note: nobody has tried this source (PJPROJECT_UNKNOWN=yes): SHA256:$hash"
        return
    fi
    die "$2, which this version of the intercom was not tried with." \
        "A newer version may know it: update this checkout, and try again." \
        "Or hand in the file that is known, SHA-256 ${KNOWN[0]% *}:" \
        "PJPROJECT_TARBALL=FILE, from $CACHE/sources/ of a machine that has built it, or from Debian's snapshot archive." \
        "Or build from this one all the same: PJPROJECT_UNKNOWN=yes (SHA-256 $hash)"
}

unpack() {
    if [[ -n ${PJPROJECT_TARBALL:-} ]]; then
        [[ -r $PJPROJECT_TARBALL ]] || die "PJPROJECT_TARBALL=$PJPROJECT_TARBALL cannot be read"
        step "source: $PJPROJECT_TARBALL (handed in: nobody checked its signature)"
        ORIGIN=$(tarball_origin)
        must_know "${ORIGIN##*SHA256:}" "PJPROJECT_TARBALL=$PJPROJECT_TARBALL is a source"
        cp "$PJPROJECT_TARBALL" "$WORK/pjproject.tar.xz"
    else
        fetch
    fi
    RELEASED=$(known "${ORIGIN##*SHA256:}" || true)
    mkdir "$WORK/tree"
    logged unpacking tar -xf "$WORK/pjproject.tar.xz" -C "$WORK/tree" --strip-components=1
    [[ -r $WORK/tree/version.mak ]] || die "the source holds no version.mak: is it pjproject?"
    VERSION=$(printf 'include version.mak\nall:\n\t@echo $(PJ_VERSION)\n' | make -s -C "$WORK/tree" -f - all)
    if dpkg --compare-versions "$VERSION" lt "$OLDEST"; then
        die "pjproject $VERSION is too old: $OLDEST or newer is needed (older ones have known security holes)"
    elif [[ $VERSION != "$OLDEST" ]]; then
        step "note: pjproject $VERSION is newer than $OLDEST, which this recipe was made with"
    fi
}

tarball_origin() { printf '%s SHA256:%s' "${PJPROJECT_TARBALL##*/}" "$(sha256sum <"$PJPROJECT_TARBALL" | cut -d' ' -f1)"; }

patch_tree() {
    local file
    cp "$HERE/config_site.h" pjlib/include/pj/config_site.h
    for file in "$HERE"/patches/*.patch; do
        if patch -p1 -R -f -s --dry-run <"$file" >/dev/null 2>&1; then
            step "note: ${file##*/} is already in this source"
        else
            logged "${file##*/}" patch -p1 -N --no-backup-if-mismatch -i "$file"
        fi
    done
}

need() { # FILE LINE WHAT PACKAGE
    grep -Eq "^$2\$" "$1" || die "configure found no $3 (wanted '$2' in $1)." "Is $4 installed? Details: $LOG"
}

configure() {
    # The package architecture, not the kernel's: a 32-bit system may run on a 64-bit kernel.
    local machine
    machine=$(dpkg-architecture -qDEB_BUILD_GNU_TYPE)
    step "configure (pjproject $VERSION, ${TRIPLET:-$machine})"
    local flags=$OPTIMISE
    ! is_sanitized || flags=$OBSERVE
    logged configure ./configure --build="$machine" "${CROSS_CONFIGURE[@]}" "${CONFIGURE[@]}" \
        CFLAGS="$flags" CXXFLAGS="$flags" LIBS=-lspeexdsp
    need pjmedia/include/pjmedia-codec/config_auto.h '#define PJMEDIA_HAS_OPUS_CODEC 1' Opus libopus-dev
    need pjlib/include/pj/compat/os_auto.h '#define PJ_HAS_SSL_SOCK 1' TLS libssl-dev
    need pjlib/include/pj/compat/os_auto.h '#define PJ_SSL_SOCK_IMP PJ_SSL_SOCK_IMP_OPENSSL' OpenSSL libssl-dev
    need pjlib/include/pj/compat/os_auto.h '#define PJ_IOQUEUE_IMP PJ_IOQUEUE_IMP_EPOLL' epoll linux-libc-dev
    need build.mak 'APP_THIRD_PARTY_EXT \+= -lsrtp2' SRTP libsrtp2-dev
}

jobs_wanted() {
    local kilobytes
    kilobytes=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
    if ((kilobytes < 1500000)); then echo 1; else nproc; fi
}

# Runs make, and tells from the object files how far it is.
compile() {
    local part all pid have said=-1 jobs=${JOBS:-$(jobs_wanted)}
    for part in "${PARTS[@]}" third_party; do mkdir -p "$part/lib"; done
    # The rule stands for the archives that a part needs and that are not there yet.
    all=$(for part in "${PARTS[@]}" third_party; do make -nk --eval='%.a: ;' -C "$part/build" lib 2>/dev/null; done |
        grep -Ec -e '-c -o [^ ]+\.o' || true)
    step "compile: $all files, $jobs at a time"
    printf '\n=== make\n' >>"$LOG"
    make -j"$jobs" lib >>"$LOG" 2>&1 9>&- &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 1
        have=$(find . -name '*.o' | wc -l)
        if [[ -t 2 ]]; then
            printf '\rpjsua2 [%3d s] compile: %d of %d ' "$SECONDS" "$have" "$all" >&2
        elif ((have * 4 / (all + 1) > said)); then
            said=$((have * 4 / (all + 1)))
            step "compile: $have of $all"
        fi
    done
    [[ ! -t 2 ]] || printf '\n' >&2
    wait "$pid" || log_tail compile
}

make_wheel() {
    local top=$WORK/tree python=$WORK/venv/bin/python part includes=()
    step "tools: $(sed -n 's/^\([a-z]*==[^ ]*\).*/\1/p' "$HERE/requirements.lock" | tr '\n' ' ')"
    logged venv "$PYTHON" -m venv "$WORK/venv"
    # Each file has to be one that the lock knows: what these write becomes a part of the parser.
    logged 'pip (build tools)' "$python" -m pip install --disable-pip-version-check \
        --only-binary :all: --require-hashes -r "$HERE/requirements.lock"
    mkdir "$WORK/wheel"
    cd "$WORK/wheel"
    for part in "${PARTS[@]}"; do includes+=("-I$top/$part/include"); done
    step "wrapper: swig"
    # -threads: let go of Python's lock in every call. No -doxygen: it doubles pjsua2.py.
    logged swig "$WORK/venv/bin/swig" -c++ -w312 -threads -python "${includes[@]}" \
        "-I$top/pjsip-apps/src/swig" -outdir . -o pjsua2_wrap.cpp "$HERE/door.i"
    cp "$HERE"/{gate,media,sdp,short}.c .
    printf '"""Which PJSIP this is."""\n\nSOURCE = "%s"\nRELEASED = "%s"\nPATCHES = %d\n' \
        "${ORIGIN##*SHA256:}" "$RELEASED" "$(find "$HERE/patches" -name '*.patch' | wc -l)" >pjsua2_about.py
    local observed='' sources='"pjsua2_wrap.cpp", "gate.c", "media.c", "sdp.c", "short.c"'
    if is_sanitized; then
        observed=$SANITIZERS sources+=', "pools.c"'
        # What are macros there are functions to ctypes.
        cat >pools.c <<'C'
#include <pjlib.h>
#undef pj_pool_alloc
#undef pj_pool_release
void *pj_pool_alloc(pj_pool_t *pool, pj_size_t size) { return pj_pool_alloc_imp("", 0, pool, 0, size); }
void pj_pool_release(pj_pool_t *pool) { pj_pool_release_imp(pool); }
C
    fi
    flags() { make -s --no-print-directory -C "$top/pjsip-apps/src/swig/python" -f helper.mak "$1" | tr '\n' ' '; }
    cat >setup.py <<PY
from setuptools import Extension, setup

keep = "${KEEP[*]}".split()
setup(
    name="pjsua2",
    version="$VERSION+$LOCAL_VERSION",
    description="PJSIP's Python interface, built for the intercom",
    license="GPL-2.0-or-later",
    py_modules=["pjsua2", "pjsua2_about"],
    ext_modules=[
        Extension(
            "_pjsua2",
            [$sources],
            py_limited_api=True,
            include_dirs="$HEADERS".split(),
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            # -O1: the wrapper only passes arguments on, and -O2 takes twice the time to compile.
            extra_compile_args="""$(flags cflags)""".split() + ["-g0", "-O1"],
            extra_link_args=["-Wl,-u," + name for name in keep]
            + """$(flags ldflags)""".split()
            + ["-l" + name for name in """$(flags libs)""".split()]
            + ["-Wl,--as-needed", "-Wl,-z,relro,-z,now"]
            + ("$observed".split() or ["-s"]),
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
PY
    need_memory
    step "wheel: the wrapper is one big file and takes a while, much longer on a Pi"
    logged wheel env "${PYTHON_OF_TARGET[@]}" "$python" setup.py -q bdist_wheel
}

# A wheel that does not import, or lacks what the engine needs, is no wheel.
try_wheel() {
    step "try: import, start, codecs, exported functions${RUN:+, on an emulated processor}"
    logged 'unpacking the wheel' "$PYTHON" -m zipfile -e "$WORK"/wheel/dist/*.whl "$WORK/tried"
    cd /
    local runtime=()
    ! is_sanitized || runtime=(LD_PRELOAD="$(gcc -print-file-name=libasan.so)" ASAN_OPTIONS=detect_leaks=0)
    logged try env PYTHONPATH="$WORK/tried" "${runtime[@]}" "${RUN[@]:-$PYTHON}" - "${KEEP[@]}" <<'PY'
import ctypes
import sys

import _pjsua2
import pjsua2 as pj
import pjsua2_about

library = ctypes.CDLL(_pjsua2.__file__)
for name in [*sys.argv[1:], "pjmedia_srtp_init_lib", "pjmedia_transport_srtp_dtls_get_fingerprint", "gate_close", "media_open", "short_open", "sdp_speak"]:
    getattr(library, name)

config = pj.EpConfig()
config.uaConfig.threadCnt = 0
config.uaConfig.mainThreadOnly = True
config.logConfig.level = config.logConfig.consoleLevel = 1
endpoint = pj.Endpoint()
endpoint.libCreate()
endpoint.libInit(config)
endpoint.audDevManager().setNoDev()
endpoint.transportCreate(pj.PJSIP_TRANSPORT_TLS, pj.TransportConfig())
endpoint.libStart()
codecs = {info.codecId.rpartition("/")[0].lower() for info in endpoint.codecEnum2()}
endpoint.libDestroy()
del endpoint
print(pjsua2_about.RELEASED, sorted(codecs))
missing = {"opus/48000", "g722/16000", "pcma/8000", "pcmu/8000"} - codecs
if missing:
    sys.exit(f"codecs missing: {sorted(missing)}")
PY
}

# Compiling the wrapper, one big file, takes half a gigabyte: on a small Pi the kernel would end the compiler. Where memory is short, some of the disk serves as memory while it lasts.
need_memory() {
    local free
    free=$(awk '/^(MemAvailable|SwapFree):/ { kb += $2 } END { print int(kb / 1024) }' "${MEMINFO:-/proc/meminfo}")
    ((free < WRAPPER_MB)) || return 0
    step "memory: $free MB are free, the wrapper needs $WRAPPER_MB: lending it $WRAPPER_MB MB of the disk"
    SWAP=$WORK/swap
    if ! { fallocate -l "${WRAPPER_MB}M" "$SWAP" && chmod 600 "$SWAP" && mkswap "$SWAP" && swapon "$SWAP"; } >>"$LOG" 2>&1; then
        SWAP=
        die "too little memory to build pjsua2: $free MB free, $WRAPPER_MB MB needed" \
            "Build the wheel on a PC (./setup.sh wheel arm64), copy it here, and: PJSUA2_WHEEL=FILE sudo -E ./setup.sh install"
    fi
}

clean() {
    [[ -z $SWAP ]] || swapoff "$SWAP" || true
    [[ -z $WORK ]] || rm -rf "$WORK"
}

build() {
    WORK=$(mktemp -d "$CACHE/build.XXXXXX")
    trap clean EXIT
    chmod 755 "$WORK"
    : >"$LOG"
    check_tools
    unpack
    ! is_cross || enter_cross
    cd "$WORK/tree"
    patch_tree
    configure
    compile
    make_wheel
    try_wheel
    # Complete and tried: only now does it get the name that others look for.
    mkdir -p "$CACHE/wheels"
    printf '%s\n' "$ORIGIN" >"$WORK/wheel/dist/SOURCE"
    rm -rf "$STORE"
    mv -T "$WORK/wheel/dist" "$STORE"
    step "done: $(basename "$STORE"/*.whl)"
}

# A handed-in tarball counts only when the wheel was not made from that very file.
stored() {
    compgen -G "$STORE/*.whl" >/dev/null || return 1
    [[ -z ${PJPROJECT_TARBALL:-} || ! -r $PJPROJECT_TARBALL ]] || [[ $(tarball_origin) == "$(cat "$STORE/SOURCE")" ]]
}

case ${1:-} in
'' | --stored) ;;
--key) key; exit ;;
*) sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac

umask 022
check_target
STORE=$CACHE/wheels/$(key)
if ! stored; then
    [[ ${1:-} != --stored ]] || exit 1
    mkdir -p "$CACHE/logs" 2>/dev/null || die "cannot write to $CACHE: choose another folder with INTERCOM_CACHE="
    exec 9>"$CACHE/build.lock"
    if ! flock -n 9; then
        step "another build is running: waiting for it"
        flock 9
    fi
    # Under the lock no build is running, so these are the remains of killed ones.
    rm -rf "$CACHE"/build.??????
    stored || build
fi
printf 'SHA-256 %s\n' "$(cat "$STORE"/*.whl | sha256sum | cut -d' ' -f1)" >&2
echo "$STORE"/*.whl
