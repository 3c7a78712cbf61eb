# shellcheck shell=bash
# What audio.py needs beside the laboratory. Sourced by `./setup.sh bench audio`.

bench_packages() { echo espeak-ng libasound2-plugins libasound2-dev; }

# The pjsua2 to compare with, in a folder of the cache named after what it is made of.
reference_pjsua2() {
    local wheel reference
    wheel=$(INTERCOM_CACHE=$CACHE "$ROOT/tests/bench/sound/reference.sh") || exit 1
    reference=${wheel%/*}/unpacked
    [[ -e $reference/pjsua2.py ]] || "$VENV/bin/python" -m zipfile -e "$wheel" "$reference"
    export INTERCOM_REFERENCE=$reference
}

# PESQ, likewise.
bench_prepare() {
    local key measures
    key=$({ cat "$ROOT/tests/bench/sound/requirements.txt"; "$VENV/bin/python" -VV; } | sha256sum | cut -c1-16)
    measures=$CACHE/bench-$key
    if [[ ! -e $measures/.complete ]]; then
        say "Python packages: $measures"
        : >"$CACHE/logs/pip.log"
        logged pip "$VENV/bin/python" -m pip --disable-pip-version-check install --no-deps --upgrade \
            --target "$measures" -r "$ROOT/tests/bench/sound/requirements.txt" || environment_failed
        touch "$measures/.complete"
    fi
    export INTERCOM_BENCH_PATH=$measures
    reference_pjsua2
}
