"""The commands that tell."""
