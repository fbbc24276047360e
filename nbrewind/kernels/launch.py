"""Start a kernel: ``python -m nbrewind.kernels.launch audit -f CONNECTION_FILE``."""

from __future__ import annotations

import os
import sys


def main(arguments: list[str] | None = None) -> None:
    """Run the kernel that the first argument names, ``audit`` or ``repeat``."""
    arguments = sys.argv[1:] if arguments is None else arguments
    kind = arguments[0] if arguments and arguments[0] in ("audit", "repeat") else "audit"
    rest = arguments[1:] if arguments and arguments[0] == kind else arguments
    sys.argv[1:] = rest  # what notebooks see is what ipykernel's own launcher leaves
    if sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[
            0
        ]  # modules beside the notebook must not shadow what a kernel imports; IPython adds it later

    # ipykernel sets this once the kernel is made; to the session it would look like the notebook's doing
    os.environ["MPLBACKEND"] = os.environ.get("MPLBACKEND") or "module://matplotlib_inline.backend_inline"

    from ipykernel.kernelapp import IPKernelApp

    from nbrewind.kernels.base import AuditKernel, RepeatKernel

    kernel = AuditKernel if kind == "audit" else RepeatKernel
    IPKernelApp.launch_instance(rest, kernel_class=kernel)


if __name__ == "__main__":
    main()
