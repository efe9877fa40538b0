"""The engine: a bundle on a device. It is immutable, and several threads may share it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, cast, get_args

from .bundle.bundle import Bundle
from .bundle.manifest import Manifest, OptimizerName, Term
from .errors import SettingError
from .estimate import Estimate, estimate
from .graphs.session import Device, Graphs, choose_device
from .machine.memory import budget
from .pictures.image import MAX_PIXELS, MIN_SIDE, Picture, Source, read_image
from .plan import Plan, Preset, make_stages
from .run import Result, Run, Step

MAX_SIDE = 16384
QUALITIES = {"draft": 0.4, "normal": 1.0, "high": 3.0}
"""What each does to the preset's iterations."""
MAX_WEIGHT = 1e38  # float32 ends at 3e38


class Engine:
    """Paints: ``Engine.load()``, then ``engine.stylize(photo, painting).save("out.png")``."""

    def __init__(self, bundle: Bundle, device: Device, threads: int | None) -> None:
        self._bundle = bundle
        self._graphs = Graphs(bundle, device, threads)

    @classmethod
    def load(
        cls,
        bundle: str | os.PathLike[str] | None = None,
        device: str = "auto",
        threads: int | None = None,
        tf32: bool = False,
        cuda_graphs: bool = False,
    ) -> Engine:
        """Check a bundle and choose a device.

        Args:
            bundle: a folder, or the name of a packaged bundle; None: the folder in the environment
                variable IMPASTO_MODEL, else the packaged VGG19.
            device: ``auto`` (CUDA where it really works, else the CPU), ``cpu``, ``cuda`` or
                ``cuda:N``. What was taken is in ``engine.device``.
            threads: of the CPU's operators; None: one a core.
            tf32: on CUDA, let products of matrices and convolutions have 10 bits of mantissa.
            cuda_graphs: on CUDA, record an evaluation's kernels once and play them back.

        Raises:
            BundleError: the bundle is incomplete, altered or of another schema.
            DeviceError: a device asked for by name cannot be had, or ONNX Runtime is missing.
            SettingError: no such device, or threads below 1.
        """
        if threads is not None and threads < 1:
            raise SettingError(f"threads must be at least 1, not {threads}")
        checked = Bundle(bundle)
        return cls(checked, choose_device(device, checked, tf32, cuda_graphs), threads)

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda:N``."""
        return str(self._graphs.device)

    @property
    def model(self) -> str:
        """The bundle's folder."""
        return str(self._bundle.path)

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self._bundle.manifest

    def start(
        self,
        content: Source | None = None,
        style: Source | Sequence[Source] | None = None,
        *,
        size: int | None = None,
        preset: str | None = None,
        pooling: str | None = None,
        iterations: int | None = None,
        quality: str | None = None,
        optimizer: str | None = None,
        weights: Mapping[str, float] | None = None,
        blend: Sequence[float] | None = None,
        init: Source | None = None,
        seed: int = 0,
        memory: int | str | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> Run:
        """Check everything and prepare a run; iterate over it for its steps.

        Args:
            content: the picture to paint: a path, a PIL image, or an array (H, W, 3) of uint8 or
                of floats in [0, 1]. None: a texture, of the style's shape.
            style: one picture or several to paint like; None: content alone.
            size: long side of the result in pixels; None: the preset's, or 512.
            preset: a name in ``manifest.presets``; None: the first.
            pooling: ``avg`` or ``max``, as the bundle has them; None: the preset's.
            iterations: at the finest scale, and the most at a coarser one; None: the preset's,
                times what the quality says.
            quality: ``draft`` (0.4 times the iterations), ``normal`` or ``high`` (3 times).
            optimizer: ``lbfgs`` or ``adam``; None: the preset's.
            weights: of heads (``style``) or single terms (``style.conv1_1``), over the preset's.
            blend: one weight for each style; None: equal ones.
            init: ``"content"``, ``"noise"`` (uniform, from ``seed``) or a picture; None: content
                where content and style are both given, else noise.
            seed: of the noise.
            memory: what the process may take, in bytes or as in ``"3GB"``; None: most of what is
                free. Images that need more are evaluated in tiles, with the same result.
            max_pixels: pictures with more are refused before they are decoded.

        Raises:
            ImageError: a picture cannot be read.
            SettingError: a value is out of range or unknown.
        """
        chosen = self._preset(preset, pooling, optimizer)
        chosen = replace(chosen, iterations=_iterations(chosen, iterations, quality))
        styles = _several(style)
        if content is None and not styles:
            raise SettingError("nothing to paint: give a content, a style or both")
        shares = _shares(blend, len(styles))
        side = chosen.size if size is None else size
        if not MIN_SIDE <= side <= MAX_SIDE:
            raise SettingError(f"size must be {MIN_SIDE} to {MAX_SIDE} pixels, not {side}")
        if seed < 0:
            raise SettingError(f"seed must be 0 or more, not {seed}")

        def read(source: Source) -> Picture:
            return read_image(source, max_pixels=max_pixels)

        painted = None if content is None else read(content)
        paintings = [read(item) for item in styles]
        source = (paintings[0] if painted is None else painted).shape[:2]
        plan = Plan(
            content=painted,
            styles=paintings,
            shares=shares,
            init=_start(init, content is not None, bool(styles)) or read(cast(Source, init)),
            seed=seed,
            preset=chosen,
            weights=self._weights(chosen, weights or {}, content is not None, bool(styles)),
            stages=make_stages(self.manifest, chosen, source, side, budget(memory), iterations),
        )
        return Run(self._graphs, plan)

    def stylize(
        self,
        content: Source | None = None,
        style: Source | Sequence[Source] | None = None,
        *,
        on_step: Callable[[Step], object] | None = None,
        cancel: Callable[[], bool] | None = None,
        deadline: float | None = None,
        **settings: object,
    ) -> Result:
        """Paint to the end, or until ``cancel()`` is true or ``deadline`` seconds have passed.

        Both are looked at between iterations; the best picture so far is returned, and
        ``result.stopped`` says why. The settings are those of ``start``.

        Raises:
            DivergenceError: the loss broke down; the error holds the last good picture.
            ImageError, SettingError: as in ``start``.
        """
        run = self.start(content, style, **settings)  # type: ignore[arg-type]
        return run.finish(on_step=on_step, cancel=cancel, deadline=deadline)

    def estimate(
        self,
        content: Source | None = None,
        style: Source | Sequence[Source] | None = None,
        **settings: object,
    ) -> Estimate:
        """Seconds and peak memory of ``stylize``, from a calibration of some seconds.

        Without a style it is that of one style of the content's own size.

        Raises:
            ImageError, SettingError: as in ``start``.
        """
        if style is None:
            style = content
        run = self.start(content, style, **settings)  # type: ignore[arg-type]
        return estimate(self._graphs, run.plan)

    def _preset(
        self,
        name: str | None,
        pooling: str | None,
        optimizer: str | None,
    ) -> Preset:
        manifest = self.manifest
        name = name or next(iter(manifest.presets))
        entry = manifest.presets.get(name)
        if entry is None:
            raise SettingError(f"no preset {name!r}: there are {', '.join(manifest.presets)}")
        preset = Preset.of(entry)
        poolings = manifest.objectives[preset.objective].poolings
        if pooling is not None and pooling not in poolings:
            raise SettingError(
                f"no {pooling!r} pooling in this bundle: it has {', '.join(poolings)}"
            )
        if optimizer is not None and optimizer not in get_args(OptimizerName):
            raise SettingError(f"no optimizer {optimizer!r}: there are lbfgs and adam")
        return replace(
            preset,
            pooling=pooling or preset.pooling,
            optimizer=cast(OptimizerName, optimizer or preset.optimizer),
        )

    def _weights(
        self, preset: Preset, wanted: Mapping[str, float], content: bool, style: bool
    ) -> list[float]:
        terms = self.manifest.objectives[preset.objective].terms
        names = {name for term in terms for name in (term.name, term.head)}
        for name, value in wanted.items():
            if name not in names:
                raise SettingError(
                    f"no term {name!r} in this bundle: it has {', '.join(t.name for t in terms)}; "
                    "`impasto export` makes bundles with other layers"
                )
            if not 0 <= value <= MAX_WEIGHT:
                raise SettingError(f"the weight of {name} must be 0 to {MAX_WEIGHT:g}, not {value}")
        missing = {s for s, there in (("content", content), ("style", style)) if not there}
        found = [
            0.0 if missing & {i.source for i in term.inputs} else _weight(term, wanted, preset)
            for term in terms
        ]
        if not any(found):
            raise SettingError("every weight is 0: nothing to optimise")
        return found


def _iterations(preset: Preset, wanted: int | None, quality: str | None) -> tuple[int, ...]:
    """Of every scale, as in Preset, where a number is not given."""
    if wanted is not None and wanted < 1:
        raise SettingError(f"iterations must be at least 1, not {wanted}")
    if quality is not None and quality not in QUALITIES:
        raise SettingError(f"no quality {quality!r}: there are {', '.join(QUALITIES)}")
    if wanted is not None and quality is not None:
        raise SettingError("give a quality or a number of iterations, not both")
    factor = QUALITIES[quality or "normal"]
    return tuple(math.ceil(factor * n) for n in preset.iterations)


def _weight(term: Term, wanted: Mapping[str, float], preset: Preset) -> float:
    for source in (wanted, preset.weights):
        for name in (term.name, term.head):
            if name in source:
                return float(source[name])
    return term.weight


def _start(init: Source | None, content: bool, style: bool) -> Literal["content", "noise"] | None:
    """What a run starts from; None: a picture of the user's."""
    if init is None:
        return "content" if content and style else "noise"
    if not isinstance(init, str) or init not in ("content", "noise"):
        return None
    if init == "content" and not content:
        raise SettingError("init cannot be content: there is none; use noise or a picture")
    return "content" if init == "content" else "noise"


def _several(style: Source | Sequence[Source] | None) -> list[Source]:
    if style is None:
        return []
    return list(style) if isinstance(style, (list, tuple)) else [style]  # type: ignore[list-item]


def _shares(blend: Sequence[float] | None, count: int) -> list[float]:
    """Weights of the styles, their sum 1."""
    weights = [1.0] * count if blend is None else [float(weight) for weight in blend]
    if len(weights) != count or any(not 0 <= w < float("inf") for w in weights):
        raise SettingError(f"blend must have a weight of 0 or more for each of {count} styles")
    total = sum(weights)
    if count and not total:
        raise SettingError("blend must have a weight above 0")
    return [weight / total for weight in weights]
