"""Errors travel between processes, or a pool of workers waits for ever."""

from __future__ import annotations

import inspect
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from impasto.runtime import errors
from impasto.runtime.errors import DivergenceError, Field, ImpastoError, SettingError

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, ImpastoError)
]


def example(kind: type[ImpastoError]) -> ImpastoError:
    if issubclass(kind, DivergenceError):
        return kind("it broke down", np.ones((2, 3, 3), np.float32))
    if issubclass(kind, SettingError):
        return kind("size", 5, "give 16 or more, or more ", Field("memory"))
    return kind("a sentence that names ", Field("max_pixels"), "1")


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_survives_a_round_trip(kind: type[ImpastoError]) -> None:
    error = example(kind)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert again.spell(lambda field: field.name) == error.spell(lambda field: field.name)
    if isinstance(error, DivergenceError):
        np.testing.assert_array_equal(again.picture, error.picture)


def diverge() -> None:
    raise example(DivergenceError)


def test_a_worker_pool_gets_an_error_of_a_worker() -> None:
    with ProcessPoolExecutor(1) as pool:
        with pytest.raises(DivergenceError, match="it broke down") as caught:
            pool.submit(diverge).result(timeout=60)
        assert caught.value.picture.shape == (2, 3, 3)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__
    for kind in KINDS:
        assert kind.__name__ in errors.__doc__
