"""What is named becomes rows, and what cannot be is refused before anything is painted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from impasto.runtime import ImageError, ImpastoError, Row, SettingError, make_rows, read_manifest

Folder = Callable[..., Path]


@pytest.fixture
def rows(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Row]]:
    manifest = read_manifest(plain)
    monkeypatch.chdir(tmp_path)

    def make(inputs: list[str], styles: list[str], output: str = "out", **more: Any) -> list[Row]:
        return make_rows(inputs, styles, output, manifest=manifest, **more)

    return make


def outputs(rows: list[Row]) -> list[str]:
    return [row.output for row in rows]


def test_every_content_in_every_style(folder: Folder, rows: Callable[..., list[Row]]) -> None:
    folder("in", "b.png", "a.JPG", "x/c.png", ".hidden.png", ".git/d.png")
    (folder("styles", "s.png", "t.png") / "notes.txt").write_text("not a picture")
    found = rows(["in"], ["styles"])
    assert outputs(found) == ["a-s.png", "a-t.png", "b-s.png", "b-t.png"]
    assert [row.content for row in found][::2] == ["in/a.JPG", "in/b.png"]
    assert [row.styles for row in found[:2]] == [("styles/s.png",), ("styles/t.png",)]
    deep = rows(
        ["in", "styles/t.png"], ["styles/s.png"], recursive=True, name="{suffix}/{stem}.webp"
    )
    assert outputs(deep) == ["JPG/a.webp", "png/b.webp", "x/png/c.webp", "png/t.webp"]


def test_what_is_painted_is_not_read(folder: Folder, rows: Callable[..., list[Row]]) -> None:
    folder("in", "a.png", "out/a-s.png", "out/deep/b.png")
    folder("styles", "s.png")
    assert outputs(rows(["in"], ["styles/s.png"], "in/out", recursive=True)) == ["a-s.png"]
    with pytest.raises(ImageError, match="in is the folder to read"):
        rows(["in"], ["styles/s.png"], "in")


@pytest.mark.parametrize(
    ("names", "more", "part"),
    [
        (["a.png", "a.jpg"], {}, "a.jpg in styles/s.png and in/a.png in styles/s.png would both"),
        (["a.png", "A.jpg"], {}, "would both be a-s.png"),
        (["stra\u00dfe.png", "STRASSE.png"], {}, "would both be"),
        (["e\u0301.png", "\u00e9.jpg"], {}, "would both be"),
        (["a.png"], {"output": ".", "name": "in/{stem}.png"}, "is one of the pictures to read"),
        (["a.png"], {"output": ".", "name": "styles/{style}.png"}, "is one of the pictures"),
        (["a.png"], {"name": "../{stem}.png"}, "is not below the batch's folder"),
        (["a.png"], {"name": ".impasto/{stem}.png"}, "is not below the batch's folder"),
        (["a.png"], {"name": "{stem}"}, "cannot tell a format"),
        (["a.png"], {"name": "{stm}.png"}, "{stm} is no name; there are stem, style"),
        (["a.png"], {"name": "{stem.png"}, "give braces in pairs"),
        (["a.png"], {"name": "{stem:d}.png"}, "cannot be filled in"),
        (["a.png"], {"settings": {"size": 5}}, "size=5: give"),
        (["a.png"], {"settings": {"blend": [1, 2]}}, "a weight for each of 1 styles"),
    ],
)
def test_names_that_cannot_be(
    folder: Folder,
    rows: Callable[..., list[Row]],
    names: list[str],
    more: dict[str, Any],
    part: str,
) -> None:
    folder("in", *names)
    folder("styles", "s.png")
    with pytest.raises(ImpastoError) as caught:
        rows(["in"], ["styles/s.png"], **more)
    assert part in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_settings_in_names(folder: Folder, rows: Callable[..., list[Row]]) -> None:
    folder("in", "a.png")
    (row,) = rows(["in/a.png"], ["in/a.png"], name="{stem}-{seed}-{size}.png", settings={"seed": 7})
    assert row.output == "a-7-512.png"


def test_a_table_is_as_its_columns_say(folder: Folder, rows: Callable[..., list[Row]]) -> None:
    top = folder("in", "a.png", "s.png", "t.png")
    (top / "rows.csv").write_text(
        "content,style,output,seed,weights,preset,blend\n"
        'a.png,s.png,x/one.png,3,"{""style"": 2}",,\n'
        'a.png,"[""s.png"", ""t.png""]",,,,gatys2016,"[1, 3]"\n'
        "a.png,,two.jpg,,,,\n",
        encoding="utf-8-sig",
    )
    one, blended, two = rows(["in/rows.csv"], ["in/t.png"], settings={"size": 48, "seed": 1})
    assert one.output == "x/one.png"
    assert one.settings == {"size": 48, "seed": 3, "weights": {"style": 2.0}}
    assert (blended.output, blended.styles) == ("a-s-t.png", ("in/s.png", "in/t.png"))
    assert blended.settings == {"size": 48, "seed": 1, "preset": "gatys2016", "blend": (1.0, 3.0)}
    assert (two.styles, two.settings) == (("in/t.png",), {"size": 48, "seed": 1})
    (top / "rows.jsonl").write_text(
        "".join(json.dumps(row.to_dict() | {"error": "why"}) + "\n" for row in (one, two))
    )
    here = [{"content": Path(row.content).name} for row in (one, two)]
    again = rows(["in/rows.jsonl"], [])
    assert [row.settings for row in again] == [one.settings, two.settings]
    assert outputs(again) == ["x/one.png", "two.jpg"]
    assert [Path(row.content).name for row in again] == [row["content"] for row in here]


def test_a_tables_own_settings_end_a_quarrel(
    folder: Folder, rows: Callable[..., list[Row]]
) -> None:
    (folder("in", "a.png") / "rows.csv").write_text("content,style,width\na.png,a.png,64\n")
    (row,) = rows(["in/rows.csv"], [], settings={"size": 48, "seed": 1})
    assert row.settings == {"seed": 1, "width": 64}


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("r.csv", "content,style,sise\na.png,a.png,3\n", "did you mean size? (in/r.csv, line 2)"),
        ("r.csv", "content,style,size\na.png,a.png,3\n", "size=3: give a whole number, 16 to"),
        ("r.csv", "content,style\na.png,a.png,3\n", "line 2: it has not as many values"),
        ("r.csv", "content,style\na.png\n", "line 2: it has not as many values"),
        ("r.csv", 'content,style\n"a.png"x,a.png\n', "r.csv, line 2: no CSV"),
        ("r.csv", "content,style\n,a.png\n", "line 2: it has no content"),
        ("r.csv", "content\na.png\n", "there is no painting: give one (in/r.csv, line 2)"),
        ("r.csv", "content,style,preset\na.png,a.png,nix\n", "there are paint, bold"),
        ("r.csv", "content,style,output\na.png,a.png,/x.png\n", "not below the batch's folder"),
        ("r.csv", b"content\n\xff.png\n", "no UTF-8 at byte 8"),
        ("r.jsonl", "{}\n", "line 1: it has no content"),
        ("r.jsonl", '{"content": "a.png",}\n', "line 1: no JSON object"),
        ("r.jsonl", '{"content": "a.png", "style": [3]}\n', "style: give a path, or a list"),
        ("r.jsonl", '{"content": "a.png", "style": "a.png", "output": 3}\n', "output: give a name"),
    ],
)
def test_tables_with_a_mistake(
    folder: Folder, rows: Callable[..., list[Row]], name: str, text: str | bytes, part: str
) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    (folder("in", "a.png") / name).write_bytes(data)
    with pytest.raises(ImpastoError) as caught:
        rows([f"in/{name}"], [])
    assert part in str(caught.value)


def test_what_is_missing(folder: Folder, rows: Callable[..., list[Row]], tmp_path: Path) -> None:
    folder("in", "a.png")
    (tmp_path / "empty").mkdir()
    for inputs, styles, part in (
        (["gone.png"], ["in/a.png"], "gone.png does not exist"),
        (["in"], ["gone.png"], "gone.png does not exist"),
        (["in"], ["empty"], "empty has no pictures"),
        (["empty"], ["in/a.png"], "there is nothing to paint"),
        (["gone.csv"], [], "gone.csv does not exist"),
    ):
        with pytest.raises(ImageError, match=part):
            rows(inputs, styles)
    with pytest.raises(SettingError, match="there is no painting"):
        rows(["in"], [])


def test_shards_are_disjoint_complete_and_stay_when_pictures_come() -> None:
    many = [Row(f"{n}.png", ("s.png",), f"{n}-s.png") for n in range(4000)]
    shards = [{row.output for row in many if row.in_shard(i, 8)} for i in range(1, 9)]
    assert sum(map(len, shards)) == len(set().union(*shards)) == len(many)
    sizes = Counter(map(len, shards))
    assert min(sizes) > 400  # 500 and 21: the deviation of a binomial
    assert max(sizes) < 600
    fewer = [{row.output for row in many[::2] if row.in_shard(i, 8)} for i in range(1, 9)]
    assert all(some <= all_ for some, all_ in zip(fewer, shards, strict=True))


def test_regions_of_a_row(folder: Folder, guided: Any, tmp_path: Path) -> None:
    """As words of a command line or as lists of files, from the table's folder; told again."""
    top = folder("in", "a.png", "s.png", "t.png", "sky.png", "own:mask.png")
    table = [
        {"content": "a.png", "regions": ["sky.png:s.png", ["own:mask.png", "t.png", "sky.png"]]},
        {"content": "a.png", "style": "t.png", "regions": "own:mask.png:s.png", "blend": [2, 1]},
    ]
    (top / "rows.jsonl").write_text("\n".join(map(json.dumps, table)))
    lines = ("content,regions", 'a.png,"[""sky.png:s.png""]"', "a.png,sky.png:t.png")
    (top / "rows.csv").write_text("\n".join(lines))
    manifest = read_manifest(guided.folder)

    def made(*names: str, styles: tuple[str, ...] = (), **more: Any) -> list[Row]:
        paths = [str(top / name) for name in names]
        return make_rows(paths, [*styles], str(tmp_path / "out"), manifest=manifest, **more)

    first, second = made("rows.jsonl")
    sky, own, s, t = (str(top / name) for name in ("sky.png", "own:mask.png", "s.png", "t.png"))
    assert (first.styles, first.regions) == ((), ((sky, s), (own, t, sky)))
    assert (second.styles, second.regions) == ((t,), ((own, s),))
    assert (first.output, second.output) == ("a-s-t.png", "a-t-s.png")
    assert [row.regions for row in made("rows.csv")] == [((sky, s),), ((sky, t),)]
    (both,) = made("rows.csv", styles=(t,), name="{stem}-{style}-{seed}.png")[:1]
    assert both.styles == (t,)  # the batch's own are the rest's
    told = [json.dumps(row.to_dict()) for row in (first, second)]
    (top / "again.jsonl").write_text("\n".join(told))
    assert made("again.jsonl") == [first, second]


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"regions": 3}, "regions: give a list of MASK:STYLE"),
        ({"regions": ["sky.png"]}, "write MASK:STYLE or MASK:STYLE:STYLE_MASK"),
        ({"regions": [["sky.png"]]}, "regions: give a list of MASK:STYLE"),
        ({"regions": [["sky.png", 3]]}, "regions: give a list of MASK:STYLE"),
        ({"regions": [f"{n}.png:s.png" for n in range(9)]}, "give at most 8"),
        ({"regions": ["sky.png:s.png"], "blend": [1, 2]}, "give a weight for each of 1 styles"),
        ({"regions": []}, "there is no painting"),
    ],
)
def test_regions_that_cannot_be(
    folder: Folder, guided: Any, tmp_path: Path, values: dict[str, Any], part: str
) -> None:
    top = folder("in", "a.png", "s.png", "sky.png")
    (top / "rows.jsonl").write_text(json.dumps({"content": "a.png"} | values))
    with pytest.raises(ImpastoError) as caught:
        make_rows([str(top / "rows.jsonl")], [], "out", manifest=read_manifest(guided.folder))
    assert part in str(caught.value)
    assert "rows.jsonl, line 1" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
