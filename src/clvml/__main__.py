"""``python -m clvml``."""

from clvml.cli import main

main()
