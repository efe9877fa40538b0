"""All that can be set: what the picture shall be, how the machine is used, what goes in and out."""

from .fields import About, Described, check_all, describe
from .files import Files
from .machine import Machine, MachineKeywords, RunKeywords
from .resolve import resolve, shares, term_weights
from .settings import Settings, SettingsKeywords

__all__ = [
    "About",
    "Described",
    "Files",
    "Machine",
    "MachineKeywords",
    "RunKeywords",
    "Settings",
    "SettingsKeywords",
    "check_all",
    "describe",
    "resolve",
    "shares",
    "term_weights",
]
