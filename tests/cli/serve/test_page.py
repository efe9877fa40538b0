"""What a person does with the page, in a real browser at a real server."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from impasto.runtime import read_painted

from .browsing import AXE, Visitor, chromium
from .running import Server, picture

PAGE = Path(__file__).parents[3] / "cli" / "serve" / "page"
LOCAL = Path(__file__).parents[3] / "docs" / "examples" / "browser" / "index.html"
ORT = AXE.parents[1] / "onnxruntime-web" / "dist"
PHOTO = {"name": "cat.png", "mimeType": "image/png", "buffer": picture(1)}
ELEMENT = "const $ = (selector) => document.querySelector(selector);"
FILL = """(settings) => {
    for (const [name, value] of Object.entries(settings)) {
        const control = document.getElementById(`set-${name}`);
        control.value = value;
        control.dispatchEvent(new Event("change"));
    }
}"""
ANSWERS = "performance.getEntriesByType('resource').filter((one) => one.name.includes('/jobs?'))"
SHOWN = """() => Object.fromEntries(
    [...document.querySelectorAll("#more :is(input, select)")]
        .filter((one) => one.checkVisibility())
        .map((one) => [one.id.slice(4), [
            one.labels[0].textContent,
            document.getElementById(one.getAttribute("aria-describedby")).textContent,
        ]])
)"""
Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("page"), "--client-jobs", 3)
    yield found
    found.kill()


@pytest.fixture
def visit(browser: Any, server: Server) -> Iterator[Visit]:
    """``visit(url, viewport=...)``; nothing may be wrong at the end."""
    visitors: list[Visitor] = []

    def start(url: str = server.url, **context: Any) -> Visitor:
        visitors.append(Visitor(browser, url, **context))
        return visitors[-1]

    yield start
    for one in visitors:
        one.close()


def choose(page: Any, **settings: object) -> None:
    """A photo, the first painting, and settings behind "more"."""
    page.set_input_files("#photo-file", PHOTO)
    page.click("#tiles button >> nth=0")
    fill(page, **{"size": 48, "iterations": 3} | settings)


def fill(page: Any, **settings: object) -> None:
    """As somebody does who types fast."""
    page.evaluate(FILL, settings)


def paint(page: Any) -> str:
    """Its id."""
    before = page.url
    page.click("#go")
    until(page, "location.href !== arg && location.hash", before)
    return str(page.url.rpartition("/")[2])


def until(page: Any, so: str, arg: object = None) -> None:
    """Wait until something is so: $(selector) is an element."""
    page.wait_for_function(f"(arg) => {{ {ELEMENT} return {so}; }}", arg=arg)


def wait(page: Any, status: str) -> None:
    until(page, "$('#status').textContent.startsWith(arg)", status)


def test_from_a_photo_to_the_download(visit: Visit, server: Server) -> None:
    visitor = visit()
    page = visitor.open()
    choose(page, iterations=100_000, optimizer="adam", seed=7)
    assert page.locator("#before").get_attribute("alt") == "The photo cat.png"
    page.locator("#go").press("Enter")
    page.wait_for_selector("#losses path.style")
    wait(page, "Painting")
    until(page, "/ left$/.test($('#left').textContent)")
    until(page, "$('#after').naturalWidth === 48")
    assert "size 1 of 1" in page.text_content("#live")
    id = page.url.rpartition("/")[2]
    page.click("#pause")
    wait(page, "Paused")
    page.click("#go-on")
    wait(page, "Painting")
    page.click("#stop")
    wait(page, "Stopped")
    assert re.fullmatch(r"Losses: style from \S+ to \S+, content from \S+ to \S+",
                        page.get_attribute("#losses", "aria-label"))  # fmt: skip

    page.focus("#split")
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("getComputedStyle(document.querySelector('#after')).clipPath") == (
        "inset(0px 0px 0px 30%)"
    )

    painted = downloaded(page, "#download")
    assert painted == server.result(id)
    assert read_painted(painted).plan.settings.seed == 7
    bare = downloaded(page, "#download-bare")
    both = [Image.open(io.BytesIO(file)) for file in (painted, bare)]
    assert both[1].text == {}  # type: ignore[attr-defined]
    assert np.array_equal(*map(np.asarray, both))

    fill(page, iterations=2, optimizer="lbfgs")
    page.click("#restart")
    wait(page, "Done")
    job = server.get(page.url.rpartition("/")[2])
    assert job["pictures"]["init_image"] == f"the result of {id}"
    assert (job["settings"]["init"], job["settings"]["seed"]) == ("image", 7)

    page = visitor.open()
    visitor.drop("#empty", ("painted.png", "image/png", base64.b64encode(painted).decode()))
    page.wait_for_selector("#notice:not([hidden])")
    shown = {name: page.input_value(f"#set-{name}") for name in ("seed", "size", "optimizer")}
    assert shown == {"seed": "7", "size": "48", "optimizer": "adam"}
    assert page.is_hidden("#photo")
    page.click("#notice button")
    assert page.text_content("#photo-name") == "painted.png"


def downloaded(page: Any, button: str) -> bytes:
    with page.expect_download() as found:
        page.click(button)
    return Path(found.value.path()).read_bytes()


def test_dropped_pasted_and_blended(visit: Visit, server: Server) -> None:
    visitor = visit()
    page = visitor.open()
    file = base64.b64encode(picture(3)).decode()
    visitor.drop("body", ("pasted.png", "image/png", file), kind="paste")
    until(page, "$('#photo-name').textContent === 'pasted.png'")
    visitor.drop("#stage", ("dropped.png", "image/png", file))
    until(page, "$('#photo-name').textContent === 'dropped.png'")
    assert page.is_hidden("#veil")
    visitor.drop("#tiles", ("mine.png", "image/png", file))
    page.click("#tiles button >> nth=1")
    page.locator("#blend input >> nth=0").fill("0.5")
    assert page.locator("#blend output").all_text_contents() == ["33 %", "67 %"]
    page.check("#color input[value=match]")
    page.check("#quality input[value=draft]")
    page.locator("#strength").fill("1")
    page.locator("#strokes").fill("-1")
    fill(page, size=48)
    job = server.done(paint(page))
    wait(page, "Done")
    title = page.locator("#tiles button >> nth=1").get_attribute("data-key")
    assert job["pictures"] == {"content": "dropped.png", "style_1": "mine.png", "style_2": title}
    wanted = {"blend": [0.5, 1], "color": "match", "quality": "draft", "style_scale": 0.5}
    assert job["settings"].items() >= wanted.items()
    strong = server.client.get("/settings").json()["x-presets"]["paint"]["settings"]
    assert job["settings"]["style_weight"] == 10 * strong["style_weight"]


def test_all_settings_are_behind_more(visit: Visit, server: Server) -> None:
    page = visit().open()
    page.click("#more summary")
    properties = server.client.get("/settings").json()["properties"]
    shown = page.evaluate(SHOWN)
    assert shown.keys() == properties.keys() - {"blend"}  # that has sliders
    for name, (label, help_) in shown.items():
        assert label.startswith(name.replace("_", " "))
        assert help_ == properties[name]["description"]
    fill(page, schedule="3, 2", weights="style.first=2, content=0.5", init="noise", size="original")
    choose(page, size=48, iterations="", schedule="3, 2")
    job = server.get(paint(page))["settings"]
    assert (job["schedule"], job["init"]) == ([3, 2], "noise")
    assert job["weights"] == {"style.first": 2, "content": 0.5}
    wait(page, "Done")
    page.click("#reset")
    assert page.input_value("#set-schedule") == page.text_content("#more-count") == ""


def test_errors_are_told_in_their_places(visit: Visit, server: Server) -> None:
    visitor = visit()
    page = visitor.open()
    page.click("#go")
    assert page.text_content("#problem") == "Choose a photo and a painting first."
    choose(page, style_weight=-3)
    page.click("#go")
    page.wait_for_selector("#set-style_weight[aria-invalid]")
    told = page.text_content("[data-field=style_weight] .problem")
    assert told == server.post({"style_weight": -3}).json()["detail"] + "."
    assert page.evaluate("document.activeElement.id") == "set-style_weight"
    visitor.expect(422)

    fill(page, style_weight="")
    page.set_input_files("#photo-other", {**PHOTO, "name": "torn.png", "buffer": b"no picture"})
    page.wait_for_selector("#unseen:not([hidden])")
    page.click("#go")
    page.wait_for_selector("#photo-problem:not([hidden])")
    assert page.text_content("#photo-problem").startswith("torn.png ")
    visitor.expect(422)


def test_a_token_and_a_server_that_comes_back(serve: Callable[..., Server], visit: Visit) -> None:
    own = serve(IMPASTO_TOKEN="long enough")
    visitor = visit(own.url)
    page = visitor.page
    page.goto(own.url)
    page.fill("#token-text", "guessed")
    page.keyboard.press("Enter")
    page.wait_for_selector("#token-problem:not([hidden])")
    assert page.text_content("#token-problem") == "That is not the token."
    assert visitor.serious() == []
    page.fill("#token-text", "long enough")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tiles button")
    visitor.expect(401)

    choose(page, iterations=100_000, optimizer="adam")
    paint(page)
    page.wait_for_selector("#losses path.style")
    own.kill()
    page.wait_for_selector("#job-problem:not([hidden])")
    assert page.text_content("#job-problem").startswith("The server does not answer")
    page.click("#pause")
    until(page, "/may have ended/.test($('#job-problem').textContent)")
    serve("--port", own.url.rpartition(":")[2], IMPASTO_TOKEN="long enough")
    page.wait_for_selector("#job-problem", state="hidden")
    wait(page, "Painting")
    page.click("#stop")
    wait(page, "Stopped")
    assert [text for text in visitor.wrong if "net::ERR" not in text] == []
    visitor.wrong.clear()


def test_the_gallery(visit: Visit, server: Server) -> None:
    name = server.client.get("/styles").json()[2]["name"]
    files = [("content", ("dog.png", picture(4))), ("style", (None, f"painting:{name}"))]
    data = {"settings": '{"size": 48, "iterations": 2, "seed": 11}'}
    id = server.client.post("/jobs", files=files, data=data).json()["id"]
    server.done(id)
    visitor = visit()
    page = visitor.open()
    page.click("#to-gallery")
    card = page.locator(f"a[href='#/job/{id}']")
    card.wait_for()
    page.evaluate("for (let n = 0; n < 3; n++) dispatchEvent(new Event('hashchange'))")
    until(page, f"({ANSWERS}).length >= 4")  # it was opened again before there was an answer
    page.wait_for_timeout(100)
    assert card.count() == 1
    assert "dog.png" in card.text_content()
    assert visitor.serious() == []
    card.press("Enter")
    wait(page, "Done")
    until(page, "$('#before').naturalWidth === 56")
    assert page.input_value("#set-seed") == "11"
    assert page.get_attribute(f"#tiles [data-key={name}]", "aria-pressed") == "true"
    again = server.done(paint(page))  # from the server's own copies
    assert again["pictures"] == {"content": "dog.png", "style_1": name}
    assert server.result(again["id"]) == server.result(id)
    page.click("#to-gallery")
    remove = page.locator(f"li:has([href='#/job/{id}']) button")
    remove.click()
    assert remove.text_content() == "Remove for good?"
    remove.click()
    remove.wait_for(state="detached")
    assert server.client.get(f"/jobs/{id}").status_code == 404
    page.click("#to-paint")
    wait(page, "Done")
    third = server.done(paint(page))  # from the second's copies: the first's are gone
    assert server.result(third["id"]) == server.result(again["id"])
    page.goto(f"{server.url}/#/job/{id}")
    page.wait_for_selector("#photo-problem:not([hidden])")
    assert "it was removed" in page.text_content("#photo-problem")
    visitor.expect(404)


def test_a_job_that_is_slow_to_open_does_not_replace_a_later_one(
    visit: Visit, server: Server
) -> None:
    slow, quick = (server.job({"size": 48, "iterations": 1, "seed": seed}) for seed in (21, 22))
    for job in (slow, quick):
        server.done(job["id"])
    page = visit().open()
    held: list[Any] = []
    page.route(f"**/jobs/{slow['id']}", lambda route: held.append(route))
    go = "(id) => { location.hash = `#/job/${id}`; }"
    page.evaluate(go, slow["id"])
    while not held:
        page.wait_for_timeout(20)
    page.evaluate(go, quick["id"])
    until(page, "$('#set-seed').value === '22'")
    with page.expect_response(f"**/jobs/{slow['id']}"):
        held[0].continue_()
    page.wait_for_timeout(300)
    assert page.input_value("#set-seed") == "22"


@pytest.mark.parametrize(("scheme", "width"), [("dark", 390), ("light", 1280)])
def test_it_is_for_everybody(visit: Visit, server: Server, scheme: str, width: int) -> None:
    visitor = visit(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = visitor.open()
    page.emulate_media(reduced_motion="reduce")
    assert visitor.serious() == []
    choose(page, style_weight=-1)
    page.click("#tiles button >> nth=1")
    page.click("#go")
    page.wait_for_selector(".problem.at")
    visitor.expect(422)
    page.evaluate("document.querySelector('#more').open = true")
    assert visitor.serious() == []
    fill(page, style_weight="")
    paint(page)
    wait(page, "Done")
    page.wait_for_selector("#split:not([hidden])")
    assert visitor.serious() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_all_is_reached_by_keyboard(visit: Visit) -> None:
    page = visit().open()
    reached: list[str] = []
    while not reached or reached[-1] != "go":
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.name"))
        assert len(reached) < 60, reached
    order = ["to-paint", "to-gallery", "photo-file", "example", "style-file", "strength", "strokes"]
    order += ["color", "quality", "size", "go"]
    assert [name for name in reached if name in order] == order
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert page.locator("#more").get_attribute("open") is not None


def test_what_is_wrong_is_noticed(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open()
    page.evaluate("() => { setTimeout(() => { throw new Error('thrown'); }); }")
    page.evaluate("() => console.error('said')")
    page.evaluate("() => fetch('http://elsewhere.example/').catch(() => null)")
    page.evaluate("() => { new Image().src = 'http://127.0.0.1:9/x.png'; }")
    page.evaluate("() => { $go = document.querySelector('#go'); $go.style.color = '#b0503a'; }")
    page.wait_for_timeout(200)
    assert len(visitor.serious()) == 1
    said = "\n".join(visitor.wrong)
    for part in ("exception: thrown", "error: said", "elsewhere.example", "127.0.0.1:9"):
        assert part in said
    visitor.wrong.clear()


def test_it_is_of_one_origin_and_small() -> None:
    for path in PAGE.rglob("*"):
        if path.suffix in (".js", ".css", ".html", ".svg"):
            text = path.read_text()
            others = set(re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\s\"']*", text))
            assert others <= {"http://www.w3.org/2000/svg"}, path
            assert len(text.splitlines()) <= 300, path


def test_the_page_links_to_the_one_that_paints_by_itself(
    browser: Any, visit: Visit, tmp_path: Path
) -> None:
    if not ORT.is_dir() or not LOCAL.exists():
        pytest.skip("onnxruntime-web is not here: make .venv/node/ready")
    assert not visit().open().is_visible("#to-local")
    server = Server(tmp_path, "--local", ORT)
    try:
        page = visit(server.url).open()
        page.click("#to-local")
        page.wait_for_selector("#start:enabled")
        assert page.title() == "Impasto, in this browser"
    finally:
        server.kill()
