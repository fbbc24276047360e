#!/bin/bash
# Keeps workers running for one manager through Slurm, until it is ended: ./factory.sh HOST PORT
# How many and how large: factory.json, which is read again when it changes. Work Queue: ENGINE=work_queue ./factory.sh …
set -euo pipefail
# module load python/3.13                # <- where the tasks' Python comes from
host=${1:?the host of the manager} port=${2:?its port}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The jobs see this folder too, and it must be fresh: an old worker in it may still be running.
scratch=$(mktemp -d "${SCRATCH:-$HOME}/factory-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
options='--time=0:30:00'   # <- queue and account too
# A job carries the whole environment of the factory: only what is needed.
# A login shell may reset PATH; the wrapper sets it again.
env --ignore-environment HOME="$HOME" USER="${USER:-$(id -un)}" PATH="$PATH" ${SLURM_CONF:+SLURM_CONF="$SLURM_CONF"} \
    "${ENGINE:-vine}_factory" --batch-type=slurm --config-file="$here/factory.json" --scratch-dir="$scratch" \
    --batch-options="$options" --wrapper="env PATH=$PATH" --parent-death ${PASSWORD_FILE:+--password="$PASSWORD_FILE"} \
    "$host" "$port" &
trap 'kill %1' TERM INT
wait %1 || true
wait
