"""``python -m ccbs`` is the command ``ccbs``."""

from ccbs.cli import main

main()
