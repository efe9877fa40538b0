"""The engine: a bundle on a device. It is immutable, and several threads may share it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Unpack, cast

import numpy as np
from numpy.typing import NDArray

from . import checkpoint
from .bundle.bundle import Bundle
from .bundle.manifest import Manifest
from .conformance.verify import DeviceCheck
from .errors import CheckpointError
from .graphs.installation import choose_device
from .graphs.pool import Graphs
from .inputs import Inputs, Pictures, Region, of_plan
from .loop import Loop
from .machine.memory import Reservation, budget, planning
from .machine.scratch import check_room
from .pictures.sources import Source
from .planning.estimate import Estimate, estimate
from .planning.plan import Plan, make_plan
from .results.evaluation import Evaluation, settled
from .results.result import Result, Step
from .results.texts import Painted, Stopped, read_painted
from .run import Run
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
from .settings.resolve import of_preset

OWN = OwnKeywords.__annotations__
"""What of Machine is each run's own."""


class Engine:
    """Paints: ``Engine.load()``, then ``engine.stylize(photo, painting).save("out.png")``."""

    def __init__(self, bundle: Bundle, machine: Machine) -> None:
        self._bundle = bundle
        device = choose_device(machine.device, bundle, machine.tf32, machine.cuda_graphs)
        self._graphs = Graphs(bundle, device, machine.threads, machine.convolutions)
        self._check = DeviceCheck(bundle, self._graphs) if device.provider else None
        kind = self._graphs.convolutions.kind
        self._machine = replace(machine, threads=self._graphs.threads, convolutions=kind)
        for name in bundle.manifest.presets:
            of_preset(bundle.manifest, name)
        self._check_device(self.settings())

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
        return str(self._graphs.device)

    @property
    def convolutions(self) -> str:
        """``plain`` or ``winograd``, and why: what large runs take."""
        return str(self._graphs.convolutions)

    @property
    def model(self) -> str:
        """The bundle's folder."""
        return str(self._bundle.path)

    @property
    def digest(self) -> str:
        """SHA-256 of what the bundle computes, by which checkpoints and pictures know it."""
        return self._bundle.digest

    @property
    def machine(self) -> Machine:
        """How it uses the machine; the defaults of its runs."""
        return self._machine

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self._bundle.manifest

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
        inputs = Inputs.of(content, style, init_image, regions)
        with planning():
            plan, machine = self._plan(inputs, given)
            reservation = self._reserve(plan, machine)
        return self._run(inputs, plan, machine, reservation, maps)

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
        known.check(self.digest, self.manifest)
        inputs, plan = Inputs.of(content, style, init_image, regions), known.plan
        inputs.check_like(plan.sizes)
        machine = replace(self._machine, **check_all(Machine, own))
        room = self._graphs.room(machine.memory)
        sizes = inputs.sizes(self.manifest, machine.max_pixels, room)
        if not any_input:
            known.check_sizes(sizes)
        with planning():
            if sizes != plan.sizes:
                plan = make_plan(self.manifest, plan.settings, sizes, room)
            reservation = self._reserve(plan, machine)
        stopped = known.was_stopped and plan == known.plan
        until = (known.iterations, known.stopped) if stopped else None
        run = self._run(inputs, plan, machine, reservation, maps, until=until)
        if not any_input:
            known.check_inputs(run.hashes)
        return run

    def _run(
        self,
        inputs: Inputs,
        plan: Plan,
        machine: Machine,
        reservation: Reservation,
        maps: Mapping[str, NDArray[np.float32]] | None = None,
        room: int | None = None,
        until: tuple[int, Stopped] | None = None,
    ) -> Run:
        """Decode, within so many bytes; None: its own, and what nobody has."""
        room = plan.memory + budget(machine.memory) if room is None else room
        pictures = inputs.read(self.manifest, plan, machine.max_pixels, room)
        loop = self._loop(plan, pictures)
        run = Run(loop, machine, self.digest, reservation, until=until)
        if maps:
            run.set_maps(maps)
        return run

    def _loop(self, plan: Plan, pictures: Pictures) -> Loop:
        self._check_device(plan.settings)
        return Loop(self._graphs, plan, pictures)

    def _check_device(self, settings: Settings) -> None:
        if self._check is not None:
            self._check.objective(settings.objective, settings.pooling)

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
        found = checkpoint.load(file, self.digest)
        plan, where = found.header.plan, found.header.where
        machine = replace(self._machine, **check_all(Machine, {"deadline": deadline}))
        reservation = self._reserve(plan, machine)
        try:
            loop = self._loop(plan, of_plan(self.manifest, plan, **found.pictures()))
            state = None
            if where:
                state = checkpoint.unpack(where, found.arrays, loop.open(where.scale, found.maps))
            run = Run(loop, machine, self.digest, reservation, state)
        except (LookupError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{file}: the checkpoint does not fit its bundle") from error
        if state is None and found.maps:
            run.set_maps(found.maps)
        return run

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
        inputs, own = Inputs.of(content, style, image, regions), self._own(given)
        room = self._graphs.room(own.memory)
        size = inputs.sizes(self.manifest, own.max_pixels, room).image
        assert size
        with planning():
            plan, machine = self._plan(inputs, settled(given, size))
            reservation = self._reserve(plan, machine)
        return self._run(inputs, plan, machine, reservation, maps).evaluate()

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
        return estimate(self._graphs, self._plan(inputs, given)[0])

    def _plan(
        self, inputs: Inputs, given: RunKeywords, room: int | None = None
    ) -> tuple[Plan, Machine]:
        """From headers alone: no picture is decoded. ``room``: the bytes to plan for."""
        machine = self._own(given)
        settings = self.settings(
            content=inputs.content is not None,
            styles=len(inputs.styles),
            image=inputs.image is not None,
            regions=len(inputs.regions),
            **cast(SettingsKeywords, {k: v for k, v in given.items() if k not in OWN}),
        )
        room = self._graphs.room(machine.memory) if room is None else room
        sizes = inputs.sizes(self.manifest, machine.max_pixels, room)
        return make_plan(self.manifest, settings, sizes, room), machine

    def _own(self, given: RunKeywords) -> Machine:
        """How a run uses the machine."""
        own = {name: value for name, value in given.items() if name in OWN}
        return replace(self._machine, **check_all(Machine, own))

    def _reserve(self, plan: Plan, machine: Machine) -> Reservation:
        check_room(plan.files)
        return self._graphs.reserve(plan.memory, machine.memory)
