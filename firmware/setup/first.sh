# shellcheck shell=bash
# The first configuration of a door: its answers, tried; its start; its first ring.

# Said before anything is fetched: there is nothing ready-made for other machines.
fit_machine() {
    local architecture
    architecture=$(dpkg --print-architecture 2>/dev/null) || die "this machine has no dpkg: the intercom needs Debian or Raspberry Pi OS"
    [[ $architecture == arm64 || $architecture == amd64 ]] ||
        die "this system is for $architecture; the echo canceller is there ready-made for arm64 and amd64 only" \
            "On a Raspberry Pi: the 64-bit Raspberry Pi OS Lite, which runs on a Zero 2 W, 3, 4 and 5"
    "$(interpreter)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || [[ ! -e /usr/bin/python3 ]] ||
        die "the intercom needs Python 3.11 to 3.13: Debian or Raspberry Pi OS 12 or 13"
}

# Whether the configuration is still the sample, which is nobody's.
is_unanswered() { [[ ! -e $CONFIGURATION ]] || grep -q '^password = "change-me"$' "$CONFIGURATION"; }

# configure_door WITH_REGISTRAR ANSWERS...: false, with what to do, when nobody answers; gives up on wrong answers.
configure_door() {
    local registrar=$1 intercom=$PREFIX/current/bin/intercom given
    shift
    given=$#
    systemd_runs || set -- "$@" --untried
    if [[ -n $registrar ]]; then
        [[ -t 0 ]] || set -- --ring "${REGISTRAR_PHONES[0]}" --pins 17,27,22 "$@"
        "$intercom" setup --config "$CONFIGURATION" --server 127.0.0.1 --transport tcp --user door \
            --password-file <(registrar_password) "$@" && return
    elif ((given > 0)) || [[ -t 0 ]]; then
        "$intercom" setup --config "$CONFIGURATION" "$@" && return
    fi
    ((given == 0)) || die "installed, but without a configuration: better answers, and the same once more"
    say "installed, but $CONFIGURATION has no answers yet. One of these, whenever you like:"
    cat >&2 <<NEXT
      sudo intercom setup                              asks five questions, and tries the answers
      sudo ./setup.sh install --answers FILE           takes them from a file (intercom setup --help)
      sudoedit $CONFIGURATION           by hand; sudo intercom check finds mistakes in it
    and then: sudo systemctl restart intercom
NEXT
    return 1
}

# start_door SINCE WHETHER_TO_RING WHETHER_UNTRIED
start_door() {
    local began=$1 rings=$2 untried=$3 answer
    tell_boot_loader
    with_systemd 'systemctl restart intercom' systemctl restart intercom.service
    if ! systemd_runs || [[ -n $untried ]]; then return; fi
    say "the door starts, and registers"
    comes_up yes || die "it does not register: sudo intercom doctor; journalctl -u intercom" "It goes on trying."
    say "$GOOD""registered$PLAIN, $((SECONDS - began)) s after the beginning"
    if [[ -z $rings && -t 0 ]]; then
        read -r -p "    Ring once, to try it? [Y/n] " answer
        [[ $answer == [nN]* ]] || rings=yes
    fi
    if [[ -n $rings ]]; then
        "$PREFIX/current/bin/intercom" press --try >&2 || die "nothing rang" "See: sudo intercom visits; sudo intercom doctor"
        say "$GOOD""it rings$PLAIN, $((SECONDS - began)) s after the beginning"
    fi
    say "from now on: sudo intercom status; sudo intercom doctor; intercom --help"
}
