# shellcheck shell=bash
# Everything that makes this door this door, in one file: its configuration, its state, what was changed in its unit,
# and the phones of a house without a PBX, whose passwords are in them.

readonly KEPT=(etc/intercom var/lib/intercom etc/systemd/system/intercom.service.d etc/intercom-registrar)

backup_door() {
    local file=${1:-} folder kept=()
    need_root backup "$@"
    (($# == 1)) || { usage >&2; exit 2; }
    for folder in "${KEPT[@]}"; do [[ ! -e /$folder ]] || kept+=("$folder"); done
    ((${#kept[@]} > 0)) || die "there is nothing of a door on this machine to back up"
    # It holds passwords and codes: nobody else may read it, from its first byte on.
    (umask 077 && tar -C / --numeric-owner --owner=0 --group=0 -czf "$file.part" "${kept[@]}") || die "cannot write $file"
    mv -f "$file.part" "$file"
    say "$file: $(tar -tzf "$file" | grep -c -v '/$') files. It holds passwords and codes: keep it as you keep a key"
}

restore_door() {
    local file=${1:-} folder strange
    need_root restore "$@"
    (($# == 1)) || { usage >&2; exit 2; }
    [[ -r $file ]] || die "there is no file $file"
    strange=$(tar -tzf "$file" 2>/dev/null) || die "$file is no backup: it is damaged, or of another kind"
    for folder in "${KEPT[@]}"; do strange=$(grep -vE "^$folder(/|\$)" <<<"$strange" || true); done
    ! grep -qE '(^|/)\.\.(/|$)' < <(tar -tzf "$file") || die "$file is no backup of ours: it leads out of its folders"
    [[ -z $strange ]] || die "$file is no backup of ours: it holds ${strange%%$'\n'*}"
    [[ -n $(running_version) ]] || die "the intercom is not installed here" "First: sudo ./setup.sh install"
    if grep -q '^etc/intercom-registrar/' < <(tar -tzf "$file") && ! getent group kamailio >/dev/null; then
        die "$file is of a house without a PBX, and its SIP service is not installed here" \
            "First: sudo ./setup.sh install --with-registrar"
    fi
    with_systemd 'systemctl stop intercom' systemctl stop intercom.service || true
    tar -C / -xzf "$file" --no-same-owner
    chgrp -R intercom /etc/intercom
    [[ ! -e $REGISTRAR ]] || chgrp -R kamailio "$REGISTRAR"
    [[ ! -e $STATE ]] || chown -R intercom:intercom "$STATE"
    systemd-tmpfiles --create /etc/tmpfiles.d/intercom.conf
    with_systemd 'systemctl daemon-reload' systemctl daemon-reload
    [[ ! -e $REGISTRAR ]] || with_systemd 'systemctl restart intercom-registrar' systemctl restart intercom-registrar.service
    "$PREFIX/current/bin/intercom" check || die "restored, but this version does not accept the configuration: mend it, then restart the door"
    with_systemd 'systemctl start intercom' systemctl start intercom.service
    say "restored from $file"
}
