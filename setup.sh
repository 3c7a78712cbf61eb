#!/bin/bash
# Sets up the intercom: on a developer's machine, in CI, and on the Raspberry Pi at the door.
# Run it without arguments to see what it can do.
set -euo pipefail

ROOT=$(dirname "$(readlink -f "$0")")
readonly ROOT

if [[ -n ${INTERCOM_CACHE:-} ]]; then CACHE=$INTERCOM_CACHE
elif ((EUID == 0)); then CACHE=/var/cache/intercom
else CACHE=${XDG_CACHE_HOME:-${HOME:-$(getent passwd "$EUID" | cut -d: -f6 || true)}/.cache}/intercom; fi
# What is in it is installed: a folder of nobody's, such as /tmp, is no place for it.
[[ $CACHE != /.cache/* ]] || { echo 'Error: there is no home folder to keep downloads in: say INTERCOM_CACHE=/path' >&2; exit 1; }
readonly CACHE

# What a door runs on.
readonly DOOR_PACKAGES=(
    ca-certificates                 # whom to trust with TLS
    python3 python3-venv
    alsa-utils                      # amixer: the levels of a sound card
    libopus0 libsrtp2-1 libspeexdsp1    # what pjsua2 is linked with, besides OpenSSL, which Python brings
)
# What pjsua2 is built with, where no wheel is at hand.
readonly BUILD_PACKAGES=(
    build-essential pkg-config patch xz-utils debian-archive-keyring python3-dev
    libopus-dev libssl-dev libsrtp2-dev libspeexdsp-dev uuid-dev
)
# What it is built with on a PC for a Pi (firmware/pjsip/cross.sh).
readonly CROSS_PACKAGES=(
    gcc-aarch64-linux-gnu g++-aarch64-linux-gnu     # the cross compiler
    mmdebstrap                      # fetches the libraries of the Pi's release
    qemu-user-static                # tries the result on an emulated processor
)
# What stands in for the world around the door in the demo and the tests.
readonly LAB_PACKAGES=(
    kamailio kamailio-tls-modules kamailio-outbound-modules   # the SIP service
    baresip-core                    # the phone inside
    sip-tester                      # odd and hostile SIP
    coturn                          # a TURN server
    nftables libfaketime            # lost packets, and a clock that jumps
    jackd2                          # a sound card without hardware (PortAudio in Debian speaks JACK)
    systemd                         # a real journald, run without systemd as PID 1
    iproute2 util-linux openssl     # a network of its own; certificates
)
readonly TEST_PACKAGES=(
    linphone-cli                    # another phone inside
    kamailio-presence-modules       # who watches the door at the SIP service
    mosquitto                       # the house's MQTT broker
    ansible-core systemd-journal-remote     # a fleet: its playbook, its journals in one place
    tshark tcpdump                  # what reads the file of a SIP trace
    shellcheck mandoc zsh           # what the shell scripts, the manual pages and the completion are read by
    espeak-ng                       # speaks the prompts (intercom audio speak)
    mmdebstrap                      # a small Debian with Asterisk, and a bare one (tests/lab/debian-tree.sh)
    debhelper                       # makes the Debian package
    udev umockdev                   # reads the rules for the sound card's name, on a made-up USB socket
    systemd-container               # boots the bare one, to make a door of it
    chromium-headless-shell fonts-dejavu-core   # what the report of the visits is looked at with
)
# What emulates an arm64 machine (tests/lab/device-image.sh).
readonly DEVICE_PACKAGES=(
    qemu-system-arm                 # the board
    gcc-aarch64-linux-gnu device-tree-compiler kmod     # the simulated chip; what the board says of itself
    e2fsprogs cpio openssh-client   # its disk, its first steps, the way in
)

usage() {
    cat <<USAGE
Usage: ./setup.sh COMMAND [ARGUMENTS]

  demo [ARGUMENTS]   set up what is missing, then show one whole visit, without any hardware
  test [ARGUMENTS]   set up what is missing, then run the whole test suite; ARGUMENTS go to pytest
  bench NAME         set up what is missing, then run a benchmark: tests/bench/NAME.py
  wheel [arm64 [bookworm|trixie]]
                     only build pjsua2 (or find the one built before) and print where it is; on a PC for a Pi
  lock               what is installed from PyPI, with the hashes of its files, after a change of requirements.txt
  deb                the whole intercom as a Debian package for this release: apt install ./intercom_*.deb
  install [--with-registrar] [--ring-once] [--untried] [ANSWERS]
                     make this machine a door station; with a small SIP service beside it, for a house without a PBX.
                     Five things are asked for at a terminal, unless ANSWERS has them:
                       --server HOST --user EXTENSION --password-file FILE --ring 201,202 --pins 17,27,22
                       [--code-file FILE], or all of them in a file: --answers FILE (intercom setup --help)
                     They are tried at the server (--untried: not), and then it rings once (--ring-once: unasked)
  upgrade            to the version in this folder; back to the old one by itself if the new one does not register
  rollback           back to the version before the last upgrade
  backup FILE        configuration and state into one file
  restore FILE [--with-unit]
                     and back from it; what it changes in the unit is shown and asked about (--with-unit: taken)
  uninstall [--keep-configuration]
                     take the door station off this machine, with everything of it

Examples:
  sudo ./setup.sh demo
  sudo ./setup.sh test -k strike -x
  sudo ./setup.sh install
  sudo ./setup.sh install --server pbx.example --user door --password-file door.password --ring 201 --pins 17,27,22
  sudo ./setup.sh wheel arm64 trixie     then on the Pi: sudo PJSUA2_WHEEL=FILE ./setup.sh install

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
# shellcheck source=firmware/setup/version.sh
. "$ROOT/firmware/setup/version.sh"
# shellcheck source=firmware/setup/keep.sh
. "$ROOT/firmware/setup/keep.sh"
# shellcheck source=firmware/setup/registrar.sh
. "$ROOT/firmware/setup/registrar.sh"
# shellcheck source=firmware/setup/first.sh
. "$ROOT/firmware/setup/first.sh"
# shellcheck source=firmware/setup/boot.sh
. "$ROOT/firmware/setup/boot.sh"
# shellcheck source=firmware/setup/deb.sh
. "$ROOT/firmware/setup/deb.sh"
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
    wheel) make_wheel "$@" ;;
    deb) build_deb "$@" ;;
    lock) make_locks "$@" ;;
    stage) stage "$@" ;;
    install) install_door "$@" ;;
    upgrade) upgrade_door "$@" ;;
    rollback) rollback_door "$@" ;;
    backup) backup_door "$@" ;;
    restore) restore_door "$@" ;;
    uninstall) uninstall_door "$@" ;;
    help | -h | --help) usage ;;
    *) printf 'Unknown command: %s\n\n' "$command" >&2; usage >&2; exit 2 ;;
    esac
}

# On one line: bash reads a script as it goes, and an upgrade may have replaced this file meanwhile.
main "$@"; exit
