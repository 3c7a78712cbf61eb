#!/bin/bash
# Sets up the intercom: on a developer's machine, in CI, and on the Raspberry Pi at the door.
# Run it without arguments to see what it can do.
set -euo pipefail

ROOT=$(dirname "$(readlink -f "$0")")
readonly ROOT

# What a door needs: compilers and headers for pjsua2, PyAudio and systemd-python, and libraries to run them.
readonly RUN_PACKAGES=(
    build-essential pkg-config patch xz-utils ca-certificates debian-archive-keyring
    python3 python3-dev python3-venv
    libopus-dev libssl-dev libsrtp2-dev libspeexdsp-dev uuid-dev
    portaudio19-dev libportaudio2 libsystemd-dev
)
# What stands in for the world around the door in the demo and the tests.
readonly LAB_PACKAGES=(
    kamailio kamailio-tls-modules   # the SIP service
    baresip-core                    # the phone inside
    sip-tester                      # odd and hostile SIP
    jackd2                          # a sound card without hardware (PortAudio in Debian speaks JACK)
    systemd                         # a real journald, run without systemd as PID 1
    iproute2 util-linux openssl     # a network of its own; certificates
)
readonly TEST_PACKAGES=(
    shellcheck mandoc zsh           # what the shell scripts, the manual pages and the completion are read by
    mmdebstrap                      # a small Debian with Asterisk (tests/lab/asterisk-tree.sh)
    chromium-headless-shell fonts-dejavu-core   # what the report of the visits is looked at with
)

usage() {
    cat <<USAGE
Usage: ./setup.sh COMMAND [ARGUMENTS]

  demo [ARGUMENTS]   set up what is missing, then show one whole visit, without any hardware
  test [ARGUMENTS]   set up what is missing, then run the whole test suite; ARGUMENTS go to pytest
  bench NAME         set up what is missing, then run a benchmark: tests/bench/NAME.py
  wheel              only build pjsua2 (or find the one built before) and print where it is
  install            make this machine a door station
  uninstall          take the door station off this machine; the configuration stays

Examples:
  sudo ./setup.sh demo
  sudo ./setup.sh test -k strike -x
  sudo ./setup.sh install

Everything that is downloaded or built is kept in ${CACHE}
(another place: INTERCOM_CACHE=/path). Needs Debian or Raspberry Pi OS, 12 or newer.
USAGE
}
# shellcheck source=firmware/setup/talk.sh
. "$ROOT/firmware/setup/talk.sh"
# shellcheck source=firmware/setup/packages.sh
. "$ROOT/firmware/setup/packages.sh"
# shellcheck source=firmware/setup/python.sh
. "$ROOT/firmware/setup/python.sh"
# shellcheck source=firmware/setup/laboratory.sh
. "$ROOT/firmware/setup/laboratory.sh"
# shellcheck source=firmware/setup/door.sh
. "$ROOT/firmware/setup/door.sh"

main() {
    local command=${1:-help}
    (($# == 0)) || shift
    umask 022
    case $command in
    demo) demo "$@" ;;
    test) run_tests "$@" ;;
    bench) run_bench "$@" ;;
    wheel) build_wheel ;;
    install) install_door "$@" ;;
    uninstall) uninstall_door "$@" ;;
    help | -h | --help) usage ;;
    *) printf 'Unknown command: %s\n\n' "$command" >&2; usage >&2; exit 2 ;;
    esac
}

if [[ -n ${INTERCOM_CACHE:-} ]]; then CACHE=$INTERCOM_CACHE
elif ((EUID == 0)); then CACHE=/var/cache/intercom
else CACHE=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/intercom; fi
readonly CACHE

main "$@"
