# shellcheck shell=bash
# Debian's packages of an architecture that is not this machine's: fetched and unpacked, never installed. Sourced.
# The machine's own lists and sources stay as they are.

# What this machine's own apt takes Debian from, one a line.
mirrors() {
    # shellcheck disable=SC2016  # apt's language
    apt-get indextargets --no-release-info --format '$(RELEASE)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' |
        awk -F'|' '$2 == "main" && $1 !~ /security|updates|backports/ { print $3 }' | awk '!seen[$0]++'
}

# apt_for FOLDER ARCHITECTURE RELEASE MIRROR: APT_CONFIG=FOLDER/apt.conf is an apt of that architecture.
apt_for() {
    local folder=$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [[ -e $keyring ]] || keyring=${keyring%.gpg}.pgp
    mkdir -p "$folder"/{lists/partial,cache/archives/partial,parts}
    : >"$folder/status"
    echo "deb [signed-by=$keyring] $4 $3 main" >"$folder/sources.list"
    cat >"$folder/apt.conf" <<CONF
Dir::Etc::sourcelist "$folder/sources.list";
Dir::Etc::sourceparts "$folder/parts";
Dir::State::Lists "$folder/lists";
Dir::State::status "$folder/status";
Dir::Cache "$folder/cache";
APT::Architecture "$2";
APT::Architectures { "$2"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
CONF
    APT_CONFIG=$folder/apt.conf apt-get -qq update
}

# fetch_debs CONFIGURATION FOLDER PACKAGE...: download them there.
fetch_debs() {
    local configuration=$1 folder=$2
    shift 2
    mkdir -p "$folder"
    (cd "$folder" && APT_CONFIG=$configuration apt-get -qq download "$@")
}

# unpack_debs FOLDER TREE: all of a folder's packages into a tree, over what is there, without what nobody reads.
unpack_debs() {
    local deb
    for deb in "$1"/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$2" \
            --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
            --exclude='./usr/share/locale/*' --exclude='./usr/share/info/*'
    done
}
