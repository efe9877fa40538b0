from __future__ import annotations

import numpy as np
import pytest

from impasto.export.tensors import Codebook, Layout


@pytest.mark.parametrize("sizes", [(1,), (16, 3, 17), (64, 1), ()])
def test_every_tensor_is_found_where_the_layout_says(sizes: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    stored = {f"t{i}": random.random((n, 3), np.float32) for i, n in enumerate(sizes)}
    layout = Layout(stored)
    data = layout.pack()
    for name, array in stored.items():
        offset = layout.offsets[name]
        assert offset % 64 == 0
        found = np.frombuffer(data, "<f4", array.size, offset).reshape(array.shape)
        np.testing.assert_array_equal(found, array)
    assert len(data) % 64 == 0


def test_a_codebook_is_its_table_and_its_index() -> None:
    random = np.random.default_rng(1)
    index = random.integers(0, 256, (5, 7), np.uint8)
    book = Codebook(index, random.random(256, np.float32))
    layout = Layout({"a": book, "b": np.ones(3, np.float32)})
    assert list(layout.arrays) == ["a.table", "a.index", "b"]
    assert list(layout.offsets.values()) == [0, 1024, 1024 + 64]
    np.testing.assert_array_equal(layout.arrays["a.table"][layout.arrays["a.index"]], book.values)
