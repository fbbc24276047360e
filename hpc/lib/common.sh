# shellcheck shell=bash
# What every script under hpc/ needs: where things live, how progress and errors look, one lock.

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
CACHE=${XDG_CACHE_HOME:-${HOME:?set HOME}/.cache}/nbrewind
LOGS=$CACHE/log
# shellcheck disable=SC2034  # read by the scripts that source this file
readonly CHECKOUT CACHE LOGS
readonly EXIT_USAGE=2 EXIT_UNUSABLE=3

# Whatever is half done is done anew by the next call.
trap 'echo >&2; say "interrupted"; exit 130' INT

say() { printf '%s\n' "nbrewind: $*" >&2; }

die() {
    say "$*"
    exit "$EXIT_UNUSABLE"
}

usage_error() {
    say "$*"
    exit "$EXIT_USAGE"
}

# step TEXT LOG COMMAND…: one line with the seconds it took; the command's own output goes to a log, and its end is
# shown when the command fails. Returns the command's status.
step() {
    local text=$1 log=$LOGS/$2.log started=$SECONDS status=0
    shift 2
    mkdir -p "$LOGS"
    printf 'nbrewind: %s … ' "$text" >&2
    "$@" >"$log" 2>&1 || status=$?
    if ((status == 0)); then
        printf '%d s\n' "$((SECONDS - started))" >&2
        return
    fi
    printf 'failed after %d s\n' "$((SECONDS - started))" >&2
    tail -n 15 "$log" | cut -c 1-300 >&2
    say "$text failed; the whole log is $log"
    return "$status"
}

digest() { sha256sum | cut -c1-12; }

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { [[ $(id -u) == 0 ]]; }

# locked NAME FUNCTION [ARGUMENT…]: only one process on this machine at a time runs a function under this name.
locked() {
    local name=$1 fd status=0
    shift
    mkdir -p "$CACHE"
    exec {fd}>"$CACHE/$name.lock"
    if ! flock --nonblock "$fd"; then
        say "waiting for another process that holds $CACHE/$name.lock"
        flock "$fd"
    fi
    "$@" || status=$?
    exec {fd}>&-
    return "$status"
}

# remove_tree DIR: delete a folder under the cache, and never what is mounted in it.
remove_tree() {
    local dir=$1 mount
    [[ -e $dir || -L $dir ]] || return 0
    case $dir in
    "$CACHE"/?*) ;;
    *) die "refusing to delete $dir: it is not inside $CACHE" ;;
    esac
    while read -r mount; do
        umount --lazy "$mount" || die "cannot unmount $mount; unmount it, then try again"
    done < <(awk -v dir="$dir/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
    rm -rf --one-file-system "$dir"
}

# mark_used DIR, prune PATTERN: environments that a change of recipe or dependencies replaced go when they were not
# used for two days; not at once, because another shell may still run in them.
mark_used() { touch "$1/.used"; }

prune() {
    local used
    for used in "$CACHE"/$1/.used; do
        [[ -n $(find "$used" -mtime +1 2>/dev/null) ]] && remove_tree "${used%/.used}"
    done
    return 0
}

# apt_install PACKAGE…: as root on Debian; silent when all is there.
apt_install() {
    local missing=() package
    for package; do
        dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
    ((${#missing[@]} == 0)) && return
    step "installing ${missing[*]} with apt" apt apt_get_install "${missing[@]}" || exit "$EXIT_UNUSABLE"
    printf '%s\n' "${missing[@]}" >>"$CACHE/apt-installed"
}

apt_get_install() {
    local install=(apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300)
    export DEBIAN_FRONTEND=noninteractive
    # A fresh image has no package lists, an old one has stale ones: update only when the first try fails.
    "${install[@]}" "$@" || { apt-get update && "${install[@]}" "$@"; }
}
