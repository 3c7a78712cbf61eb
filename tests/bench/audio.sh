# shellcheck shell=bash
# What audio.py needs beside the laboratory. Sourced by `./setup.sh bench audio`.

bench_packages() { echo espeak-ng libasound2-plugins libasound2-dev; }

# PESQ, and the pjsua2 to compare with, in folders of the cache named after what they are made of.
bench_prepare() {
    local key wheel reference measures
    key=$({ cat "$ROOT/tests/bench/sound/requirements.txt"; "$VENV/bin/python" -VV; } | sha256sum | cut -c1-16)
    measures=$CACHE/bench-$key
    if [[ ! -e $measures/.complete ]]; then
        say "Python packages: $measures"
        : >"$CACHE/logs/pip.log"
        logged pip "$VENV/bin/python" -m pip --disable-pip-version-check install --no-deps --upgrade \
            --target "$measures" -r "$ROOT/tests/bench/sound/requirements.txt" || venv_failed
        touch "$measures/.complete"
    fi
    wheel=$(INTERCOM_CACHE=$CACHE "$ROOT/tests/bench/sound/reference.sh") || exit 1
    reference=${wheel%/*}/unpacked
    [[ -e $reference/pjsua2.py ]] || "$VENV/bin/python" -m zipfile -e "$wheel" "$reference"
    export INTERCOM_BENCH_PATH=$measures INTERCOM_REFERENCE=$reference
}
