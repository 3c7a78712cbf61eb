# shellcheck shell=bash
# The door itself: installed, upgraded, taken off again.

readonly CONFIGURATION=/etc/intercom/intercom.toml
readonly STATE=/var/lib/intercom
readonly UPGRADE_S=${INTERCOM_UPGRADE_S:-60}     # how long a new version has to do what the old one did

install_door() {
    local was registrar='' rings='' untried='' answers=() began=$SECONDS
    need_root install "$@"
    while (($#)); do
        case $1 in
        --with-registrar) registrar=yes ;;
        --ring-once) rings=yes ;;
        --untried) untried=yes answers+=("$1") ;;
        # An answer each; `intercom setup` knows what is good.
        --server | --user | --password-file | --ring | --pins | --code-file | --answers)
            (($# > 1)) || { usage >&2; exit 2; }
            answers+=("$1" "$2")
            shift ;;
        *) usage >&2; exit 2 ;;
        esac
        shift
    done
    fit_machine
    was=$(running_version)
    prepare_version
    if [[ -n $was && $was != "$ID" ]]; then change_version "$was"
    else activate "$ID"; fi
    [[ -z $registrar ]] || install_registrar
    if ! is_unanswered; then
        [[ $was != "$ID" ]] || say "this version is installed already: $ID"
        ((${#answers[@]} == 0)) || say "$CONFIGURATION is filled in already, and stays as it is (anew: sudo intercom setup)"
        tell_boot_loader
        if ! systemd_runs || ! systemctl is-active --quiet intercom.service; then start_door "$began" "$rings" "$untried"; fi
        return
    fi
    configure_door "$registrar" "${answers[@]}" || return 0
    start_door "$began" "$rings" "$untried"
}

upgrade_door() {
    local was
    need_root upgrade "$@"
    (($# == 0)) || { usage >&2; exit 2; }
    was=$(running_version)
    [[ -n $was ]] || die "there is no door to upgrade on this machine" "Make it one: sudo ./setup.sh install"
    prepare_version
    if [[ $was == "$ID" ]]; then say "this version is installed already: $ID"
    else change_version "$was"; fi
    renew_registrar
}

# Everything that takes time, while the door goes on ringing.
prepare_version() {
    mkdir -p "$CACHE/logs"
    missing_packages "${DOOR_PACKAGES[@]}" "${PYTHON_PACKAGES[@]}" >>"$CACHE/brought-packages"
    install_packages "${DOOR_PACKAGES[@]}" "${PYTHON_PACKAGES[@]}" systemd
    get_wheel
    make_version ""
}

# change_version WAS: from there to ID, and back again when the new one does not do what the old one did.
change_version() {
    local was=$1 could_ring=no began=$SECONDS
    "$PREFIX/versions/$ID/bin/intercom" check --only-content >&2 ||
        die "the new version does not accept $CONFIGURATION: nothing was changed" "The door goes on with $was."
    if would_ring; then could_ring=yes; fi
    say "from $was to $ID"
    activate "$ID"
    if ! systemd_runs; then forget_versions "$ID" "$was"; return; fi
    systemctl restart intercom.service || true
    if comes_up "$could_ring"; then
        restart_bridge
        say "$ID is up after $((SECONDS - began)) s. The version before it is kept: sudo ./setup.sh rollback"
        echo "$was" >"$PREFIX/previous"
        forget_versions "$ID" "$was"
        return
    fi
    journalctl -u intercom.service -n 12 --no-pager -o cat 2>/dev/null | sed 's/^/    /' >&2 || true
    say "$ID does not come up within $UPGRADE_S s: going back to $was"
    go_back "$was" "$could_ring"
    die "the upgrade failed; the door runs $was again"
}

# go_back ID WHETHER_IT_RANG
go_back() {
    activate "$1"
    systemctl restart intercom.service || true
    restart_bridge
    comes_up "$2" || die "$1 does not come up either: sudo intercom status; journalctl -u intercom"
}

rollback_door() {
    local was now
    need_root rollback "$@"
    (($# == 0)) || { usage >&2; exit 2; }
    now=$(running_version)
    was=$(cat "$PREFIX/previous" 2>/dev/null) || true
    [[ -n $was && -e $PREFIX/versions/$was/.complete ]] || die "no earlier version is kept on this machine"
    say "from $now back to $was"
    echo "$now" >"$PREFIX/previous"
    if systemd_runs; then go_back "$was" no; else activate "$was"; fi
}

# What tells the house is a process of its own, of the same version: where it runs, it is begun anew.
restart_bridge() { ! systemd_runs || systemctl try-restart intercom-house.service || true; }

# Home Assistant would keep a door that is gone for ever: a broker retains what it was told.
end_bridge() {
    with_systemd 'systemctl stop intercom-house' systemctl stop intercom-house.service 2>/dev/null || true
    systemctl disable --quiet intercom-house.service 2>/dev/null || true
    with_systemd 'systemctl stop intercom-metrics.timer' systemctl stop intercom-metrics.timer 2>/dev/null || true
    systemctl disable --quiet intercom-metrics.timer 2>/dev/null || true
    [[ -e ${CONFIGURATION%/*}/house.toml && -x $PREFIX/current/bin/intercom ]] || return 0
    timeout 30 "$PREFIX/current/bin/intercom" house --forget --config "${CONFIGURATION%/*}/house.toml" >&2 ||
        say "the broker could not be told that this door is gone; what it retains stays there"
}

would_ring() { "$PREFIX/current/bin/intercom" status >/dev/null 2>&1; }

# comes_up yes|no: whether the door would ring; or, where it would not before either, at least answers.
comes_up() {
    local until=$((SECONDS + UPGRADE_S)) status
    while ((SECONDS < until)); do
        status=0
        "$PREFIX/current/bin/intercom" status >/dev/null 2>&1 || status=$?
        if ((status == 0)) || [[ $1 == no && $status == 1 ]]; then return 0; fi
        sleep 0.5
    done
    return 1
}

uninstall_door() {
    local keep='' brought
    need_root uninstall "$@"
    case ${1:-} in
    '') ;;
    --keep-configuration) keep=yes ;;
    *) usage >&2; exit 2 ;;
    esac
    if [[ -z $keep && -e $CONFIGURATION && -t 0 ]]; then
        read -r -p "This removes $CONFIGURATION and everything else of the door. Go on? [y/N] " answer
        [[ $answer == [yY]* ]] || die "nothing was removed" "sudo ./setup.sh uninstall --keep-configuration removes the program alone"
    fi
    with_systemd 'systemctl stop intercom' systemctl stop intercom.service 2>/dev/null || true
    systemctl disable --quiet intercom.service 2>/dev/null || true
    end_bridge
    remove_registrar
    silence_boot_loader
    rm -f "$SOUND_RULES" /etc/systemd/system/intercom*.service /etc/systemd/system/intercom*.timer \
        /etc/sysusers.d/intercom.conf /etc/tmpfiles.d/intercom.conf \
        /usr/local/lib/systemd/catalog/intercom*.catalog /usr/local/bin/intercom /usr/local/share/man/man1/intercom*.1 \
        /usr/local/share/bash-completion/completions/intercom /usr/local/share/zsh/site-functions/_intercom
    journalctl --update-catalog 2>/dev/null || true
    if [[ -e $JOURNAL_SETTINGS ]]; then
        rm -f "$JOURNAL_SETTINGS"
        rmdir --ignore-fail-on-non-empty "${JOURNAL_SETTINGS%/*}"
        with_systemd 'systemctl restart systemd-journald' systemctl restart systemd-journald.service
    fi
    with_systemd 'systemctl daemon-reload' systemctl daemon-reload
    rm -rf "$PREFIX"
    if [[ -z $keep ]]; then
        rm -rf /etc/intercom "$STATE" /run/intercom /run/intercom-house /run/intercom-credentials /etc/systemd/system/intercom.service.d
        userdel intercom 2>/dev/null || true
        groupdel intercom-house-socket 2>/dev/null || true
    fi
    brought=$(sort -u "$CACHE/brought-packages" 2>/dev/null | tr '\n' ' ') || true
    # Where the laboratory of the tests lives too, it stays.
    compgen -G "$CACHE/venv-*" >/dev/null || rm -rf "$CACHE"
    say "removed${keep:+, but /etc/intercom and $STATE}"
    [[ -z $brought ]] || say "Debian packages that came with it: sudo apt-get autoremove --purge $brought"
}
