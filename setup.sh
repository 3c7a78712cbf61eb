#!/bin/bash
# Sets up the intercom: on a developer's machine, in CI, and on the Raspberry Pi at the door.
# Run it without arguments to see what it can do.
set -euo pipefail

ROOT=$(dirname "$(readlink -f "$0")")
readonly ROOT
readonly PREFIX=/opt/intercom                         # the installed program
readonly CONFIGURATION=/etc/intercom/intercom.toml
readonly POLICY=/usr/sbin/policy-rc.d                 # asked by Debian before it starts a service
readonly POLICY_MARK='made by the setup of the intercom, for the time of an installation'

# What a door needs: compilers and headers for pjsua2, PyAudio and systemd-python, and libraries to run them.
readonly RUN_PACKAGES=(
    build-essential pkg-config patch xz-utils ca-certificates debian-archive-keyring
    python3 python3-dev python3-venv
    libopus-dev libssl-dev libsrtp2-dev libspeexdsp-dev uuid-dev
    portaudio19-dev libportaudio2 libsystemd-dev
)
# What stands in for the world around the door in the demo and the tests.
readonly LAB_PACKAGES=(
    kamailio kamailio-tls-modules   # the SIP service
    baresip-core                    # the phone inside
    sip-tester                      # odd and hostile SIP
    jackd2                          # a sound card without hardware (PortAudio in Debian speaks JACK)
    systemd                         # a real journald, run without systemd as PID 1
    iproute2 util-linux openssl     # a network of its own; certificates
)
readonly TEST_PACKAGES=(
    shellcheck mandoc zsh           # what the shell scripts, the manual pages and the completion are read by
)

usage() {
    cat <<USAGE
Usage: ./setup.sh COMMAND [ARGUMENTS]

  demo [ARGUMENTS]   set up what is missing, then show one whole visit, without any hardware
  test [ARGUMENTS]   set up what is missing, then run the whole test suite; ARGUMENTS go to pytest
  wheel              only build pjsua2 (or find the one built before) and print where it is
  install            make this machine a door station
  uninstall          take the door station off this machine; the configuration stays

Examples:
  sudo ./setup.sh demo
  sudo ./setup.sh test -k strike -x
  sudo ./setup.sh install

Everything that is downloaded or built is kept in ${CACHE}
(another place: INTERCOM_CACHE=/path). Needs Debian or Raspberry Pi OS, 12 or newer.
USAGE
}

# ---------------------------------------------------------------------------- talking

if [[ -t 2 && -z ${NO_COLOR:-} ]]; then BOLD=$'\e[1m' RED=$'\e[31m' DIM=$'\e[2m' PLAIN=$'\e[0m' CLEAR=$'\r\e[K'
else BOLD='' RED='' DIM='' PLAIN='' CLEAR=''; fi

say() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*" >&2; }
die() {
    printf '%sError:%s %s\n' "$RED" "$PLAIN" "$1" >&2
    shift
    (($# == 0)) || printf '       %s\n' "$@" >&2
    exit 1
}

# Reads a command's output, keeps it in the file $1, and shows that something moves: the last line
# on a terminal, one line each 15 seconds elsewhere.
show_progress() {
    local line shown=$SECONDS
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$1"
        if [[ -n $CLEAR ]]; then
            printf '%s    %s%.100s%s' "$CLEAR" "$DIM" "$line" "$PLAIN" >&2
        elif ((SECONDS - shown >= 15)); then
            shown=$SECONDS
            printf '    [%d s] %.100s\n' "$SECONDS" "$line" >&2
        fi
    done
    printf '%s' "$CLEAR" >&2
}

# logged NAME COMMAND...: true when the command worked; all it said is in the log NAME.
logged() {
    local log=$CACHE/logs/$1.log
    shift
    "$@" 2>&1 9>&- | show_progress "$log"
}

need_root() {
    ((EUID == 0)) || die "'$1' needs root: sudo ./setup.sh $*"
}

# ---------------------------------------------------------------------------- Debian packages

missing_packages() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
    done
}

# Debian starts a service as soon as it is installed; the demo's SIP service must not run on the
# developer's machine. A policy-rc.d says no; it is only there during the installation.
forbid_services() {
    remove_policy
    [[ ! -e $POLICY ]] || return 0      # the machine has a policy of its own: leave it
    trap remove_policy EXIT
    printf '#!/bin/sh\n# %s\nexit 101\n' "$POLICY_MARK" >"$POLICY"
    chmod 755 "$POLICY"
}

remove_policy() {
    if grep -qsF "$POLICY_MARK" "$POLICY"; then rm -f "$POLICY"; fi
}

# apt-get waits for dpkg's lock by itself, but not for the lock of the lists.
update_lists() {
    local log=$CACHE/logs/apt.log attempt
    for attempt in {1..60}; do
        : >"$log"
        logged apt apt-get -q -o Acquire::Retries=3 update && return 0
        grep -q 'Could not get lock' "$log" || return 1
        ((attempt > 1)) || say "another program is using apt: waiting for it"
        sleep 5
    done
    return 1
}

install_packages() {
    local log=$CACHE/logs/apt.log missing left
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]} > 0)) || return 0
    command -v apt-get >/dev/null || die "this machine has no apt-get: the intercom needs Debian or Raspberry Pi OS"
    say "Debian packages: ${missing[*]}"
    update_lists || say "the package lists could not be refreshed: going on with what is here"
    forbid_services
    if ! logged apt env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=600 install "${missing[@]}"; then
        mapfile -t left < <(missing_packages "${missing[@]}")
        if ((${#left[@]} > 0)); then
            grep -E '^(E|W|Err):' "$log" | tail -n 5 | sed 's/^/    /' >&2 || true
            die "these packages could not be installed: ${left[*]}" \
                "Try: apt-get update && apt-get install ${left[*]}" "All that apt said: $log"
        fi
    fi
    remove_policy
    # Nor shall it start at the next boot, on a machine that did not have it before.
    if [[ " ${missing[*]} " == *' kamailio '* ]] && command -v systemctl >/dev/null; then
        systemctl disable --quiet kamailio.service >>"$log" 2>&1 || true
    fi
}

# ---------------------------------------------------------------------------- pjsua2 and the virtual environments

interpreter() { if [[ -x /usr/bin/python3 ]]; then echo /usr/bin/python3; else command -v python3; fi; }

build_wheel() {
    [[ ! -d $CACHE ]] || [[ -w $CACHE ]] || die "cannot write to $CACHE"
    INTERCOM_CACHE=$CACHE PYTHON=$(interpreter) "$ROOT/firmware/pjsip/build.sh"
}

# fill_venv FOLDER WHEEL REQUIREMENTS...
fill_venv() {
    local venv=$1 wheel=$2 requirements=() file
    shift 2
    for file in "$@"; do requirements+=(-r "$file"); done
    "$(interpreter)" -m venv --clear "$venv"
    # First the tools that compile the rest, at their pinned version; then everything with them.
    local tools
    tools=$(grep -hE '^(setuptools|swig)==' "$@" | sed 's/ *#.*//')
    local pip=("$venv/bin/python" -m pip --disable-pip-version-check)
    mapfile -t tools <<<"$tools"
    logged pip "${pip[@]}" install "${tools[@]}" || return 1
    # PYPI=1: lgpio, where it is compiled, takes its C library in instead of looking for a system one.
    logged pip env PATH="$venv/bin:$PATH" PYPI=1 "${pip[@]}" install --no-build-isolation --use-pep517 \
        "${requirements[@]}" || return 1
    logged pip "${pip[@]}" install --no-index --no-deps "$wheel"
}

venv_failed() {
    grep -E '^ *(error|ERROR|fatal)' "$CACHE/logs/pip.log" | tail -n 8 | sed 's/^/    /' >&2 || true
    die "the Python packages could not be installed" "All that pip said: $CACHE/logs/pip.log"
}

# Sets VENV to the environment of the demo and the tests. The name tells what is inside, and the
# stamp tells that it is complete: an interrupted one is made anew.
lab_venv() {
    local wheel=$1 key requirements=("$ROOT/firmware/requirements.txt" "$ROOT/tests/requirements.txt")
    key=$({ cat "${requirements[@]}"; declare -f fill_venv; "$(interpreter)" -VV; echo "$wheel"; } | sha256sum | cut -c1-16)
    VENV=$CACHE/venv-$key
    if [[ ! -e $VENV/.complete ]]; then
        exec 9>"$CACHE/venv.lock"
        flock -n 9 || { say "another setup is running: waiting for it"; flock 9; }
    fi
    if [[ ! -e $VENV/.complete ]]; then
        say "Python packages: $VENV"
        : >"$CACHE/logs/pip.log"
        fill_venv "$VENV" "$wheel" "${requirements[@]}" || venv_failed
        touch "$VENV/.complete"
        # Environments of earlier versions that nobody used for a month.
        find "$CACHE" -maxdepth 2 -path '*/venv-*/.complete' -mtime +30 -printf '%h\0' | xargs -0 -r rm -rf --
    fi
    exec 9>&-
    touch "$VENV/.complete"
}

prepare_lab() {
    local wheel
    mkdir -p "$CACHE/logs"
    install_packages "${RUN_PACKAGES[@]}" "${LAB_PACKAGES[@]}" "$@"
    wheel=$(build_wheel)
    lab_venv "$wheel"
}

# Runs a script of tests/ in the laboratory; does not come back.
enter_lab() {
    cd "$ROOT"
    # Compiled Python and lgpio's notification pipe go to the cache: root leaves nothing in the checkout.
    exec env PYTHONPATH="$ROOT/firmware:$ROOT/tests" PYTHONPYCACHEPREFIX="$CACHE/pycache" LG_WD="$CACHE" \
        HYPOTHESIS_STORAGE_DIRECTORY="$CACHE/hypothesis" INTERCOM_TEST_TIMES="$CACHE/test-times.json" \
        PATH="$VENV/bin:$PATH" "$VENV/bin/python" "$@"
}

demo() {
    need_root demo "$@"
    prepare_lab
    enter_lab "$ROOT/tests/demo.py" "$@"
}

run_tests() {
    need_root test "$@"
    prepare_lab "${TEST_PACKAGES[@]}"
    enter_lab "$ROOT/tests/run.py" "$@"
}

# ---------------------------------------------------------------------------- the door itself

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

# ---------------------------------------------------------------------------- which of them

main() {
    local command=${1:-help}
    (($# == 0)) || shift
    umask 022
    case $command in
    demo) demo "$@" ;;
    test) run_tests "$@" ;;
    wheel) build_wheel ;;
    install) install_door "$@" ;;
    uninstall) uninstall_door "$@" ;;
    help | -h | --help) usage ;;
    *) printf 'Unknown command: %s\n\n' "$command" >&2; usage >&2; exit 2 ;;
    esac
}

if [[ -n ${INTERCOM_CACHE:-} ]]; then CACHE=$INTERCOM_CACHE
elif ((EUID == 0)); then CACHE=/var/cache/intercom
else CACHE=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/intercom; fi
readonly CACHE

main "$@"
