# shellcheck shell=bash
# Everything that makes this door this door, in one file: its configuration, its state, what was changed in its unit,
# and the phones of a house without a PBX, whose passwords are in them. archive.py writes and reads it.

readonly UNIT_CHANGES=etc/systemd/system/intercom.service.d

archive() { python3 -I "$ROOT/firmware/setup/archive.py" "$@"; }

backup_door() {
    local file=${1:-} part count
    need_root backup "$@"
    (($# == 1)) || { usage >&2; exit 2; }
    [[ -e /etc/intercom ]] || die "there is nothing of a door on this machine to back up"
    [[ ! -d $file ]] || die "$file is a folder: name a file"
    # It holds passwords and codes: nobody else may read it, from its first byte on, whoever owns the folder.
    part=$(mktemp -- "$file.XXXXXXXX") || die "cannot write $file"
    # The name as it is now.
    # shellcheck disable=SC2064
    trap "rm -f -- $(printf %q "$part")" EXIT
    count=$(archive pack "$part") || die "cannot write $file"
    sync -- "$part"
    mv -fT -- "$part" "$file"
    say "$file: $count files. It holds passwords and codes: keep it as you keep a key"
}

# All of a backup is checked before the door is stopped, and written beside its place: then only names change.
restore_door() {
    local file='' with_unit='' names
    need_root restore "$@"
    while (($# > 0)); do
        case $1 in
        --with-unit) with_unit=yes ;;
        *) [[ -z $file ]] || { usage >&2; exit 2; }; file=$1 ;;
        esac
        shift
    done
    [[ -n $file ]] || { usage >&2; exit 2; }
    [[ -f $file && -r $file ]] || die "there is no file $file"
    [[ -n $(running_version) ]] || die "the intercom is not installed here" "First: sudo ./setup.sh install"
    TAKEN=$(mktemp -d)
    RESTORED=$TAKEN/files
    trap 'archive forget "$RESTORED" || true; rm -rf "$TAKEN"' EXIT
    mkdir -m 700 "$RESTORED"
    names=$(archive unpack "$file" "$RESTORED" 2>"$TAKEN/why") ||
        die "$file is no backup of ours: $(cat "$TAKEN/why")" "Nothing was changed."
    if grep -q '^etc/intercom-registrar/' <<<"$names" && ! getent group kamailio >/dev/null; then
        die "$file is of a house without a PBX, and its SIP service is not installed here" \
            "First: sudo ./setup.sh install --with-registrar"
    fi
    allow_unit_changes "$with_unit"
    check_restored || die "this version does not accept the configuration in $file: nothing was changed"
    archive prepare "$RESTORED" || die "nothing was changed: there is no room for $file, or a folder is not as it should be"
    with_systemd 'systemctl stop intercom' systemctl stop intercom.service || true
    archive settle "$RESTORED" || say "not everything could be put into its place"
    systemd-tmpfiles --create /etc/tmpfiles.d/intercom.conf || true
    with_systemd 'systemctl daemon-reload' systemctl daemon-reload
    [[ ! -e $REGISTRAR ]] || with_systemd 'systemctl restart intercom-registrar' systemctl restart intercom-registrar.service
    with_systemd 'systemctl start intercom' systemctl start intercom.service
    restart_bridge
    say "restored from $file"
}

# What was changed in the unit can run any command as root: it is shown, and asked about.
allow_unit_changes() {
    local changes=() change answer=''
    while IFS= read -r change; do
        cmp -s "$change" "/${change#"$RESTORED/"}" || changes+=("$change")
    done < <(find "$RESTORED/$UNIT_CHANGES" -type f 2>/dev/null | sort)
    ((${#changes[@]} > 0)) || return 0
    say "the backup changes the door's unit, by which systemd runs commands, also as root:"
    for change in "${changes[@]}"; do
        printf '    /%s\n' "${change#"$RESTORED/"}" >&2
        sed 's/[^[:print:]\t]/?/g; s/^/        /' "$change" >&2
    done
    [[ -z $1 ]] || return 0
    if [[ -t 0 && -t 2 ]]; then
        read -r -p '    Take these changes as well? [y/N] ' answer
        [[ $answer != [yY]* ]] || return 0
    fi
    die "nothing was changed: say --with-unit when you know these changes"
}

# What it would be at its place: paths in it may be absolute. By the version that is installed, which may be an older
# one that knows no --only-content (status 2).
check_restored() {
    # For the other shell.
    # shellcheck disable=SC2016
    unshare --mount --propagation private sh -c \
        'mount --bind "$1" /etc/intercom && { "$2" check --only-content "$3" || { [ $? = 2 ] && exec "$2" check "$3"; }; }' \
        sh "$RESTORED/etc/intercom" "$PREFIX/current/bin/intercom" /etc/intercom/intercom.toml
}
