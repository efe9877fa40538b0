"""What every face of the runtime begins runs with: an engine, a pool of jobs, a video."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from . import checkpoint
from .bundle.bundle import Bundle
from .bundle.manifest import Manifest
from .conformance.verify import DeviceCheck
from .errors import CheckpointError
from .graphs.installation import choose_device
from .graphs.pool import Graphs
from .inputs import Inputs, Pictures, of_plan
from .loop import Loop
from .machine.memory import Reservation, budget, planning
from .machine.scratch import check_room
from .planning.make import make_plan
from .planning.plan import Plan
from .results.texts import Painted, Stopped
from .run import Run
from .settings import (
    Machine,
    OwnKeywords,
    RunKeywords,
    Settings,
    SettingsKeywords,
    check_all,
    resolve,
)
from .settings.resolve import of_preset

OWN = OwnKeywords.__annotations__
"""What of Machine is each run's own."""

Maps = Mapping[str, NDArray[np.float32]]


class Runs:
    """Plans runs of a bundle on a device, reserves their memory and begins them."""

    def __init__(self, bundle: Bundle, machine: Machine) -> None:
        self.bundle: Bundle = bundle
        self.manifest: Manifest = bundle.manifest
        device = choose_device(machine.device, bundle, machine.tf32, machine.cuda_graphs)
        self.graphs: Graphs = Graphs(bundle, device, machine.threads, machine.convolutions)
        kind = self.graphs.convolutions.kind
        self.machine: Machine = replace(machine, threads=self.graphs.threads, convolutions=kind)
        """As it was asked for, with what was taken."""
        for name in self.manifest.presets:
            of_preset(self.manifest, name)
        self._check: DeviceCheck | None = None
        if device.provider:
            self._check = DeviceCheck(bundle, self.graphs)
            self._check_device(resolve(self.manifest, {}, content=True, styles=1, image=False))

    def own(self, given: Mapping[str, Any]) -> Machine:
        """How a run uses the machine."""
        own = {name: value for name, value in given.items() if name in OWN}
        return replace(self.machine, **check_all(Machine, own))

    def plan(
        self, inputs: Inputs, given: RunKeywords, room: int | None = None
    ) -> tuple[Plan, Machine]:
        """From headers alone: no picture is decoded. ``room``: the bytes to plan for."""
        machine = self.own(given)
        settings = resolve(
            self.manifest,
            cast(SettingsKeywords, {k: v for k, v in given.items() if k not in OWN}),
            content=inputs.content is not None,
            styles=len(inputs.styles),
            image=inputs.image is not None,
            regions=len(inputs.regions),
        )
        room = self.graphs.room(machine.memory) if room is None else room
        sizes = inputs.sizes(self.manifest, machine.max_pixels, room)
        return make_plan(self.manifest, settings, sizes, room), machine

    def reserve(self, plan: Plan, machine: Machine) -> Reservation:
        """The memory of a run; temporary files must have room."""
        check_room(plan.files)
        return self.graphs.reserve(plan.memory, machine.memory)

    def start(self, inputs: Inputs, given: RunKeywords, maps: Maps | None) -> Run:
        """Plan, reserve and begin."""
        with planning():
            plan, machine = self.plan(inputs, given)
            reservation = self.reserve(plan, machine)
        return self.begin(inputs, plan, machine, reservation, maps)

    def begin(
        self,
        inputs: Inputs,
        plan: Plan,
        machine: Machine,
        reservation: Reservation,
        maps: Maps | None = None,
        room: int | None = None,
        until: tuple[int, Stopped] | None = None,
    ) -> Run:
        """Decode, within so many bytes; None: its own, and what nobody has."""
        room = plan.memory + budget(machine.memory) if room is None else room
        pictures = inputs.read(self.manifest, plan, machine.max_pixels, room)
        run = Run(self._loop(plan, pictures), machine, self.bundle.digest, reservation, until=until)
        if maps:
            run.set_maps(maps)
        return run

    def resume(self, file: str | os.PathLike[str], deadline: float | None) -> Run:
        """See ``Engine.resume``."""
        found = checkpoint.load(file, self.bundle.digest)
        plan, where = found.header.plan, found.header.where
        machine = self.own({"deadline": deadline})
        reservation = self.reserve(plan, machine)
        try:
            loop = self._loop(plan, of_plan(self.manifest, plan, **found.pictures()))
            state = None
            if where:
                state = checkpoint.unpack(where, found.arrays, loop.open(where.scale, found.maps))
            run = Run(loop, machine, self.bundle.digest, reservation, state)
        except (LookupError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{file}: the checkpoint does not fit its bundle") from error
        if state is None and found.maps:
            run.set_maps(found.maps)
        return run

    def replay(
        self, known: Painted, inputs: Inputs, machine: Machine, maps: Maps | None, any_input: bool
    ) -> Run:
        """See ``Engine.replay``."""
        known.check(self.bundle.digest, self.manifest)
        plan = known.plan
        inputs.check_like(plan.sizes)
        room = self.graphs.room(machine.memory)
        sizes = inputs.sizes(self.manifest, machine.max_pixels, room)
        if not any_input:
            known.check_sizes(sizes)
        with planning():
            if sizes != plan.sizes:
                plan = make_plan(self.manifest, plan.settings, sizes, room)
            reservation = self.reserve(plan, machine)
        stopped = known.was_stopped and plan == known.plan
        until = (known.iterations, known.stopped) if stopped else None
        run = self.begin(inputs, plan, machine, reservation, maps, until=until)
        if not any_input:
            known.check_inputs(run.hashes)
        return run

    def _loop(self, plan: Plan, pictures: Pictures) -> Loop:
        self._check_device(plan.settings)
        return Loop(self.graphs, plan, pictures)

    def _check_device(self, settings: Settings) -> None:
        if self._check is not None:
            self._check.objective(settings.objective, settings.pooling)
