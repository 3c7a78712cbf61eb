# shellcheck shell=bash
# The whole intercom as a Debian package, for this machine's release and architecture.

build_deb() {
    local version made work=$CACHE/deb
    (($# == 0)) || { usage >&2; exit 2; }
    command -v dh >/dev/null || die "the Debian package is made with debhelper" "Try: sudo apt-get install --no-install-recommends debhelper"
    mkdir -p "$CACHE/logs"
    get_wheel
    version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$ROOT/firmware/intercom/__init__.py")
    rm -rf "$work"
    mkdir -p "$work/intercom"
    cp -r "$ROOT/setup.sh" "$ROOT/firmware" "$ROOT/systemd" "$ROOT/hardware" "$work/intercom/"
    mv "$work/intercom/firmware/debian" "$work/intercom/debian"
    cat >"$work/intercom/debian/changelog" <<CHANGES
intercom ($version) unstable; urgency=medium

  * See the history of the source.

 -- The intercom's makers <intercom@localhost>  $(date -R)
CHANGES
    : >"$CACHE/logs/deb.log"
    say "the Debian package, intercom $version"
    (cd "$work/intercom" && logged deb env PJSUA2_WHEEL="$WHEEL" INTERCOM_CACHE="$CACHE" dpkg-buildpackage -b -us -uc) ||
        die "the package could not be built" "All that was said: $CACHE/logs/deb.log"
    made=$(compgen -G "$work/intercom_*.deb") || die "no package came out: $CACHE/logs/deb.log"
    mv "$made" .
    rm -rf "$work"
    echo "$PWD/${made##*/}"
}

# stage FOLDER: what goes into the package; called by firmware/debian/rules.
stage() {
    local top=$1 python
    mkdir -p "$CACHE/logs"
    get_wheel
    make_version "$top"
    ln -sfn "versions/$ID" "$top$PREFIX/current"
    mkdir -p "$top/usr/bin"
    ln -sfn "$PREFIX/current/bin/intercom" "$top/usr/bin/intercom"
    # It runs with the Python that it was made with, and with modules that Debian compiled for that one.
    python=$("$(interpreter)" -c 'import sys; print(f"python3 (>= 3.{sys.version_info[1]}), python3 (<< 3.{sys.version_info[1] + 1}~)")')
    printf '%s, %s' "$python" "$(printf '%s\n' "${PYTHON_PACKAGES[@]}" | sort -u | paste -sd, | sed 's/,/, /g')" >debian/python-depends
    PYTHONPATH=$top$PREFIX/versions/$ID "$top$PREFIX/versions/$ID/environment/bin/python" -P -m intercom.cli.docs.manpage "$top/usr"
}
