# shellcheck shell=bash
# What `./setup.sh bench fuzz` needs: PJSIP built once more, to notice what goes wrong in memory.

bench_packages() { echo "${BUILD_PACKAGES[*]}"; }

bench_prepare() {
    [[ " $* " != *" --plain "* ]] || return 0
    INTERCOM_SANITIZED=$(SANITIZE=yes build_wheel)
    export INTERCOM_SANITIZED
}
