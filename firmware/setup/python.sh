# shellcheck shell=bash
# pjsua2 and Python's environments.

interpreter() { if [[ -x /usr/bin/python3 ]]; then echo /usr/bin/python3; else command -v python3; fi; }

build_wheel() {
    [[ ! -d $CACHE ]] || [[ -w $CACHE ]] || die "cannot write to $CACHE"
    INTERCOM_CACHE=$CACHE PYTHON=$(interpreter) "$ROOT/firmware/pjsip/build.sh"
}

# fill_venv FOLDER WHEEL REQUIREMENTS...
fill_venv() {
    local venv=$1 wheel=$2 requirements=() file
    shift 2
    for file in "$@"; do requirements+=(-r "$file"); done
    "$(interpreter)" -m venv --clear "$venv"
    # First the tools that compile the rest, at their pinned version; then everything with them.
    local tools
    tools=$(grep -hE '^(setuptools|swig)==' "$@" | sed 's/ *#.*//')
    local pip=("$venv/bin/python" -m pip --disable-pip-version-check)
    mapfile -t tools <<<"$tools"
    logged pip "${pip[@]}" install "${tools[@]}" || return 1
    # PYPI=1: lgpio, where it is compiled, takes its C library in instead of looking for a system one.
    logged pip env PATH="$venv/bin:$PATH" PYPI=1 "${pip[@]}" install --no-build-isolation --use-pep517 \
        "${requirements[@]}" || return 1
    logged pip "${pip[@]}" install --no-index --no-deps "$wheel"
}

venv_failed() {
    grep -E '^ *(error|ERROR|fatal)' "$CACHE/logs/pip.log" | tail -n 8 | sed 's/^/    /' >&2 || true
    die "the Python packages could not be installed" "All that pip said: $CACHE/logs/pip.log"
}
