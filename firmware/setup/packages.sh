# shellcheck shell=bash
# Debian's packages: what is missing, and how it is installed without starting services.

readonly POLICY=/usr/sbin/policy-rc.d                 # asked by Debian before it starts a service
readonly POLICY_MARK='made by the setup of the intercom, for the time of an installation'

missing_packages() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
    done
}

# Debian starts a service as soon as it is installed; the demo's SIP service must not run on the
# developer's machine. A policy-rc.d says no; it is only there during the installation, and where a power cut or a
# SIGKILL has left it, it says yes: else no security update would start a service again.
forbid_services() {
    remove_policy
    [[ ! -e $POLICY ]] || return 0      # the machine has a policy of its own: leave it
    trap remove_policy EXIT
    policy_of $$ >"$POLICY"
    chmod 755 "$POLICY"
}

# policy_of PID: says no to services for as long as that process of this boot is setting up.
policy_of() {
    cat <<POLICY
#!/bin/sh
# $POLICY_MARK
[ "\$(cat /proc/sys/kernel/random/boot_id)" = "$(cat /proc/sys/kernel/random/boot_id)" ] || exit 0
[ "\$(cut -d ' ' -f 22 /proc/$1/stat 2>/dev/null)" = "$(cut -d ' ' -f 22 "/proc/$1/stat")" ] || exit 0
exit 101
POLICY
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
    for service in kamailio mosquitto coturn; do
        if [[ " ${missing[*]} " == *" $service "* ]] && command -v systemctl >/dev/null; then
            systemctl disable --quiet "$service.service" >>"$log" 2>&1 || true
        fi
    done
}
