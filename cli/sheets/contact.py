"""The contact sheet: drafts in rows, their settings under each, and all of it in the file's texts.

Texts hold paths as they are from the sheet's folder, so that both may be moved together.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence

from PIL import Image

from impasto.runtime import ImageError, painting_texts

from .drafts import Draft, Values
from .drawing import LINE, MARGIN, Drawing, Sheet, wrapped

TEXT = "gallery"
"""The text that has it all."""
SHAPE = 4 / 3
"""Width of a sheet over its height, nearly."""


class ContactSheet:
    """Cells for drafts, filled one by one: no picture is held beside the sheet."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self._drafts = drafts
        self._painted: dict[int, float] = {}
        self._failed: dict[int, str] = {}
        self._drawing: Drawing | None = None

    def put(self, draft: Draft, picture: Image.Image, loss: float) -> None:
        """A draft that is painted; the first says how large cells are."""
        if self._drawing is None:
            self._begin(*picture.size)
        assert self._drawing
        self._drawing.image.paste(picture.resize(self._size), self._place(draft))
        self._painted[draft.number] = loss

    def fail(self, draft: Draft, reason: str) -> None:
        """A draft that is not."""
        self._failed[draft.number] = f"failed: {reason}"

    @property
    def is_empty(self) -> bool:
        """Whether no draft is painted."""
        return self._drawing is None

    def finished(self, last: int, content: str, model: str | None, output: str) -> Sheet:
        """The sheet of the drafts up to a number."""
        assert self._drawing
        drawing, wide, tall = self._drawing, *self._cell
        for draft in self._drafts[:last]:
            left, top = self._place(draft)
            drawing.lines(left, top + self._size[1] + LINE // 4, self._wrapped(draft.label))
            if draft.number in self._failed:
                drawing.box(left, top, *self._size)
                lines = wrapped(self._failed[draft.number], self._size[0] - MARGIN)
                most = (self._size[1] - MARGIN) // LINE
                drawing.lines(left + MARGIN // 2, top + MARGIN // 2, lines[:most])
        rows, columns = math.ceil(last / self._columns), min(last, self._columns)
        drawing.cropped(MARGIN + columns * wide, MARGIN + rows * tall)
        return Sheet(drawing.image, {TEXT: json.dumps(self._record(content, model, output))})

    def _record(self, content: str, model: str | None, output: str) -> Values:
        folder = os.path.dirname(os.path.abspath(output))
        drafts = {
            str(draft.number): {
                "style": _relative(draft.style, folder),
                "varied": draft.varied,
                "settings": draft.settings,
                "picked": draft.picked,
                "loss": self._painted[draft.number],
            }
            for draft in self._drafts
            if draft.number in self._painted
        }
        is_folder = model is not None and os.path.isdir(model)
        return {
            "content": _relative(content, folder),
            "model": _relative(model, folder) if model and is_folder else model,
            "drafts": drafts,
        }

    def _begin(self, width: int, height: int) -> None:
        self._size = width, height
        most = max(len(self._wrapped(draft.label)) for draft in self._drafts)
        self._cell = wide, tall = width + MARGIN, height + most * LINE + MARGIN
        count = len(self._drafts)
        self._columns = _columns(count, self._of_style(), count * tall * SHAPE / wide)
        rows = math.ceil(count / self._columns)
        self._drawing = Drawing(MARGIN + self._columns * wide, MARGIN + rows * tall)

    def _of_style(self) -> int:
        return sum(draft.style == self._drafts[0].style for draft in self._drafts)

    def _place(self, draft: Draft) -> tuple[int, int]:
        row, column = divmod(draft.number - 1, self._columns)
        wide, tall = self._cell
        return MARGIN + column * wide, MARGIN + row * tall

    def _wrapped(self, lines: Sequence[str]) -> list[str]:
        return [part for line in lines for part in wrapped(line, self._size[0])]


def read_sheet(path: str) -> Values:
    """What a sheet's texts say, with paths as they are from here.

    Raises:
        ImageError: it is no contact sheet.
    """
    try:
        found: Values = json.loads(painting_texts(path)[TEXT])
        folder = os.path.dirname(path)
        for entry in (found, *found["drafts"].values()):
            for name in ("content", "style"):
                if name in entry:
                    entry[name] = os.path.normpath(os.path.join(folder, entry[name]))
        model = found["model"]
        if model and os.path.isdir(os.path.join(folder, model)):
            found["model"] = os.path.normpath(os.path.join(folder, model))
    except (LookupError, TypeError, ValueError, AttributeError):
        raise ImageError(
            f"{path} is no sheet of drafts: give one as `impasto gallery` wrote it"
        ) from None
    return found


def _relative(path: str, folder: str) -> str:
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # another disk of Windows
        return os.path.abspath(path)


def _columns(count: int, of_style: int, area: float) -> int:
    """Nearly so many that the sheet has its shape: styles, or parts of them, begin with rows."""
    near = max(1, round(math.sqrt(area)))
    fitting = (n for n in range(1, count + 1) if n % of_style == 0 or of_style % n == 0)
    return min(fitting, key=lambda n: (abs(n - near), -n))
