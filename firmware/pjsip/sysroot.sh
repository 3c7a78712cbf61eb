#!/bin/bash
# Makes a folder with what is compiled and linked against for another machine (headers, libraries, its Python), out of
# Debian's own packages, and prints where it is: sysroot.sh ARCHITECTURE RELEASE, such as arm64 trixie
# Nothing of it runs while it is made, so it needs no emulator. It is kept in the cache under its recipe's key.
#
#   INTERCOM_CACHE      where it is kept (build.sh tells it)
# shellcheck disable=SC2016  # $(NAME) in single quotes is apt's own language
set -euo pipefail

readonly ARCH=$1 SUITE=$2 CACHE=$INTERCOM_CACHE
readonly PACKAGES=python3-dev,libc6-dev,libstdc++6,libopus-dev,libssl-dev,libsrtp2-dev,libspeexdsp-dev,uuid-dev
KEY=$({ cat "$0"; echo "$ARCH $SUITE"; } | sha256sum | cut -c1-16)
readonly TREE=$CACHE/sysroot-$KEY LOG=$CACHE/logs/sysroot.log
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -e $KEYRING ]] || KEYRING=${KEYRING%.gpg}.pgp

# What this machine's own apt takes Debian from, one a line.
mirrors() {
    apt-get indextargets --no-release-info --format '$(RELEASE)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' |
        awk -F'|' '$2 == "main" && $1 !~ /security|updates|backports/ { print $3 }' | awk '!seen[$0]++'
}

make_from() {
    local link to
    rm -rf "$TREE.new"
    # Not even root is needed to unpack.
    mmdebstrap --quiet --mode="$( ((EUID == 0)) && echo root || echo chrootless)" --variant=extract --keyring="$KEYRING" \
        --architectures="$ARCH" --include="$PACKAGES" --aptopt='Acquire::Retries "3"' \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
        "$SUITE" "$TREE.new" "deb [signed-by=$KEYRING] $1 $SUITE main" >>"$LOG" 2>&1 || return 1
    # Later releases keep these in usr/ alone, and link to them in a package that nothing here needs.
    for link in lib bin sbin; do [[ -e $TREE.new/$link ]] || ln -s "usr/$link" "$TREE.new/$link"; done
    # Links from the root of a file system lead astray in a folder.
    find "$TREE.new" -type l -lname '/*' -printf '%P|%l\n' | while IFS='|' read -r link to; do
        ln -sfnr "$TREE.new$to" "$TREE.new/$link"
    done
    mv "$TREE.new" "$TREE"
}

if [[ ! -d $TREE ]]; then
    : >"$LOG"
    while read -r mirror; do
        ! make_from "$mirror" || break
    done < <(mirrors)
    rm -rf "$TREE.new"
    if [[ ! -d $TREE ]]; then
        printf 'none of the mirrors of this machine gave the libraries of %s for %s. The last lines of %s:\n' "$SUITE" "$ARCH" "$LOG" >&2
        tail -n 8 "$LOG" | sed 's/^/    /' >&2
        exit 1
    fi
    find "$CACHE" -maxdepth 1 -name 'sysroot-*' -type d ! -path "$TREE" -mtime +30 -exec rm -rf -- {} +
fi
touch "$TREE"
echo "$TREE"
