#!/bin/bash
# Makes a small Debian, a folder to chroot into or to boot, and prints where it is:
# debian-tree.sh asterisk | chan_sip | peers | bare [SUITE]
#   asterisk   with Asterisk, which Debian has only in sid and in bullseye, and neither fits on the other releases;
#              a run of the tests mounts its own folder over /lab in it and writes nowhere else
#   chan_sip   with Asterisk 16, the last one that Debian has with chan_sip; the same
#   peers      with SIP software of Debian 13: newer phones, Kamailio 6 with WebSocket, rtpengine; the same
#   bare       this machine's own release (or SUITE) with nothing but systemd, which is to become a door
# It is kept in the cache under its recipe's key.
#
#   INTERCOM_CACHE      where the tree is kept (root: /var/cache/intercom)
#
# Exit status: 0 made or found, 75 no mirror of this machine gave one (the tests then leave it out), 1 else.
set -euo pipefail

KIND=${1:-}
case $KIND in
asterisk) SUITES=(sid bullseye) PACKAGES=asterisk,asterisk-core-sounds-en-wav,ca-certificates MARK=usr/sbin/asterisk VARIANT=apt ;;
chan_sip) SUITES=(bullseye) PACKAGES=asterisk,asterisk-core-sounds-en-wav,ca-certificates MARK=usr/sbin/asterisk VARIANT=apt ;;
peers)
    SUITES=(trixie)
    PACKAGES=ca-certificates,baresip-core,linphone-cli,kamailio,kamailio-websocket-modules,kamailio-tls-modules,rtpengine-daemon
    PACKAGES+=,twinkle-console,libasound2-plugins MARK=usr/bin/rtpengine VARIANT=apt
    ;;
bare)
    SUITES=("${2:-$(sed -n "s/^VERSION_CODENAME=//p" /etc/os-release)}")
    PACKAGES=systemd-sysv,dbus,ca-certificates MARK=usr/sbin/init VARIANT=minbase
    ;;
*) sed -n '2,/^#$/{s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac
CACHE=${INTERCOM_CACHE:-/var/cache/intercom}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -e $KEYRING ]] || KEYRING=${KEYRING%.gpg}.pgp
LOG=$CACHE/logs/$KIND.log
# The recipe of this kind, and not of the others.
KEY=$({ sed '/^case /,/^esac/d' "$0"; dpkg --print-architecture; echo "$KIND ${SUITES[*]} $PACKAGES $VARIANT"; } |
    sha256sum | cut -c1-16)
TREE=$CACHE/$KIND-$KEY

say() { printf '==> %s\n' "$*" >&2; }

# What this machine's own apt takes Debian from, one a line.
mirrors() {
    # shellcheck disable=SC2016  # apt's language
    apt-get indextargets --no-release-info --format '$(RELEASE)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' |
        awk -F'|' '$2 == "main" && $1 !~ /security|updates|backports/ { print $3 }' | awk '!seen[$0]++'
}

# One line each 15 seconds, or on a terminal the last line: it takes one to two minutes.
progress() {
    local line shown=$SECONDS
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$LOG"
        if [[ -t 2 ]]; then
            printf '\r\e[K    %.100s' "$line" >&2
        elif ((SECONDS - shown >= 15)); then
            shown=$SECONDS
            printf '    [%d s] %.100s\n' "$SECONDS" "$line" >&2
        fi
    done
    [[ ! -t 2 ]] || printf '\r\e[K' >&2
}

make_from() {
    local suite=$1 mirror=$2
    say "a small Debian $suite ($KIND), into $TREE"
    rm -rf "$TREE.new"
    mmdebstrap --mode=root --variant="$VARIANT" --keyring="$KEYRING" --include="$PACKAGES" \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
        --aptopt='Acquire::Retries "3"' --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
        "$suite" "$TREE.new" "deb [signed-by=$KEYRING] $mirror $suite main" 2>&1 | progress
    [[ -e $TREE.new/$MARK ]] || return 1
    rm -rf "$TREE.new"/var/cache/apt/archives/*.deb "$TREE.new"/var/lib/apt/lists/*
    mkdir "$TREE.new/lab"
    mv "$TREE.new" "$TREE"
}

make() {
    local suite mirror
    for suite in "${SUITES[@]}"; do
        while read -r mirror; do
            printf '\n=== %s at %s\n' "$suite" "$mirror" >>"$LOG"
            ! make_from "$suite" "$mirror" || return 0
        done < <(mirrors)
    done
    rm -rf "$TREE.new"
    say "none of this machine's apt mirrors gave $KIND; all they said: $LOG"
    return 75
}

umask 022
if [[ ! -d $TREE ]]; then
    mkdir -p "$CACHE/logs"
    exec 9>"$CACHE/$KIND.lock"
    flock -n 9 || { say "another setup is making this tree: waiting for it"; flock 9; }
    [[ -d $TREE ]] || make
    find "$CACHE" -maxdepth 1 -name "$KIND-*" -type d ! -path "$TREE" -mtime +30 -exec rm -rf -- {} +
fi
touch "$TREE"
echo "$TREE"
