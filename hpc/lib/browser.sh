# shellcheck shell=bash
# A browser for the tests that look at JupyterLab.

browser_program() {
    local name
    for name in chromium chromium-browser google-chrome; do
        have "$name" && command -v "$name" && return
    done
    return 1
}

browser_ensure() {
    if ! browser_program >/dev/null && debian_possible; then
        apt_install chromium fonts-dejavu-core
    fi
    NBREWIND_CHROMIUM=$(browser_program) || die "no Chromium here: install chromium or google-chrome"
    export NBREWIND_CHROMIUM
}
