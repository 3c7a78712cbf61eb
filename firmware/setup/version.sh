# shellcheck shell=bash
# One version of the program in a folder of its own, beside the others:
#   PREFIX/environments/KEY    Python with everything the intercom needs; shared by versions that need the same
#   PREFIX/versions/ID         the intercom itself, and the units that belong to it
#   PREFIX/current             the version that runs: a link, so going back is one rename

readonly PREFIX=/opt/intercom
readonly SOUND_RULES=/etc/udev/rules.d/85-intercom-sound.rules
readonly JOURNAL_SETTINGS=/etc/systemd/journald.conf.d/intercom.conf

# make_version ROOT_FOLDER: sets ID; everything is below ROOT_FOLDER, but knows itself at its final place.
make_version() {
    local top=$1 key folder environment
    key=$(environment_key "$WHEEL" "$ROOT/firmware/requirements.lock")
    ID=$(version_id "$key")
    environment=$PREFIX/environments/$key
    folder=$top$PREFIX/versions/$ID
    : >"$CACHE/logs/pip.log"
    if [[ ! -e $top$environment/.complete ]]; then
        say "Python packages: $environment"
        mkdir -p "$top$PREFIX/environments"
        fill_environment "$top$environment" "$WHEEL" "$ROOT/firmware/requirements.lock" || environment_failed
        # Nothing is ever installed into it again.
        rm -rf "$top$environment"/lib/python3*/site-packages/{pip,pip-*,setuptools,setuptools-*,pkg_resources,_distutils_hack}
        rm -f "$top$environment"/bin/{pip*,activate*,Activate*} "$top$environment"/lib/python3*/site-packages/distutils-precedence.pth
        touch "$top$environment/.complete"
    fi
    [[ ! -e $folder/.complete ]] || return 0
    say "the intercom: $PREFIX/versions/$ID"
    rm -rf "$folder"
    mkdir -p "$folder/bin"
    ln -sfn "../../environments/$key" "$folder/environment"
    cp -r "$ROOT/firmware/intercom" "$ROOT/systemd" "$folder/"
    install -D -m 644 -t "$folder/hardware" "$ROOT/hardware/sound.rules"
    find "$folder" -name __pycache__ -prune -exec rm -rf {} +
    cat >"$folder/bin/intercom" <<LAUNCHER
#!/bin/sh
PYTHONPATH=$PREFIX/versions/$ID exec $PREFIX/versions/$ID/environment/bin/python -P -m intercom "\$@"
LAUNCHER
    chmod 755 "$folder/bin/intercom"
    # Compiled now: the running door writes nothing, and may not be able to.
    "$top$environment/bin/python" -m compileall -q -s "$top" "$folder/intercom"
    touch "$folder/.complete"
}

# version_id KEY: the same for the same program, whatever the checkout is called.
version_id() {
    local version sum
    version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$ROOT/firmware/intercom/__init__.py")
    sum=$(cd "$ROOT" && { echo "$1"; find firmware/intercom systemd hardware/sound.rules -type f ! -path '*/__pycache__/*' -print0 | LC_ALL=C sort -z |
        xargs -0 sha256sum; } | sha256sum | cut -c1-10)
    echo "$version-$sum"
}

# running_version: the ID of the version that is in use; nothing where there is none.
running_version() { basename "$(readlink "$PREFIX/current" 2>/dev/null)" 2>/dev/null || true; }

# activate ID: this version runs from its next start on.
activate() {
    local folder=$PREFIX/versions/$1
    ln -sfn "versions/$1" "$PREFIX/current.new"
    mv -Tf "$PREFIX/current.new" "$PREFIX/current"
    ln -sfn "$PREFIX/current/bin/intercom" /usr/local/bin/intercom
    install_units "$folder/systemd"
    name_sound_card "$folder/hardware/sound.rules"
    # Manual pages and completion, out of the commands' own descriptions.
    PYTHONPATH=$folder "$folder/environment/bin/python" -P -m intercom.cli.docs.manpage /usr/local
}

# name_sound_card RULES: not where the configuration goes by a name that the card has without them.
name_sound_card() {
    if grep -E '^(input|output) = ".+"' "$CONFIGURATION" 2>/dev/null | grep -qv '"Door"'; then return; fi
    install -D -m 644 "$1" "$SOUND_RULES"
    if systemd_runs && command -v udevadm >/dev/null; then udevadm control --reload || true; fi
}

# install_units FOLDER
install_units() {
    local from=$1 unit
    install -D -m 644 "$from/intercom.sysusers" /etc/sysusers.d/intercom.conf
    install -D -m 644 "$from/intercom.tmpfiles" /etc/tmpfiles.d/intercom.conf
    for unit in "$from"/*.service "$from"/*.timer; do
        [[ ! -e $unit ]] || install -D -m 644 -t /etc/systemd/system "$unit"
    done
    install -D -m 644 -t /usr/local/lib/systemd/catalog "$from"/*.catalog
    if on_card && [[ ! -e $JOURNAL_SETTINGS ]]; then
        say "the root is on a memory card: the journal is kept in memory ($JOURNAL_SETTINGS)"
        install -D -m 644 "$from/journald.conf" "$JOURNAL_SETTINGS"
        with_systemd 'systemctl restart systemd-journald' systemctl restart systemd-journald.service
    fi
    # These three work on files, so also in a chroot. Device nodes and the like are not theirs.
    systemd-sysusers /etc/sysusers.d/intercom.conf
    systemd-tmpfiles --create /etc/tmpfiles.d/intercom.conf
    journalctl --update-catalog
    with_systemd 'systemctl daemon-reload' systemctl daemon-reload
    systemctl enable --quiet intercom.service
}

# Whether the root is on a card, or over one (overlayfs); INTERCOM_CARD=yes|no knows better.
on_card() {
    case ${INTERCOM_CARD:-} in
    yes) return 0 ;;
    no) return 1 ;;
    esac
    awk '$1 ~ "^/dev/mmcblk" && $2 ~ "^/$|^/boot" { found = 1 } END { exit !found }' "${MOUNTS:-/proc/mounts}"
}

# forget_versions ID...: remove all versions but these, and the environments that none of them needs.
forget_versions() {
    local folder environment
    for folder in "$PREFIX"/versions/*/; do
        folder=${folder%/}
        [[ " $* " == *" ${folder##*/} "* ]] || rm -rf "$folder"
    done
    for environment in "$PREFIX"/environments/*/; do
        environment=${environment%/}
        [[ " $(readlink "$PREFIX"/versions/*/environment | tr '\n' ' ')" == *"/${environment##*/} "* ]] || rm -rf "$environment"
    done
}

systemd_runs() { [[ -d /run/systemd/system ]]; }

# with_systemd WHAT COMMAND...: a chroot or an image has no running systemd; it will do this at boot.
with_systemd() {
    local what=$1
    shift
    if systemd_runs; then "$@"; else say "systemd is not running here, left for the first boot: $what"; fi
}
