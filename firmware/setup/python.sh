# shellcheck shell=bash
# pjsua2, and the environments in which the intercom and its tests run. Nothing here compiles but pjsua2 itself: the
# rest comes ready-made, from PyPI or, where PyPI has only sources, from Debian.

# Modules that Debian compiled for its own Python: package, and the name that is imported.
DEBIAN_MODULES=(python3-pyaudio:pyaudio python3-systemd:systemd)

interpreter() { if [[ -x /usr/bin/python3 ]]; then echo /usr/bin/python3; else command -v python3; fi; }

readonly DEBIAN_MODULES
readonly PYTHON_PACKAGES=("${DEBIAN_MODULES[@]%%:*}")

build_wheel() {
    [[ ! -d $CACHE ]] || [[ -w $CACHE ]] || die "cannot write to $CACHE"
    INTERCOM_CACHE=$CACHE PYTHON=$(interpreter) "$ROOT/firmware/pjsip/build.sh" "$@"
}

# make_wheel [ARCHITECTURE [RELEASE]]: for this machine, or on a PC for a Pi.
make_wheel() {
    (($# <= 2)) || { usage >&2; exit 2; }
    (($# > 0)) || { build_wheel; return; }
    local release=${2:-$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)}
    export TARGET="$1 $release"
    build_wheel --stored && return
    # As another user the packages have to be there: build.sh says which are not.
    ((EUID != 0)) || install_packages "${BUILD_PACKAGES[@]}" "${CROSS_PACKAGES[@]}"
    build_wheel
}

# Sets WHEEL to pjsua2: the one handed in, the one built before, or a new one, for which compilers are needed.
get_wheel() {
    if [[ -n ${PJSUA2_WHEEL:-} ]]; then
        [[ -r $PJSUA2_WHEEL ]] || die "there is no wheel $PJSUA2_WHEEL"
        WHEEL=$(readlink -f "$PJSUA2_WHEEL")
        check_wheel
        return
    fi
    if ! WHEEL=$(build_wheel --stored); then
        install_packages "${BUILD_PACKAGES[@]}"
        say "pjsua2 is built here, once: three minutes on a PC, much longer on a Pi (PJSUA2_WHEEL=FILE brings one along)"
        WHEEL=$(with_clock "pjsua2 is being built" build_wheel)
    fi
}

# A wheel that was brought along is the one that was meant: `wheel` prints its SHA-256 on the machine that built it.
check_wheel() {
    local sum
    [[ -n ${PJSUA2_WHEEL_SHA256:-} ]] || return 0
    sum=$(sha256sum <"$WHEEL" | cut -d' ' -f1)
    [[ $sum == "${PJSUA2_WHEEL_SHA256,,}" ]] || die "$WHEEL is another wheel: its SHA-256 is $sum" \
        "PJSUA2_WHEEL_SHA256 says ${PJSUA2_WHEEL_SHA256,,}. Copy it once more, and compare it where it was built."
}

# environment_key WHEEL REQUIREMENTS...: tells what is inside.
environment_key() {
    local wheel=$1
    shift
    { cat "$@"; declare -f fill_environment link_module; "$(interpreter)" -VV; sha256sum <"$wheel"; } | sha256sum | cut -c1-16
}

# fill_environment FOLDER WHEEL REQUIREMENTS...
fill_environment() {
    local folder=$1 wheel=$2 requirements=() file module
    shift 2
    for file in "$@"; do requirements+=(-r "$file"); done
    "$(interpreter)" -m venv --clear "$folder"
    local pip=("$folder/bin/python" -m pip --disable-pip-version-check)
    # Each file has to be one of those that the lock knows, whatever a mirror on the way hands out.
    logged pip "${pip[@]}" install --only-binary :all: --require-hashes "${requirements[@]}" || return 1
    logged pip "${pip[@]}" install --no-index --no-deps "$wheel" || return 1
    for module in "${DEBIAN_MODULES[@]}"; do link_module "$folder" "${module##*:}" || return 1; done
}

# link_module FOLDER NAME: have an environment import what Debian installed, and nothing else of it.
link_module() {
    local file
    file=$("$(interpreter)" -c 'import importlib.util, sys; print(importlib.util.find_spec(sys.argv[1]).origin)' "$2") || return 1
    file=${file%/__init__.py}
    ln -sfn "$file" "$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/${file##*/}"
}

environment_failed() {
    grep -E '^ *(error|ERROR|fatal)' "$CACHE/logs/pip.log" | tail -n 8 | sed 's/^/    /' >&2 || true
    die "the Python packages could not be installed" "All that pip said: $CACHE/logs/pip.log" \
        "A system of 32 bits, or a Python that is not 3.11 to 3.13, finds no ready-made ones."
}

# What requirements.txt names, with all that it draws in and the hashes of all files, for every system we run on.
make_locks() {
    (($# == 0)) || { usage >&2; exit 2; }
    prepare_lab
    compile_lock .
    compile_lock ../tests --constraints requirements.lock
    compile_lock pjsip
}

# compile_lock FOLDER OPTIONS...: from firmware/. What is locked already stays as it is, as long as it fits.
compile_lock() {
    local folder=$1
    shift
    (cd "$ROOT/firmware" && "$VENV/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --custom-compile-command './setup.sh lock' "$folder/requirements.txt" "$@" \
        -o "$folder/requirements.lock" >/dev/null) || die "the packages could not be locked"
    say "$(realpath --relative-to="$ROOT" "$ROOT/firmware/$folder/requirements.lock"): $(grep -c '==' "$ROOT/firmware/$folder/requirements.lock") packages"
}
