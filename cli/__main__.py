"""``python -m impasto.cli``."""

from .app import main

main()
