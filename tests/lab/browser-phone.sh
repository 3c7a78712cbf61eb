#!/bin/bash
# Fetches the telephone of a browser (JsSIP, from npm, with the hashes of browser/package-lock.json), makes one file of
# it that a page can load, and prints where that is.
#
#   INTERCOM_CACHE   where it is kept (root: /var/cache/intercom)
#
# Exit status: 0 made or found, 75 npm did not give it (its tests are then left out), 1 else.
set -euo pipefail

HERE=$(dirname "$(readlink -f "$0")")/browser
CACHE=${INTERCOM_CACHE:-/var/cache/intercom}
LOG=$CACHE/logs/browser-phone.log
PHONE=$CACHE/browser-phone-$(cat "$0" "$HERE"/package*.json "$HERE/bundle.py" | sha256sum | cut -c1-16).js

if [[ ! -e $PHONE ]]; then
    mkdir -p "$CACHE/logs"
    new=$(mktemp -d "$CACHE/browser-phone.XXXX")
    trap 'rm -rf "$new"' EXIT
    cp "$HERE"/package*.json "$new"
    printf '==> %s\n' "JsSIP, a browser's telephone: $PHONE" >&2
    if ! (cd "$new" && npm ci --ignore-scripts --no-audit --no-fund --cache "$new/npm" </dev/null >"$LOG" 2>&1); then
        printf '==> %s\n' "npm did not give JsSIP; what it said: $LOG" >&2
        exit 75
    fi
    /usr/bin/python3 "$HERE/bundle.py" "$new/node_modules" jssip JsSIP >"$new/phone.js"
    find "$CACHE" -maxdepth 1 -name 'browser-phone-*.js' -mtime +30 -delete
    mv "$new/phone.js" "$PHONE"
fi
touch "$PHONE"
echo "$PHONE"
