"""Impasto's command line: thin typer commands over the runtime's public names."""
