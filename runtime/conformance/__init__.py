"""The conformance file: figures by which any runtime can tell whether it reads a bundle rightly."""

from __future__ import annotations

from .verify import Figure, Verification, verify_bundle

__all__ = ["Figure", "Verification", "verify_bundle"]
