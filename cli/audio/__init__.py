"""Sounds on the command line."""
