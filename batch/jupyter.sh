#!/bin/bash
# JupyterLab with the kernels "NBRewind audit" and "NBRewind repeat" on a login node: ./jupyter.sh [OPTION OF JUPYTER]…
# Connect to it with: ssh -L 8888:localhost:8888 LOGIN-NODE
set -euo pipefail
# module load python/3.13                # <- where Python comes from
# source ~/nbrewind/bin/activate
export NBREWIND_SITE=${NBREWIND_SITE:-}   # <- a site of `nbrewind site list`; empty: as the notebook says
nbrewind kernels list
exec jupyter lab --no-browser --ip=localhost --port=8888 "$@"
