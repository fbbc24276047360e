# shellcheck shell=bash
# The engine from conda-forge, in a private environment in the cache; the user's own environments stay as they are.

conda_program() {
    local name
    for name in micromamba mamba conda; do
        have "$name" && echo "$name" && return
    done
    # Inside an activated shell, conda may be a shell function that scripts do not see; CONDA_EXE always names the program.
    [[ -x ${CONDA_EXE:-} ]] && echo "$CONDA_EXE"
}

conda_prefix() {
    echo "$CACHE/conda-$({
        echo "$CHECKOUT"
        cat "$CHECKOUT/environment.yml" "$CHECKOUT/pyproject.toml" "$CHECKOUT/hpc/requirements.txt"
    } | digest)"
}

conda_ensure() {
    local prefix=$1 extras=$2
    if [[ ! -f $prefix/.used ]]; then
        locked environment conda_build "$prefix" "$extras" || return
        prune 'conda-*'
    fi
    mark_used "$prefix"
}

conda_build() {
    local prefix=$1 extras=$2 program
    [[ -f $prefix/.used ]] && return
    remove_tree "$prefix"
    program=$(conda_program)
    CONDA_ALWAYS_YES=1 MAMBA_ALWAYS_YES=1 \
        step "making an environment from conda-forge with $program" conda \
        "$program" env create --prefix "$prefix" --file "$CHECKOUT/environment.yml" || return
    pip_install in_host "$prefix/bin/python" "$extras" || return
    mark_used "$prefix"
}
