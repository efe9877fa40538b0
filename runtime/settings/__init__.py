"""All that can be set: what the picture shall be, how the machine is used, what goes in and out."""

from .fields import About, Described, Group, check_all, check_keywords, describe, setting
from .files import Files
from .machine import Machine, MachineKeywords, OwnKeywords, RunKeywords
from .resolve import resolve, shares, term_weights
from .settings import Settings, SettingsKeywords

__all__ = [
    "About",
    "Described",
    "Files",
    "Group",
    "Machine",
    "MachineKeywords",
    "OwnKeywords",
    "RunKeywords",
    "Settings",
    "SettingsKeywords",
    "check_all",
    "check_keywords",
    "describe",
    "resolve",
    "setting",
    "shares",
    "term_weights",
]
