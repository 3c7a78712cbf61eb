# shellcheck shell=bash
# The door itself: installed, taken off again.

readonly PREFIX=/opt/intercom                         # the installed program
readonly CONFIGURATION=/etc/intercom/intercom.toml

systemd_runs() { [[ -d /run/systemd/system ]]; }

# with_systemd WHAT COMMAND...: a chroot or an image has no running systemd; it will do this at boot.
with_systemd() {
    local what=$1
    shift
    if systemd_runs; then "$@"; else say "systemd is not running here, left for the first boot: $what"; fi
}

# The program. The stamp tells which requirements and which pjsua2 it was made with; while they are
# the same, only the package itself is installed again.
install_program() {
    local wheel=$1 key source
    key=$({ cat "$ROOT/firmware/requirements.txt"; declare -f fill_venv; "$(interpreter)" -VV; echo "$wheel"; } | sha256sum)
    : >"$CACHE/logs/pip.log"
    if [[ $(cat "$PREFIX/.complete" 2>/dev/null) != "$key" ]]; then
        say "Python packages: $PREFIX"
        rm -f "$PREFIX/.complete"
        fill_venv "$PREFIX" "$wheel" "$ROOT/firmware/requirements.txt" || venv_failed
        echo "$key" >"$PREFIX/.complete"
    fi
    say "the intercom: $PREFIX"
    # From a copy: building a package leaves folders in its source.
    source=$(mktemp -d)
    cp -r "$ROOT/firmware/intercom" "$ROOT/firmware/pyproject.toml" "$source/"
    logged pip "$PREFIX/bin/python" -m pip --disable-pip-version-check install --no-index --no-deps \
        --no-build-isolation --force-reinstall "$source" || venv_failed
    rm -rf "$source"
    ln -sfn "$PREFIX/bin/intercom" /usr/local/bin/intercom
    # Manual pages and completion, out of the commands' own descriptions.
    "$PREFIX/bin/python" -m intercom.cli.manual /usr/local
}

install_service() {
    local catalog
    say "the service"
    install -D -m 644 "$ROOT/systemd/intercom.sysusers" /etc/sysusers.d/intercom.conf
    install -D -m 644 "$ROOT/systemd/intercom.tmpfiles" /etc/tmpfiles.d/intercom.conf
    install -D -m 644 "$ROOT/systemd/intercom.service" /etc/systemd/system/intercom.service
    for catalog in "$ROOT"/systemd/*.catalog; do
        [[ ! -e $catalog ]] || install -D -m 644 -t /usr/local/lib/systemd/catalog "$catalog"
    done
    # These three work on files, so also in a chroot. Device nodes and the like are not theirs.
    systemd-sysusers /etc/sysusers.d/intercom.conf
    systemd-tmpfiles --create /etc/tmpfiles.d/intercom.conf
    journalctl --update-catalog
    with_systemd 'systemctl daemon-reload' systemctl daemon-reload
    systemctl enable --quiet intercom.service
}

install_configuration() {
    if [[ -e $CONFIGURATION ]]; then
        say "$CONFIGURATION is there already and stays as it is"
        return
    fi
    install -D -m 640 -o root -g intercom "$ROOT/firmware/intercom/sample.toml" "$CONFIGURATION"
}

install_door() {
    local wheel
    need_root install "$@"
    (($# == 0)) || { usage >&2; exit 2; }
    mkdir -p "$CACHE/logs"
    install_packages "${RUN_PACKAGES[@]}" systemd
    wheel=$(build_wheel)
    install_program "$wheel"
    install_service
    install_configuration
    cat <<NEXT

The intercom is installed. Next:
  1. sudoedit $CONFIGURATION   your SIP account, whom to ring, the door code
  2. sudo intercom check                       finds mistakes in it, all at once
  3. sudo systemctl restart intercom           it also starts at every boot
  4. intercom status                           or, with every word: journalctl -u intercom -f
NEXT
}

uninstall_door() {
    need_root uninstall "$@"
    (($# == 0)) || { usage >&2; exit 2; }
    with_systemd 'systemctl stop intercom' systemctl stop intercom.service 2>/dev/null || true
    systemctl disable --quiet intercom.service 2>/dev/null || true
    rm -f /etc/systemd/system/intercom.service /etc/sysusers.d/intercom.conf /etc/tmpfiles.d/intercom.conf \
        /usr/local/lib/systemd/catalog/intercom*.catalog /usr/local/bin/intercom /usr/local/share/man/man1/intercom*.1 \
        /usr/local/share/bash-completion/completions/intercom /usr/local/share/zsh/site-functions/_intercom
    journalctl --update-catalog 2>/dev/null || true
    with_systemd 'systemctl daemon-reload' systemctl daemon-reload
    rm -rf "$PREFIX"
    say "removed. Left in place: /etc/intercom (configuration), /var/lib/intercom (state), $CACHE, the Debian packages"
}
