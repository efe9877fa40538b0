"""Images and gradients take turns in slots: what is still needed must not be written over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from impasto.runtime import Engine
from impasto.runtime.graphs.device import Device
from impasto.runtime.objective.whole import Whole
from impasto.runtime.pictures.image import Picture

SIZE = (48, 64)
MANY = 20


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load("vgg19", device="cpu")


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_with_few_slots_the_path_is_that_of_one_for_every_image(
    engine: Engine, photo: Any, optimizer: Any
) -> None:
    pictures: tuple[Picture, Picture] = photo("chelsea", *SIZE), photo("coffee", *SIZE)
    found = []
    for slots in (None, MANY):
        run = engine.start(*pictures, size=64, iterations=12, optimizer=optimizer)
        loop = run._loop
        state = loop.start()
        if slots:
            level = loop.level
            level._slots = [*level._slots, *level.objective.slots(slots)]
            taken = iter(level._slots[1:])
            level.free_slot = lambda _, taken=taken: next(taken)  # type: ignore[method-assign]
        path = []
        while True:
            image = state.point.image.numpy().copy()
            path.append((state.point.loss, image))
            best = state.best.image.numpy()
            np.testing.assert_array_equal(best, min(path, key=lambda step: step[0])[1])
            if loop.is_done(state):
                break
            state = loop.advance(state)
        assert len(path) == 13
        found.append(path)
    for (few, one), (many, other) in zip(*found, strict=True):
        assert few == many
        np.testing.assert_array_equal(one, other)


def test_a_slot_keeps_its_addresses_and_its_gradient(engine: Engine, photo: Any) -> None:
    objective = Whole(engine.runs.graphs, "gatys", "avg", SIZE)
    objective.set_targets({}, [1.0] * len(engine.manifest.objectives["gatys"].terms))
    slots = objective.slots(2)
    before = [(slot.image.data_ptr(), slot.gradient.data_ptr()) for slot in slots]
    for slot, name in zip(slots, ("chelsea", "coffee"), strict=True):
        slot.image.update_inplace(np.ascontiguousarray(photo(name, *SIZE).transpose(2, 0, 1)[None]))
        objective.evaluate(slot)
    first = slots[0].gradient.numpy().copy()
    slots[0].gradient.update_inplace(np.zeros_like(first))
    objective.evaluate(slots[0])
    np.testing.assert_array_equal(slots[0].gradient.numpy(), first)
    assert not np.array_equal(slots[1].gradient.numpy(), first)
    assert before == [(slot.image.data_ptr(), slot.gradient.data_ptr()) for slot in slots]


def test_tf32_and_cuda_graphs_are_asked_of_cuda_alone() -> None:
    exact, fast = Device("cuda"), Device("cuda", 1, tf32=True, cuda_graphs=True)
    (name, options), fallback = fast.providers(captured=fast.captures)
    assert (name, fallback) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    assert options["use_tf32"] == options["enable_cuda_graph"] == options["device_id"] == "1"
    options = exact.providers(captured=exact.captures)[0][1]
    assert options["use_tf32"] == options["enable_cuda_graph"] == options["device_id"] == "0"
    cpu = Device("cpu", tf32=True, cuda_graphs=True)
    assert not cpu.captures
    assert cpu.providers(captured=True) == ["CPUExecutionProvider"]
