"""A folder of photographs, painted by a pool of threads: python threads.py PAINTING PHOTO..."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from impasto.runtime import Engine, ImpastoError


def main(painting: str, *photos: str) -> None:
    """As many pictures at once as there are cores, each with one thread of one shared engine."""
    engine = Engine.load(threads=1)

    def paint(photo: str) -> str:
        output = Path(photo).with_suffix(".painted.png")
        try:
            engine.stylize(photo, painting, size=384).save(output)
        except ImpastoError as error:
            return str(error)
        return str(output)

    with ThreadPoolExecutor() as threads:
        for line in threads.map(paint, photos):
            print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
