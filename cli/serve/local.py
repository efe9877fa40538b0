"""The page that paints in the browser itself: its files, the bundle's, and ONNX Runtime's."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from impasto.runtime import ImpastoError

HERE = Path(__file__).resolve().parent
PLACES = (HERE / "local", HERE.parents[1] / "docs" / "examples" / "browser")
"""In a package, and in a clone."""
RUNTIME = "ort.wasm.min.mjs"


def local_folders(runtime: str | None, bundle: str) -> dict[str, Path]:
    """What is at which address, the most particular first; nothing, if it is not wanted.

    Raises:
        ImpastoError: there is no such page here, or no ONNX Runtime for it.
    """
    if runtime is None:
        return {}
    page = next((place for place in PLACES if (place / "index.html").exists()), None)
    if page is None:
        raise ImpastoError("the page for --local is not here: it is in docs/examples of a clone")
    if not (Path(runtime) / RUNTIME).exists():
        raise ImpastoError(
            f"{runtime}: there is no {RUNTIME} in it: give node_modules/onnxruntime-web/dist as "
            "--local"
        )
    mimetypes.add_type("text/javascript", ".mjs")
    mimetypes.add_type("application/wasm", ".wasm")
    return {"/local/bundle": Path(bundle), "/local/ort": Path(runtime), "/local": page}
