# shellcheck shell=bash
# The environment of the demo, the tests and the benchmarks.

# Sets VENV to it. The name tells what is inside, and the stamp tells that it is complete: an interrupted one is made
# anew.
lab_venv() {
    local requirements=("$ROOT/firmware/requirements.lock" "$ROOT/tests/requirements.lock")
    VENV=$CACHE/venv-$(environment_key "$WHEEL" "${requirements[@]}")
    if [[ ! -e $VENV/.complete ]]; then
        exec 9>"$CACHE/venv.lock"
        flock -n 9 || { say "another setup is running: waiting for it"; flock 9; }
    fi
    if [[ ! -e $VENV/.complete ]]; then
        say "Python packages: $VENV"
        : >"$CACHE/logs/pip.log"
        fill_environment "$VENV" "$WHEEL" "${requirements[@]}" || environment_failed
        touch "$VENV/.complete"
        # Environments of earlier versions that nobody used for a month.
        find "$CACHE" -maxdepth 2 -path '*/venv-*/.complete' -mtime +30 -printf '%h\0' | xargs -0 -r rm -rf --
    fi
    exec 9>&-
    touch "$VENV/.complete"
}

prepare_lab() {
    mkdir -p "$CACHE/logs"
    install_packages "${DOOR_PACKAGES[@]}" "${PYTHON_PACKAGES[@]}" "${LAB_PACKAGES[@]}" "$@"
    get_wheel
    lab_venv
}

# Runs a script of tests/ in the laboratory; does not come back.
enter_lab() {
    cd "$ROOT" || exit 1
    # Compiled Python and lgpio's notification pipe go to the cache: root leaves nothing in the checkout.
    # It has to be written, or every start that is measured would be a compiler's; the suite itself goes without.
    exec env -u PYTHONDONTWRITEBYTECODE PYTHONPATH="$ROOT/firmware:$ROOT/tests" \
        PYTHONPYCACHEPREFIX="$CACHE/pycache" LG_WD="$CACHE" \
        HYPOTHESIS_STORAGE_DIRECTORY="$CACHE/hypothesis" INTERCOM_TEST_TIMES="$CACHE/test-times.json" \
        PATH="$VENV/bin:$PATH" "$VENV/bin/python" "$@"
}

demo() {
    need_root demo "$@"
    prepare_lab
    enter_lab "$ROOT/tests/demo.py" "$@"
}

debian_tree() { INTERCOM_CACHE=$CACHE "$ROOT/tests/lab/debian-tree.sh" "$@" || (($? == 75)) || exit 1; }

browser_phone() {
    command -v npm >/dev/null || (install_packages npm >&2) || { say "there is no npm here: no browser's telephone"; return 0; }
    INTERCOM_CACHE=$CACHE "$ROOT/tests/lab/browser-phone.sh" || (($? == 75)) || exit 1
}

# Makes what tests/device runs on, unless the arguments name files of other tests alone: it takes minutes.
prepare_device() {
    local argument named=''
    for argument; do [[ $argument == -* || ! -e ${argument%%::*} ]] || named+=" $argument"; done
    [[ -z $named || $named == *tests/device* ]] || return 0
    install_packages "${BUILD_PACKAGES[@]}" "${CROSS_PACKAGES[@]}" "${DEVICE_PACKAGES[@]}"
    INTERCOM_DEVICE=$(INTERCOM_CACHE=$CACHE "$ROOT/tests/lab/device-image.sh") || (($? == 75)) || exit 1
    [[ -n $INTERCOM_DEVICE ]] || return 0
    INTERCOM_DEVICE_WHEEL=$(make_wheel arm64)
    INTERCOM_DEVICE_WHEELS=$(INTERCOM_CACHE=$CACHE "$ROOT/tests/lab/arm64-wheels.sh" "$VENV/bin/python")
    export INTERCOM_DEVICE INTERCOM_DEVICE_WHEEL INTERCOM_DEVICE_WHEELS
}

run_tests() {
    need_root test "$@"
    prepare_lab "${TEST_PACKAGES[@]}"
    prepare_device "$@"
    # Empty when no mirror has it: its tests are then left out, and say so.
    INTERCOM_ASTERISK=$(debian_tree asterisk)
    # INTERCOM_SUITE=trixie: the appliance tier with another release than this machine's.
    INTERCOM_BARE=$(debian_tree bare ${INTERCOM_SUITE:+"$INTERCOM_SUITE"})
    INTERCOM_CHAN_SIP=$(debian_tree chan_sip)
    INTERCOM_PEERS=$(debian_tree peers)
    INTERCOM_BROWSER_PHONE=$(browser_phone)
    export INTERCOM_ASTERISK INTERCOM_BARE INTERCOM_CHAN_SIP INTERCOM_PEERS INTERCOM_BROWSER_PHONE PJSUA2_WHEEL=$WHEEL
    enter_lab "$ROOT/tests/run.py" "$@"
}

run_bench() {
    local name=${1:-} known packages
    known=$(cd "$ROOT/tests/bench" 2>/dev/null && printf '%s\n' [a-z]*.py | sed 's/\.py$//') || known=none
    need_root bench "$@"
    [[ -n $name && -r $ROOT/tests/bench/$name.py ]] || die "there is no benchmark '$name'" "there is: ${known//$'\n'/, }"
    shift
    bench_packages() { :; }
    bench_prepare() { :; }
    # What a benchmark needs beside the laboratory stands in a file beside it.
    # shellcheck source=tests/bench/audio.sh
    if [[ -r $ROOT/tests/bench/$name.sh ]]; then . "$ROOT/tests/bench/$name.sh"; fi
    read -ra packages <<<"$(bench_packages)"
    prepare_lab "${packages[@]}"
    bench_prepare "$@"
    enter_lab "$ROOT/tests/bench/$name.py" "$@"
}
