"""A model on disk: its manifest, and the checks before anything of it is opened."""
