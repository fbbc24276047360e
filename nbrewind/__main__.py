"""``python -m nbrewind``."""

from nbrewind.cli import main

main()
