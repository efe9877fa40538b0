"""One list of what can be set: its types and ranges, JSON, what a preset and a user make of it."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
import typing
from typing import Any

import pytest

from impasto.runtime import Engine, Field, Files, Machine, SettingError, Settings, describe
from impasto.runtime.settings import (
    MachineKeywords,
    RunKeywords,
    SettingsKeywords,
    resolve,
    shares,
    term_weights,
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load("vgg19", device="cpu")


def test_settings_go_to_json_and_back_without_loss(engine: Engine) -> None:
    settings = engine.settings(
        styles=2,
        blend=[1 / 3, 2e-17],
        style_weight=0.1 + 0.2,
        weights={"style.conv1_1": math.pi},
        seed=2**63 - 1,
        iterations=7,
        schedule=[3, 4],
    )
    again = Settings.from_json(settings.to_json())
    assert again == settings
    assert [type(v) for v in vars(again).values()] == [type(v) for v in vars(settings).values()]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size": 5}, "give a whole number, 16 to 16384 pixels"),
        ({"size": "512"}, "not what belongs there"),
        ({"width": 512}, "size=512: give it or a width=, not both"),
        ({"size": None, "width": 80, "megapixels": 0.5}, "width=80: give it or a megapixels="),
        ({"colour": 1}, "missing or unknown entries: colour"),
        ({"style_weight": 1e39}, "not what belongs there"),
        ({"optimizer": "sgd"}, "not what belongs there"),
    ],
)
def test_json_of_other_things_is_refused(change: dict[str, Any], reason: str) -> None:
    raw = json.loads(Settings().to_json()) | change
    with pytest.raises(SettingError, match=reason):
        Settings.from_json(json.dumps(raw))
    for text in ("", "[]", "{}", '{"size": 16, "size": 17}'):
        with pytest.raises(SettingError):
            Settings.from_json(text)


def test_every_field_says_what_it_is() -> None:
    for kind in (Settings, Machine, Files):
        for name, field in describe(kind).items():
            assert field.about.help.endswith("."), name
            assert field.about.commands, name
            assert field.range, name
            if field.optional and kind is not Files:
                assert field.about.default, f"{name}: what does None stand for?"
            if field.default is not None:
                assert field.check(field.default) == field.default


def test_keywords_are_the_fields() -> None:
    """The types of the keywords are written out for type checkers: they must not drift."""
    for kind, keywords, left in (
        (Settings, SettingsKeywords, set()),
        (Machine, MachineKeywords, {"deadline", "max_pixels"}),
    ):
        assert {*describe(kind)} - left == {*typing.get_type_hints(keywords)}
    extra = {*typing.get_type_hints(RunKeywords)} - {*typing.get_type_hints(SettingsKeywords)}
    assert extra == {"memory", "deadline", "max_pixels"} <= {*describe(Machine)}
    hints = typing.get_type_hints(RunKeywords)
    for name, field in (describe(Settings) | describe(Machine)).items():
        if name in hints and typing.get_origin(field.hint) not in (tuple, dict):
            kinds = (field.hint, *(typing.get_args(field.hint) if field.words else ()))
            assert {*typing.get_args(hints[name])} & {*kinds}, name


def test_a_preset_then_the_users_values(engine: Engine) -> None:
    for name, preset in engine.manifest.presets.items():
        settings = engine.settings(preset=name)
        for key, value in preset.settings.items():
            found = getattr(settings, key)
            assert found == (tuple(value) if isinstance(value, list) else value), key
    settings = engine.settings(preset="pastiche", style_weight=3, size=None)
    assert (settings.style_weight, settings.content_weight, settings.size) == (3.0, 0.01, 512)
    assert settings.preset == "pastiche"


@pytest.mark.parametrize(
    "given",
    [
        {"size": "original"},
        {"width": 800},
        {"height": 33},
        {"width": 800, "height": 600},
        {"megapixels": 1.5},
        {"size": 77},
    ],
)
def test_one_way_to_say_the_size_leaves_the_others_out(engine: Engine, given: Any) -> None:
    """A preset's size goes, and what is kept as keywords, or as JSON, comes to the same."""
    settings = engine.settings(**given)
    sizes = ("size", "width", "height", "megapixels")
    assert {n: v for n in sizes if (v := getattr(settings, n)) is not None} == given
    assert Settings.from_json(settings.to_json()) == settings
    assert engine.settings(**dataclasses.asdict(settings)) == settings


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"size": 80, "width": 80}, "size=80: give it or a width=, not both"),
        ({"size": "original", "height": 80}, "size='original': give it or a height=, not both"),
        ({"height": 80, "megapixels": 1}, "height=80: give it or a megapixels=, not both"),
        ({"size": "whole"}, "size='whole': give a whole number, 16 to 16384 pixels, or original"),
        ({"size": "80"}, "size='80': give a whole number, 16 to 16384 pixels, or original"),
        ({"width": 16385}, "width=16385: give a whole number, 16 to 16384 pixels"),
        ({"megapixels": 0}, "megapixels=0: give a number, 0.001 to 268"),
    ],
)
def test_ways_to_say_the_size_that_quarrel(engine: Engine, given: Any, reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        engine.settings(**given)


def test_a_preset_may_say_a_width(engine: Engine) -> None:
    """And a size of the user's takes its place."""
    presets = dict(engine.manifest.presets)
    changed = {**presets["bold"].settings, "width": 90, "iterations": 3}
    del changed["size"]
    own = dataclasses.replace(presets["bold"], settings=changed)
    manifest = dataclasses.replace(engine.manifest, presets={"own": own, **presets})
    some: dict[str, Any] = {"content": True, "styles": 1, "image": False}
    settings = resolve(manifest, {"preset": "own"}, **some)
    assert (settings.size, settings.width, settings.iterations) == (None, 90, 3)
    settings = resolve(manifest, {"preset": "own", "size": 80, "quality": "draft"}, **some)
    assert (settings.size, settings.width, settings.iterations) == (80, None, None)


def test_an_error_carries_field_value_and_mend_and_is_spelled_by_each_face(engine: Engine) -> None:
    with pytest.raises(SettingError) as caught:
        engine.settings(style_weight=-1)
    error = caught.value
    assert (error.field, error.value) == ("style_weight", -1)
    assert str(error) == "style_weight=-1: give a number, 0 to 1e+38"
    flag = error.spell(lambda field: f"--{field.name.replace('_', '-')}")
    assert flag == "--style-weight -1: give a number, 0 to 1e+38"
    body = error.spell(lambda field: f'"{field.name}"')
    assert body == '"style_weight" -1: give a number, 0 to 1e+38'
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.field) == (str(error), error.field)
    assert str(Field("size")) == "size="


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "10", b"1", [1.0], 10**400])
def test_what_is_no_number(engine: Engine, value: Any) -> None:
    for name in ("style_weight", "size", "seed"):
        if name == "seed" and value == 10**400:
            continue
        with pytest.raises(SettingError, match=f"^{name}="):
            engine.settings(**{name: value})


def test_what_there_is_not_is_named_with_what_is_like_it(engine: Engine) -> None:
    with pytest.raises(SettingError, match="did you mean style_weight"):
        engine.settings(style_wieght=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("blend", "expected"),
    [
        ((), (0.5, 0.5)),
        ((1.0, 3.0), (0.25, 0.75)),
        ((1e308, 1e308), (0.5, 0.5)),
        ((0.0, 5e-324), (0.0, 1.0)),
    ],
)
def test_what_each_style_counts_for(blend: tuple[float, ...], expected: tuple[float, ...]) -> None:
    assert shares(dataclasses.replace(Settings(), blend=blend), (0, 0)) == expected


def test_a_style_counts_for_a_share_of_its_region() -> None:
    settings = dataclasses.replace(Settings(), blend=(1.0, 3.0, 7.0))
    assert shares(settings, (0, 0, 1)) == (0.25, 0.75, 1.0)
    assert shares(Settings(), (0, 1, 1)) == (1.0, 0.5, 0.5)
    with pytest.raises(SettingError, match="give every region a style of a weight above 0"):
        shares(dataclasses.replace(Settings(), blend=(1.0, 0.0)), (0, 1))


def test_weights_are_of_heads_of_layers_and_of_terms(engine: Engine) -> None:
    terms = engine.manifest.objectives["gatys"].terms
    given = {"style": 8.0, "conv2_1": 0.5, "conv4_2": 3.0, "style.conv3_1": 7.0, "conv3_1": 9.0}
    settings = engine.settings(objective="gatys", weights=given, content_weight=2.0, tv_weight=0.1)
    found = term_weights(terms, settings, content=True, style=True)
    expected = {
        "content.conv4_2": 6.0,
        "style.conv1_1": 8.0,
        "style.conv2_1": 4.0,
        "style.conv3_1": 7.0,  # a term that is named has no factor
        "style.conv4_1": 8.0,
        "style.conv5_1": 8.0,
        "tv": 0.1,
    }
    assert dict(zip([term.name for term in terms], found, strict=True)) == expected
    with pytest.raises(SettingError, match="weights='conv9_1': this objective has"):
        engine.settings(weights={"conv9_1": 1.0})


def test_several_contents_are_refused_in_words(engine: Engine) -> None:
    with pytest.raises(SettingError, match="content=2: give one: paint each alone"):
        engine.start(["a.jpg", "b.jpg"], "c.jpg")  # type: ignore[arg-type]


def test_weights_whose_sum_is_too_large_for_float32_are_refused(engine: Engine) -> None:
    assert engine.settings(style_weight=6e37)
    with pytest.raises(SettingError, match="lower them"):
        engine.settings(style_weight=1e38)
