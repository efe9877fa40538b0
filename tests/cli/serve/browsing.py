"""A real Chromium that looks at the page, and tells of all that it finds wrong there."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(sys.prefix).parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
"""Where `make .venv/node/ready` installs it."""
DROP = """([selector, kind, files]) => {
    const transfer = new DataTransfer();
    for (const [name, type, text] of files) {
        const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
    }
    const options = { bubbles: true, cancelable: true };
    const about = kind === "paste" ? { clipboardData: transfer } : { dataTransfer: transfer };
    const Kind = kind === "paste" ? ClipboardEvent : DragEvent;
    for (const name of kind === "paste" ? ["paste"] : ["dragenter", "dragover", "drop"]) {
        document.querySelector(selector).dispatchEvent(new Kind(name, { ...options, ...about }));
    }
}"""


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser; where it or its driver is not, the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not here")
    if CHROMIUM is None:
        pytest.skip("Chromium is not here: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visitor:
    """A browser of its own, as far as cookies go, at one address."""

    def __init__(self, browser: Any, url: str, **context: Any) -> None:
        context.setdefault("viewport", {"width": 1280, "height": 800})
        self.url = url
        self.wrong: list[str] = []
        """Exceptions, errors on the console, and requests to others."""
        self._context = browser.new_context(accept_downloads=True, **context)
        self._context.set_default_timeout(20_000)
        self._context.route(re.compile(".*"), self._route)
        self.page = self._context.new_page()
        self.page.on("pageerror", lambda error: self.wrong.append(f"exception: {error}"))
        self.page.on("console", self._hear)

    def _route(self, route: Any) -> None:
        address = route.request.url
        if address.startswith((f"{self.url}/", "blob:", "data:")):
            route.continue_()
            return
        self.wrong.append(f"asked {address}")
        route.abort()

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"{message.type}: {message.text}")

    def open(self, where: str = "") -> Any:
        """The page, once its paintings are there."""
        self.page.goto(f"{self.url}/{where}")
        self.page.wait_for_selector("#tiles button")
        return self.page

    def expect(self, *statuses: int) -> None:
        """Answers that the console was to tell of."""
        for status in statuses:
            said = f"responded with a status of {status}"
            assert any(said in text for text in self.wrong), (status, self.wrong)
            self.wrong = [text for text in self.wrong if said not in text]

    def drop(self, selector: str, *files: tuple[str, str, str], kind: str = "drop") -> None:
        """Drop or paste files: name, type, base64."""
        self.page.evaluate(DROP, [selector, kind, files])

    def serious(self) -> list[str]:
        """What axe finds of the page as it is now that is serious or worse; anything, in fact."""
        if not AXE.exists():
            pytest.skip("axe-core is not here: make .venv/node/ready")
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run()")["violations"]
        return [
            f"{one['impact']}: {one['help']}: {[node['html'][:150] for node in one['nodes']]}"
            for one in found
        ]

    def close(self) -> None:
        """Close it; nothing was wrong."""
        self._context.close()
        assert not self.wrong, self.wrong
