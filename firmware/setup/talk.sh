# shellcheck shell=bash
# Talking: what setup.sh says, what it keeps in its logs, and how it gives up.

if [[ -t 2 && -z ${NO_COLOR:-} ]]; then BOLD=$'\e[1m' RED=$'\e[31m' GOOD=$'\e[32m' DIM=$'\e[2m' PLAIN=$'\e[0m' CLEAR=$'\r\e[K'
else BOLD='' RED='' GOOD='' DIM='' PLAIN='' CLEAR=''; fi

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

# with_clock WHAT COMMAND...: shows each minute that it still goes on; the status is the command's.
with_clock() {
    local what=$1 clock status=0
    shift
    # `read` waits without a process of its own, which would outlive the clock and hold our output open. A Ctrl-C does
    # not reach what runs in the background.
    (while read -r -t "${INTERCOM_CLOCK_S:-60}" <> <(:) || kill -0 $$ 2>/dev/null; do
        printf '    [%d s] %s\n' "$SECONDS" "$what" >&2
    done) >/dev/null &
    clock=$!
    "$@" || status=$?
    kill "$clock"
    wait "$clock" 2>/dev/null || true
    return "$status"
}

need_root() {
    ((EUID == 0)) || die "'$1' needs root: sudo ./setup.sh $*"
}
