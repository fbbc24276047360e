"""The programs of a cluster in a box; `hpc/box` starts each as ``python3 -I hpc/cluster PROGRAM …``.

``hub`` builds the networks and starts the hosts, ``node`` is the first process of one host, ``enter`` runs a user's
command on a login node. All need only the standard library of Python 3.13, inside the private Debian root.
"""

import sys


def main() -> int:
    """Run the program that the first argument names."""
    program, *arguments = sys.argv[1:]
    if program == "hub":
        import hub as module
    elif program == "node":
        import node as module
    elif program == "enter":
        import enter as module
    else:
        raise SystemExit(f"no such program: {program}")
    return module.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
