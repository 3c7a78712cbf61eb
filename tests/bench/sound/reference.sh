#!/bin/bash
# Builds the pjsua2 that the benchmark compares with: PJSIP with its own ALSA sound device and its own AEC3.
# The recipe is the product's (firmware/pjsip), changed in the few places below; so is the way it is kept: one wheel
# for each recipe, in $INTERCOM_CACHE/reference. Prints the wheel's path; takes some four minutes the first time.
set -euo pipefail

HERE=$(dirname "$(readlink -f "$0")")
CACHE=${INTERCOM_CACHE:-/var/cache/intercom}
RECIPE=$(mktemp -d)
trap 'rm -rf "$RECIPE"' EXIT

cp -r "$HERE/../../../firmware/pjsip/." "$RECIPE/"
sed -i -e '/^ *--disable-sound /d' \
    -e 's/^ *--disable-libwebrtc$/    --disable-libwebrtc --enable-libwebrtc-aec3/' \
    -e 's/^readonly LOCAL_VERSION=.*/readonly LOCAL_VERSION=reference/' \
    -e 's/libspeexdsp-dev uuid-dev)/libspeexdsp-dev uuid-dev libasound2-dev)/' "$RECIPE/build.sh"
for wanted in --enable-libwebrtc-aec3 LOCAL_VERSION=reference libasound2-dev; do
    grep -q -- "$wanted" "$RECIPE/build.sh" || { echo "reference.sh: the product's recipe has changed: $wanted" >&2; exit 1; }
done
INTERCOM_CACHE=$CACHE/reference "$RECIPE/build.sh"
