"""The artifacts that ship, as package data."""
