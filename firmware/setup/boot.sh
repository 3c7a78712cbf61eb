# shellcheck shell=bash
# What the Raspberry Pi's boot loader is told: strikes and lamps are at rest from power-on, not only from the daemon's
# start. A block of ours at the end of config.txt, made of the configuration's own pins.

readonly BOOT_BEGIN='# intercom: the lines below are made by setup.sh, out of the configuration' BOOT_END='# intercom: end'

boot_file() {
    local file
    for file in ${INTERCOM_BOOT_FILE:+"$INTERCOM_BOOT_FILE"} /boot/firmware/config.txt /boot/config.txt; do
        [[ ! -f $file ]] || { echo "$file"; return; }
    done
}

# tell_boot_loader: puts the block in, or renews it; does nothing on what is no Pi, or where nothing changes.
tell_boot_loader() {
    local file lines text
    file=$(boot_file)
    [[ -n $file ]] || return 0
    lines=$("$PREFIX/current/bin/intercom" pins --boot --config "$CONFIGURATION") || return 0
    text=$(without_block "$file")
    # [all]: whatever model the lines before are for.
    printf '%s\n\n%s\n[all]\n%s\n%s\n' "$text" "$BOOT_BEGIN" "$lines" "$BOOT_END" >"$file.intercom"
    if cmp -s "$file" "$file.intercom"; then rm -f "$file.intercom"; return; fi
    put_boot_file "$file"
    say "$file: strikes and lamps are at rest from power-on, from the next boot on"
}

silence_boot_loader() {
    local file
    file=$(boot_file)
    if [[ -z $file ]] || ! grep -qxF "$BOOT_BEGIN" "$file"; then return 0; fi
    without_block "$file" >"$file.intercom"
    put_boot_file "$file"
}

# On FAT there is no journal: a power cut must find the old file or the new one, not an empty one.
put_boot_file() {
    sync -- "$1.intercom"
    mv -f -- "$1.intercom" "$1"
    sync -- "$(dirname "$1")"
}

# What was there before us, without the empty lines at its end.
without_block() { awk -v begin="$BOOT_BEGIN" -v end="$BOOT_END" '$0 == begin { skip = 1 } !skip; $0 == end { skip = 0 }' "$1" | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'; }
