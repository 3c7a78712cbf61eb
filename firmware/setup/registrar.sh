# shellcheck shell=bash
# The SIP service beside the door, for a house without a PBX.

readonly REGISTRAR=/etc/intercom-registrar
readonly REGISTRAR_PHONES=(201 202 203 204)

install_registrar() {
    missing_packages kamailio nftables >>"$CACHE/brought-packages"
    install_packages kamailio nftables
    say "the SIP service for the phones of the house"
    install -d -m 750 -o root -g kamailio "$REGISTRAR"
    install -m 644 "$ROOT/systemd/intercom-registrar.cfg" "$REGISTRAR/registrar.cfg"
    install -m 644 "$ROOT/systemd/intercom-registrar.nft" "$REGISTRAR/limit.nft"
    if [[ ! -e $REGISTRAR/phones.cfg ]]; then
        /usr/local/bin/intercom phones add door "${REGISTRAR_PHONES[@]}" >/dev/null
    fi
    systemctl enable --quiet intercom-registrar.service
    with_systemd 'systemctl restart intercom-registrar' systemctl restart intercom-registrar.service
    # It takes a moment to listen, and is asked for the door's login next.
    for _ in {1..40}; do
        if ! systemd_runs || (exec 3<>/dev/tcp/127.0.0.1/5060) 2>/dev/null; then break; fi
        sleep 0.25
    done
    say "the phones and their passwords: sudo intercom phones"
}

# An upgrade of the door: its service is mended as well. One whose configuration Kamailio does not take stays as it was.
renew_registrar() {
    local new=$REGISTRAR/registrar.cfg.new
    [[ -e $REGISTRAR/registrar.cfg ]] || return 0
    if cmp -s "$ROOT/systemd/intercom-registrar.cfg" "$REGISTRAR/registrar.cfg" &&
        cmp -s "$ROOT/systemd/intercom-registrar.nft" "$REGISTRAR/limit.nft"; then return 0; fi
    install -m 644 "$ROOT/systemd/intercom-registrar.cfg" "$new"
    if ! kamailio -c -E -f "$new" >/dev/null 2>&1; then
        rm -f "$new"
        say "the SIP service for the phones stays as it was: Kamailio here does not take its new configuration"
        return 0
    fi
    mv -f "$new" "$REGISTRAR/registrar.cfg"
    install -m 644 "$ROOT/systemd/intercom-registrar.nft" "$REGISTRAR/limit.nft"
    say "the SIP service for the phones starts anew with this version's configuration"
    with_systemd 'systemctl restart intercom-registrar' systemctl restart intercom-registrar.service
}

registrar_password() { sed -n 's/.*(password=>door) = "\([A-Za-z0-9]*\)";$/\1/p' "$REGISTRAR/phones.cfg"; }

remove_registrar() {
    [[ -e /etc/systemd/system/intercom-registrar.service ]] || return 0
    with_systemd 'systemctl stop intercom-registrar' systemctl stop intercom-registrar.service 2>/dev/null || true
    systemctl disable --quiet intercom-registrar.service 2>/dev/null || true
    nft delete table inet intercom_registrar 2>/dev/null || true
    rm -rf "$REGISTRAR"
}
