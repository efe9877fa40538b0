"""All that can be set: what the picture shall be, how the machine is used, what goes in and out."""

from .fields import About, Described, Group, check_all, check_keywords, describe, setting
from .files import Files
from .keywords import MachineKeywords, OwnKeywords, RunKeywords, SettingsKeywords
from .machine import Machine
from .resolve import resolve, shares, term_weights
from .settings import Settings

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
