# shellcheck shell=bash
# The SIP service beside the door, for a house without a PBX.

readonly REGISTRAR=/etc/intercom-registrar
readonly REGISTRAR_PHONES=(201 202 203 204)

# install_registrar WHETHER_THE_CONFIGURATION_IS_NEW
install_registrar() {
    local fresh=$1 word
    missing_packages kamailio >>"$CACHE/brought-packages"
    install_packages kamailio
    say "the SIP service for the phones of the house"
    install -d -m 750 -o root -g kamailio "$REGISTRAR"
    install -m 644 "$ROOT/systemd/intercom-registrar.cfg" "$REGISTRAR/registrar.cfg"
    if [[ ! -e $REGISTRAR/phones.cfg ]]; then
        /usr/local/bin/intercom phones add door "${REGISTRAR_PHONES[@]}" >/dev/null
    fi
    if [[ -n $fresh ]]; then
        word=$(sed -n 's/.*(password=>door) = "\([A-Za-z0-9]*\)";$/\1/p' "$REGISTRAR/phones.cfg")
        sed -i -e 's/^server = "pbx.example"$/server = "127.0.0.1"/' -e "s/^password = \"change-me\"\$/password = \"$word\"/" \
            "$CONFIGURATION"
    fi
    systemctl enable --quiet intercom-registrar.service
    with_systemd 'systemctl restart intercom-registrar' systemctl restart intercom-registrar.service
    say "the phones and their passwords: sudo intercom phones"
}

remove_registrar() {
    [[ -e /etc/systemd/system/intercom-registrar.service ]] || return 0
    with_systemd 'systemctl stop intercom-registrar' systemctl stop intercom-registrar.service 2>/dev/null || true
    systemctl disable --quiet intercom-registrar.service 2>/dev/null || true
    rm -rf "$REGISTRAR"
}
