"""The engine: a bundle on a device. It is immutable, and several threads may share it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from .bundle.bundle import Bundle
from .bundle.manifest import Manifest
from .inputs import Inputs, Region
from .pictures.sources import Source
from .planning.estimate import Estimate, estimate
from .results.evaluation import Evaluation, settled
from .results.result import Result, Step
from .results.texts import Painted, read_painted
from .run import Run
from .runs import Runs
from .settings import (
    Machine,
    MachineKeywords,
    OwnKeywords,
    RunKeywords,
    Settings,
    SettingsKeywords,
    check_all,
    check_keywords,
    resolve,
)


class Engine:
    """Paints: ``Engine.load()``, then ``engine.stylize(photo, painting).save("out.png")``."""

    def __init__(self, bundle: Bundle, machine: Machine) -> None:
        self.runs: Runs = Runs(bundle, machine)
        """For what else of the runtime begins runs with it."""

    @classmethod
    def load(
        cls, bundle: str | os.PathLike[str] | None = None, **machine: Unpack[MachineKeywords]
    ) -> Engine:
        """Check a bundle and choose a device.

        Args:
            bundle: a folder, or the name of a packaged bundle; None: the folder in the environment
                variable IMPASTO_MODEL, else the packaged VGG19.
            machine: ``device``, ``threads``, ``convolutions``, ``tf32``, ``cuda_graphs`` and
                ``memory``, as in ``Machine``. What device was taken is in ``engine.device``.

        Raises:
            BundleError: the bundle is incomplete, altered or of another schema.
            DeviceError: a device asked for by name cannot be had, or computes the optimizers or the
                default objective otherwise than the bundle's conformance file says; or ONNX
                Runtime is missing.
            SettingError: no such device, or a value out of range.
        """
        check_keywords(cls.load, MachineKeywords, machine)
        return cls(Bundle(bundle), Machine(**check_all(Machine, machine)))

    @property
    def device(self) -> str:
        """``cpu``, ``cuda:N``, or an experimental one's name."""
        return str(self.runs.graphs.device)

    @property
    def convolutions(self) -> str:
        """``plain`` or ``winograd``, and why: what large runs take."""
        return str(self.runs.graphs.convolutions)

    @property
    def model(self) -> str:
        """The bundle's folder."""
        return str(self.runs.bundle.path)

    @property
    def digest(self) -> str:
        """SHA-256 of what the bundle computes, by which checkpoints and pictures know it."""
        return self.runs.bundle.digest

    @property
    def machine(self) -> Machine:
        """How it uses the machine; the defaults of its runs."""
        return self.runs.machine

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self.runs.manifest

    def settings(
        self,
        *,
        content: bool = True,
        styles: int = 1,
        image: bool = False,
        regions: int = 0,
        **given: Unpack[SettingsKeywords],
    ) -> Settings:
        """The Settings of a run with a content, a first image, so many styles and regions.

        Raises:
            SettingError: a value is out of range, unknown, or at odds with another.
        """
        check_keywords(Engine.settings, SettingsKeywords, given)
        there = {"content": content, "image": image}
        return resolve(self.manifest, given, styles=styles, regions=regions, **there)

    def start(
        self,
        content: Source | None = None,
        style: Source | Sequence[Source] | None = None,
        *,
        regions: Sequence[Region] | None = None,
        init_image: Source | None = None,
        maps: Mapping[str, NDArray[np.float32]] | None = None,
        **given: Unpack[RunKeywords],
    ) -> Run:
        """Check everything and prepare a run; iterate over it for its steps.

        Args:
            content: the picture to paint: a path, the bytes of a file, a binary file object, a PIL
                image, or an array (H, W, 3) of uint8 or of floats in [0, 1]. None: a texture, of
                the style's shape.
            style: one picture or several to paint like, or to paint the rest of the regions like.
            regions: parts of the content with styles of their own, at most 8, the rest among them.
            init_image: a picture to begin with, instead of what ``init`` says.
            maps: regions and given maps, (height, width, channels), by the terms' input.
            given: every field of ``Settings``, and ``memory``, ``deadline`` and ``max_pixels`` of
                ``Machine``; what is None or missing is the preset's.

        Raises:
            ImageError: a picture cannot be read.
            SettingError: a value is out of range, unknown, or at odds with another.
            DeviceError: an experimental device computes the objective wrongly.
        """
        check_keywords(Engine.start, RunKeywords, given)
        return self.runs.start(Inputs.of(content, style, init_image, regions), given, maps)

    def replay(
        self,
        painted: Painted | Source,
        content: Source | None = None,
        style: Source | Sequence[Source] | None = None,
        *,
        regions: Sequence[Region] | None = None,
        init_image: Source | None = None,
        maps: Mapping[str, NDArray[np.float32]] | None = None,
        any_input: bool = False,
        **own: Unpack[OwnKeywords],
    ) -> Run:
        """The run that painted a picture, from the beginning.

        ``painted`` is the picture, as it was written, or what ``read_painted`` gave of it; the rest
        is what it was painted from, as in ``start``. On the same machine, with the threads and
        convolutions that it tells, it ends in the same bytes, also where it was stopped before its
        end. ``any_input`` takes pictures of other pixels, too.

        Raises:
            BundleError: it was painted with another bundle.
            ImageError: it does not say how it was painted, or an input is another.
            SettingError: there are more or fewer inputs.
        """
        check_keywords(Engine.replay, OwnKeywords, own)
        known = painted if isinstance(painted, Painted) else read_painted(painted)
        inputs = Inputs.of(content, style, init_image, regions)
        return self.runs.replay(known, inputs, self.runs.own(own), maps, any_input)

    def stylize(
        self,
        content: Source | None = None,
        style: Source | Sequence[Source] | None = None,
        *,
        regions: Sequence[Region] | None = None,
        init_image: Source | None = None,
        maps: Mapping[str, NDArray[np.float32]] | None = None,
        on_step: Callable[[Step], object] | None = None,
        cancel: Callable[[], bool] | None = None,
        **given: Unpack[RunKeywords],
    ) -> Result:
        """Paint to the end, or until ``cancel()`` is true or ``deadline`` seconds have passed.

        The best picture so far is returned, and ``result.stopped`` says why. For the rest see
        ``start``.

        Raises:
            DivergenceError: the loss broke down; the error holds the last good picture.
            ImageError, SettingError: as in ``start``.
        """
        check_keywords(Engine.stylize, RunKeywords, given)
        run = self.start(content, style, regions=regions, init_image=init_image, maps=maps, **given)
        return run.finish(on_step=on_step, cancel=cancel)

    def resume(self, file: str | os.PathLike[str], *, deadline: float | None = None) -> Run:
        """The run that a checkpoint holds, at the iteration where it was saved.

        With the threads that it began with, it ends in the same bytes as if it had never stopped.

        Raises:
            CheckpointError: it is cut short, altered, or of another bundle or version.
        """
        return self.runs.resume(file, deadline)

    def evaluate(
        self,
        image: Source,
        content: Source | None = None,
        style: Source | Sequence[Source] | None = None,
        *,
        regions: Sequence[Region] | None = None,
        maps: Mapping[str, NDArray[np.float32]] | None = None,
        **given: Unpack[RunKeywords],
    ) -> Evaluation:
        """The losses of a picture that is there, as a run that begins with it computes them.

        It is compared at its own size, or in another that is given (``size``, ``width``, ...);
        content and styles are resampled as for a result of that size. Of a result's ``image`` that
        is ``result.terms``, where no side is padded (``manifest.encoder.alignment``): what is
        beyond the edge was painted, too, and is a reflection now. The rest is as in ``start``; how
        a picture is to be found, such as ``iterations``, makes no difference.

        Raises:
            DivergenceError: its loss is not a number.
            ImageError, SettingError: as in ``start``.
        """
        check_keywords(Engine.evaluate, RunKeywords, given)
        runs, inputs = self.runs, Inputs.of(content, style, image, regions)
        own = runs.own(given)
        size = inputs.sizes(self.manifest, own.max_pixels, runs.graphs.room(own.memory)).image
        assert size
        return runs.start(inputs, settled(given, size), maps).evaluate()

    def estimate(
        self,
        content: Source | None = None,
        style: Source | Sequence[Source] | None = None,
        *,
        regions: Sequence[Region] | None = None,
        init_image: Source | None = None,
        **given: Unpack[RunKeywords],
    ) -> Estimate:
        """Seconds and peak memory of ``stylize``, from a calibration of some seconds.

        Without a style it is that of one style of the content's own size. No picture is decoded.

        Raises:
            ImageError, SettingError: as in ``start``.
        """
        check_keywords(Engine.estimate, RunKeywords, given)
        style = content if style is None and not regions else style
        inputs = Inputs.of(content, style, init_image, regions)
        return estimate(self.runs.graphs, self.runs.plan(inputs, given)[0])
