"""From what a user gave to Settings: preset first, then the user's values, then what they mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from impasto.runtime.bundle.manifest import Manifest, Term, with_regions
from impasto.runtime.errors import BundleError, Field, SettingError

from .fields import check_all, check_excluded, describe
from .settings import Settings

MAX_SUM = 3.4e38
"""Of float32."""


def of_preset(manifest: Manifest, name: str) -> Settings:
    """A preset's Settings.

    Raises:
        BundleError: it has a value that makes no sense.
        SettingError: there is no such preset.
    """
    preset = manifest.presets.get(name)
    if preset is None:
        raise SettingError("preset", name, f"there are {', '.join(manifest.presets)}")
    try:
        return _over(Settings(), {"preset": name, **check_all(Settings, preset.settings)})
    except SettingError as error:
        raise BundleError(f"preset {name}: {error}") from None


def resolve(
    manifest: Manifest,
    given: Mapping[str, Any],
    *,
    content: bool,
    styles: int,
    image: bool,
    regions: int = 0,
) -> Settings:
    """The Settings of a run with a content, so many styles and a first image, or without.

    With ``regions`` its objective is the variant that they guide.

    Raises:
        SettingError: a value is out of range, unknown, or at odds with another.
    """
    values = check_all(Settings, given)
    name = values.pop("preset", None) or next(iter(manifest.presets))
    settings = _over(of_preset(manifest, name), values)
    objective = _named("objective", settings.objective, manifest.objectives)
    if regions and not objective.is_guided:
        settings = replace(settings, objective=_guided(manifest, settings.objective))
        objective = manifest.objectives[settings.objective]
    if "pooling" not in values and settings.pooling not in objective.poolings:
        settings = replace(settings, pooling=next(iter(objective.poolings)))
    _named("pooling", settings.pooling, objective.poolings)
    _check_pictures(settings, content=content, styles=styles)
    _check_preconditioner(manifest, settings)
    _check_betas(manifest, settings)
    settings = replace(
        settings, init=_init(settings.init, "init" in values, content, styles, image)
    )
    _check_color(manifest, settings, content=content, styles=styles)
    term_weights(objective.terms, settings, content=content, style=styles > 0)
    return settings


def _over(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Settings with other values; what those exclude says nothing.

    Raises:
        SettingError: two of the values exclude each other.
    """
    check_excluded(Settings, values)
    fields = describe(Settings)
    excluded: set[str] = {name for given in values for name in fields[given].about.excludes} - {
        *values
    }
    return replace(settings, **{name: fields[name].blank for name in excluded}, **values)


def shares(settings: Settings, regions: Sequence[int]) -> tuple[float, ...]:
    """What each style counts for in its region, whose number is given; their sum there is 1.

    Raises:
        SettingError: a region's weights are all 0.
    """
    blend = settings.blend or (1.0,) * len(regions)
    found = list(blend)
    for region in set(regions):
        own = [k for k, number in enumerate(regions) if number == region]
        largest = max(blend[k] for k in own)
        if not largest:
            raise SettingError("blend", blend, "give every region a style of a weight above 0")
        total = math.fsum(blend[k] / largest for k in own)  # the sum of large ones is infinite
        for k in own:
            found[k] = blend[k] / largest / total
    return tuple(found)


def _guided(manifest: Manifest, objective: str) -> str:
    """The variant of an objective that regions guide."""
    if with_regions(objective) not in manifest.objectives:
        raise SettingError(
            "objective",
            objective,
            f"this bundle has no variant of it for regions: `impasto export --regions {objective}` "
            "makes one for ",
            Field("model"),
        )
    return with_regions(objective)


def term_weights(
    terms: Sequence[Term], settings: Settings, *, content: bool, style: bool
) -> tuple[float, ...]:
    """Of each term, in their order; 0 for those whose picture is not there.

    Raises:
        SettingError: a name is unknown, all weights are 0, or their sum is too large for float32.
    """
    _check_names(terms, settings)
    by_head = {
        "content": settings.content_weight,
        "style": settings.style_weight,
        "tv": settings.tv_weight,
    } | settings.weights
    layer = settings.content_layer
    found = []
    for term in terms:
        sources = {source.source for source in term.inputs}
        absent = ("content" in sources and not content) or (
            bool(sources & {"style", "style_map", "matched"}) and not style
        )
        elsewhere = bool(layer) and "content" in sources and term.layer != layer
        of_layer = by_head.get(term.layer, 1.0)
        weight = by_head.get(term.name, of_layer * by_head.get(term.head, term.weight))
        found.append(0.0 if absent or elsewhere else weight)
    if not any(found):
        raise SettingError("weights", settings.weights, "every weight is 0: nothing to optimise")
    if math.fsum(found) > MAX_SUM:
        raise SettingError("weights", max(found), "the weights' sum is over 3e38: lower them")
    return tuple(found)


def _check_names(terms: Sequence[Term], settings: Settings) -> None:
    names = {name for term in terms for name in (term.name, term.head, term.layer)}
    there = ", ".join(term.name for term in terms)
    mend = f"this objective has {there}; `impasto export` makes bundles with other layers"
    for name in settings.weights:
        if name not in names:
            raise SettingError("weights", name, mend)
    layer = settings.content_layer
    layers = [term.layer for term in terms if any(i.source == "content" for i in term.inputs)]
    if layer and layer not in layers:
        mend = (
            f"the content layers are {', '.join(layers) or 'none'}; `impasto export "
            f"--content-layer {layer} -o DIR` makes a bundle for "
        )
        raise SettingError("content_layer", layer, mend, Field("model"))


def _check_pictures(settings: Settings, *, content: bool, styles: int) -> None:
    if not content and not styles:
        raise SettingError("content", None, "nothing to paint: give a content, a style or both")
    if settings.blend and len(settings.blend) != styles:
        raise SettingError("blend", settings.blend, f"give a weight for each of {styles} styles")
    if settings.blend and not any(settings.blend):
        raise SettingError("blend", settings.blend, "give a weight above 0")


def _check_preconditioner(manifest: Manifest, settings: Settings) -> None:
    signature = manifest.signatures[manifest.optimizers.lbfgs]
    levels = signature.inputs["preconditioner"][0]
    if len(settings.preconditioner_pyramid) != levels:
        raise SettingError(
            "preconditioner_pyramid",
            settings.preconditioner_pyramid,
            f"give a weight for each of {levels} levels",
        )
    most = manifest.optimizers.history_size
    if (settings.history_size or 1) > most:
        raise SettingError("history_size", settings.history_size, f"this bundle has at most {most}")


def _check_betas(manifest: Manifest, settings: Settings) -> None:
    if len(settings.betas) != 2:
        raise SettingError("betas", settings.betas, "give two numbers")
    fixed = "betas" not in manifest.signatures[manifest.optimizers.adam].inputs
    if fixed and settings.betas != Settings().betas:
        raise SettingError("betas", settings.betas, "this bundle's Adam has 0.9 and 0.999 alone")


def _init(wanted: str, asked: bool, content: bool, styles: int, image: bool) -> Any:
    """Of the user or, where it was not ``asked``, of the preset if it has its pictures."""
    if image:
        if asked and wanted != "image":
            mend = ("leave it out, or leave out ", Field("init_image"))
            raise SettingError("init", wanted, *mend)
        return "image"
    if wanted == "image":
        raise SettingError("init", wanted, "give a picture as ", Field("init_image"))
    if asked and wanted == "content" and not content:
        raise SettingError(
            "init", wanted, "there is no content: use noise, or a picture as ", Field("init_image")
        )
    return wanted if asked or (content and styles) else "noise"


def _check_color(manifest: Manifest, settings: Settings, *, content: bool, styles: int) -> None:
    """Colors need pictures that have them."""
    wanted = {"color": settings.color != "style", "init": settings.init == "style"}
    for field in (name for name, used in wanted.items() if used):
        value = getattr(settings, field)
        if not content or not styles:
            raise SettingError(field, value, "give a content and a style to take colors from")
        if not manifest.canvas.is_rgb:
            raise SettingError(field, value, "this bundle's canvas holds no RGB pictures")


def _named(field: str, name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        raise SettingError(field, name, f"this bundle has {', '.join(known)}")
    return known[name]
