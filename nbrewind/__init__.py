"""Audit and repeat Jupyter notebooks that drive a cluster.

The package is built in layers, from the bottom up: `record`, `state`, `cells`, `tasks`, `plan`, `batch`, `hpc`,
`report`, `kernels`, and the command line. A layer imports only from those below it.
"""

__version__ = "0.1.0"


def load_ipython_extension(shell: object) -> None:
    """Record the cells of a stock kernel from here on: ``%load_ext nbrewind``."""
    from nbrewind.kernels.extension import load

    load(shell)


def unload_ipython_extension(shell: object) -> None:
    """Stop recording: ``%unload_ext nbrewind``."""
    from nbrewind.kernels.extension import unload

    unload(shell)
