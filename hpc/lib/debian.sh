# shellcheck shell=bash
# A private Debian 13 in the cache: TaskVine, Work Queue, Slurm and Python 3.13 for a host that has none of them.
# It is a folder, entered with bubblewrap; nothing of it is installed on the host.

readonly DEBIAN_SUITE=trixie
readonly DEBIAN_MIRROR=${NBREWIND_DEBIAN_MIRROR:-http://deb.debian.org/debian}
readonly DEBIAN_PACKAGES=(
    python3 python3-venv
    python3-workqueue coop-computing-tools
    slurm-wlm slurm-wlm-torque munge
    bubblewrap iproute2 procps ca-certificates curl openssh-client
)
# A changed recipe gives another name, so an old root is never taken for a new one. Raise the number to force that.
DEBIAN_ROOT=$CACHE/debian13-$(printf '%s\n' 1 "$DEBIAN_SUITE" "${DEBIAN_PACKAGES[@]}" | digest)
readonly DEBIAN_ROOT

debian_possible() { is_root && have apt-get; }

debian_ready() { [[ -f $DEBIAN_ROOT/.used ]] && have bwrap; }

debian_ensure() {
    if ! debian_ready; then
        locked debian debian_build
    fi
    mark_used "$DEBIAN_ROOT"
}

debian_build() {
    apt_install mmdebstrap bubblewrap debian-archive-keyring
    [[ -f $DEBIAN_ROOT/.used ]] && return
    local part=$DEBIAN_ROOT.part
    # A part is what an interrupted build left behind.
    remove_tree "$part"
    step "building a private Debian 13 with TaskVine and Slurm" debian debian_bootstrap "$part" ||
        exit "$EXIT_UNUSABLE"
    mv "$part" "$DEBIAN_ROOT"
    mark_used "$DEBIAN_ROOT"
    prune 'debian13-*'
}

debian_bootstrap() {
    local root=$1 packages proxy='' options=()
    packages=$(IFS=,; echo "${DEBIAN_PACKAGES[*]}")
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [[ -n $proxy ]] && options+=("--aptopt=Acquire::http::Proxy \"$proxy\"")
    # Namespaces of its own: an interrupted build leaves neither processes nor mounts.
    unshare --mount --pid --fork --kill-child --mount-proc \
        mmdebstrap --mode=root --format=directory --variant=minbase --include="$packages" "${options[@]}" \
        --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        "$DEBIAN_SUITE" "$root" "$DEBIAN_MIRROR" || return
    # Files that the host's are laid over must exist: the root is mounted read-only.
    mkdir -p "$root/etc/xdg/pip" "$root/etc/ssl/certs"
    touch "$root"/etc/{resolv.conf,hosts,hostname,pip.conf}
}

# debian_run COMMAND…: replaces this process. The operating system is the private one; every other folder is the host's.
debian_run() {
    local args=() path
    debian_system_args
    for path in /etc/{resolv.conf,hosts,passwd,group,pip.conf,xdg/pip,ssl/certs}; do
        [[ -e $path ]] && args+=(--ro-bind "$path" "$path")
    done
    for path in /*; do
        debian_share "$path"
    done
    for path in "$PWD" "$CHECKOUT" "$CACHE"; do
        case $path in /usr/* | /etc/* | /run/* | /var/*) args+=(--bind "$path" "$path") ;; esac
    done
    exec env --unset=LD_LIBRARY_PATH --unset=LD_PRELOAD --unset=PYTHONPATH --unset=PYTHONHOME \
        PATH="${ENGINE_PATH:+$ENGINE_PATH:}/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin" \
        LANG="${LANG:-C.UTF-8}" NBREWIND_ENGINE_ROOT="$DEBIAN_ROOT" \
        bwrap "${args[@]}" --dev-bind /dev /dev --proc /proc --ro-bind-try /sys /sys \
        --unshare-pid --die-with-parent --chdir "$PWD" -- "$@"
}

# in_debian COMMAND…: the same, and returns.
in_debian() { (debian_run "$@"); }

# Adds to the caller's array `args`: the parts of the private root, on an empty file system that takes any mount point.
debian_system_args() {
    local entry name
    for entry in "$DEBIAN_ROOT"/{bin,sbin,lib,lib32,lib64,libx32,usr,etc}; do
        name=${entry##*/}
        if [[ -L $entry ]]; then
            args+=(--symlink "$(readlink "$entry")" "/$name")
        elif [[ -d $entry ]]; then
            args+=(--ro-bind "$entry" "/$name")
        fi
    done
    args+=(--tmpfs /run --tmpfs /var --symlink /run /var/run)
}

# Adds to the caller's array `args`: one folder at the top of the host, unless it belongs to the operating system.
debian_share() {
    local path=$1
    case $path in
    /bin | /sbin | /lib | /lib32 | /lib64 | /libx32 | /usr | /etc) ;;
    /dev | /proc | /sys | /run | /var | /boot | /lost+found) ;;
    *)
        if [[ -L $path ]]; then
            args+=(--symlink "$(readlink "$path")" "$path")
        elif [[ -d $path ]]; then
            args+=(--bind "$path" "$path")
        fi
        ;;
    esac
}
