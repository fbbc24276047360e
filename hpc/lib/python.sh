# shellcheck shell=bash
# Virtual environments in the cache, with nbrewind editable from this checkout. One for each set of dependencies, so
# that a changed pyproject.toml makes a new one and a shell in the old one keeps working.

# venv_path BASE EXTRAS: where it lies. BASE names the interpreter that it stands on.
venv_path() {
    local base=$1 extras=$2 key
    [[ -f $CHECKOUT/pyproject.toml ]] || die "$CHECKOUT/pyproject.toml is missing: run this from a complete checkout"
    key=$({
        printf '%s\n' "$CHECKOUT" "$base" "$extras"
        cat "$CHECKOUT/pyproject.toml" "$CHECKOUT/hpc/requirements.txt" "$CHECKOUT/examples/requirements.txt"
    } | digest)
    echo "$CACHE/venv-${base%%:*}-$key"
}

# venv_ensure VENV EXTRAS ENTER PYTHON [OPTION…]: ENTER is a function that runs a command where PYTHON is.
venv_ensure() {
    local venv=$1
    if [[ ! -f $venv/.used ]]; then
        locked environment venv_build "$@"
        prune 'venv-*'
    fi
    mark_used "$venv"
}

venv_build() {
    local venv=$1 extras=$2 enter=$3 python=$4
    shift 4
    [[ -f $venv/.used ]] && return
    remove_tree "$venv"
    step "making a Python environment" venv "$enter" "$python" -m venv "$@" "$venv" || exit "$EXIT_UNUSABLE"
    pip_install "$enter" "$venv/bin/python" "$extras" || exit "$EXIT_UNUSABLE"
    mark_used "$venv"
}

# venv_variant_path VENV REQUIREMENTS: where the copy of an environment lies in which some packages have other versions.
venv_variant_path() { echo "$1-$(digest <"$2")"; }

# venv_variant_ensure VENV REQUIREMENTS ENTER
venv_variant_ensure() {
    local variant
    variant=$(venv_variant_path "$1" "$2")
    [[ -f $variant/.used ]] || locked environment venv_variant_build "$variant" "$@"
    mark_used "$variant"
}

venv_variant_build() {
    local variant=$1 venv=$2 requirements=$3 enter=$4
    [[ -f $variant/.used ]] && return
    remove_tree "$variant"
    # Links to the same files: installing replaces files and never changes one.
    cp --archive --link "$venv" "$variant"
    rm -f "$variant/.used"
    { grep --recursive --files-with-matches --binary-files=without-match --fixed-strings "$venv" \
        "$variant"/{bin,pyvenv.cfg,share} || true; } | while read -r file; do
        [[ -L $file ]] || sed --in-place "s|$venv|$variant|g" "$file"
    done
    PIP_CACHE_DIR=${PIP_CACHE_DIR:-$CACHE/pip} \
        step "installing other versions for site b" pip-b \
        "$enter" "$variant/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
        --requirement "$requirements" || exit "$EXIT_UNUSABLE"
    mark_used "$variant"
}

pip_install() {
    local enter=$1 python=$2 extras=$3
    PIP_CACHE_DIR=${PIP_CACHE_DIR:-$CACHE/pip} \
        step "installing nbrewind and what it needs ($extras)" pip \
        "$enter" "$python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
        --editable "${CHECKOUT}[$extras]" --requirement "$CHECKOUT/hpc/requirements.txt" || return
    # packages that only carry data: what they import is not needed
    PIP_CACHE_DIR=${PIP_CACHE_DIR:-$CACHE/pip} \
        step "installing the examples' data" pip-data \
        "$enter" "$python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
        --no-deps --requirement "$CHECKOUT/examples/requirements.txt"
}

# host_python: the best Python of the host that can make virtual environments, or nothing.
host_python() {
    local name
    for name in python3.13 python3.12 python3.11 python3 python3.14; do
        have "$name" && "$name" -c '
import sys
sys.version_info >= (3, 11) or sys.exit(1)
import ensurepip, venv
print(sys.executable)' 2>/dev/null && return
    done
    return 1
}

# host_python_ensure: as host_python; on Debian as root it is installed when missing.
host_python_ensure() {
    host_python && return
    if debian_possible; then
        apt_install python3 python3-venv >&2
        host_python && return
    fi
    return 1
}

in_host() { "$@"; }
