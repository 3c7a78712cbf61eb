#!/bin/bash
# Fetches what the device installs from PyPI, and prints the folder: arm64-wheels.sh PYTHON
# The hashes of requirements.lock are good for it, as for any machine; pip is only told for whom the files are to be.
#
#   INTERCOM_CACHE   where it is kept (root: /var/cache/intercom)
set -euo pipefail

HERE=$(dirname "$(readlink -f "$0")")
LOCK=$HERE/../../firmware/requirements.lock
CACHE=${INTERCOM_CACHE:-/var/cache/intercom}
minor=$(/usr/bin/python3 -c 'import sys; print(sys.version_info[1])')
WHEELS=$CACHE/wheels-arm64-$({ cat "$0" "$LOCK"; echo "$minor"; } | sha256sum | cut -c1-16)

if [[ ! -d $WHEELS ]]; then
    options=(--python-version "3.$minor" --implementation cp --abi "cp3$minor" --abi abi3 --abi none --platform any)
    for libc in 2_17 2_24 2_26 2_27 2_28 2_31 2_34; do options+=(--platform "manylinux_${libc}_aarch64"); done
    rm -rf "$WHEELS".new.*
    new=$(mktemp -d "$WHEELS.new.XXXX")
    mkdir -p "$CACHE/logs"
    if ! "$1" -m pip --disable-pip-version-check download --no-deps --only-binary :all: --require-hashes "${options[@]}" \
        -r "$LOCK" -d "$new" >"$CACHE/logs/arm64-wheels.log" 2>&1; then
        rm -rf "$new"
        tail -n 5 "$CACHE/logs/arm64-wheels.log" >&2
        exit 1
    fi
    mv -T "$new" "$WHEELS" || rm -rf "$new"
fi
touch "$WHEELS"
echo "$WHEELS"
