# shellcheck shell=bash
# What `bench run` needs beside the laboratory; read by run_bench of firmware/setup/laboratory.sh.

# shellcheck source=tests/bench/audio.sh
. "$ROOT/tests/bench/audio.sh"

bench_packages() { echo mmdebstrap libasound2-plugins libasound2-dev; }

# Asterisk, and a pjsua2 with a sound device of its own, for the parts that are asked for.
bench_prepare() {
    local asked=" $* "
    [[ $asked != *" --help "* && $asked != *" -h "* ]] || return 0
    [[ $asked == *--part* ]] || asked='asterisk trips'
    if [[ $asked == *asterisk* ]]; then
        # Empty where no mirror has it: run.py says what it leaves out.
        INTERCOM_ASTERISK=$(debian_tree asterisk)
        export INTERCOM_ASTERISK
    fi
    [[ $asked != *trips* ]] || reference_pjsua2
}
