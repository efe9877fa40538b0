"""Runs of the shipped bundle at sizes where an iteration takes a few hundredths of a second."""

from __future__ import annotations

import ast
import inspect
import json
import shutil
import subprocess
import sys
import threading
import typing
from collections.abc import Callable
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import impasto.runtime
from impasto.runtime import (
    BundleError,
    DeviceError,
    DivergenceError,
    Engine,
    ImageError,
    SettingError,
)

SHIPPED = Path(str(resources.files("impasto.models") / "vgg19"))
Picture = NDArray[np.float32]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Of the shipped bundle, with the paper's preset for a default: tests/reference.py is of it."""
    return with_preset(tmp_path_factory.mktemp("bundle") / "vgg19")


@pytest.fixture(scope="module")
def cat(photo: Callable[..., Picture]) -> Picture:
    return photo("chelsea", 32, 48)


@pytest.fixture(scope="module")
def cup(photo: Callable[..., Picture]) -> Picture:
    return photo("coffee", 32, 48)


def tensor(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None])


def with_preset(folder: Path, **changes: object) -> Engine:
    """Of the shipped bundle, the paper's preset the first: from the photograph, and changed."""
    shutil.copytree(SHIPPED, folder)
    raw = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    paper = raw["presets"].pop("gatys2016")
    paper["settings"] |= {"init": "content"} | changes
    raw["presets"] = {"gatys2016": paper, **raw["presets"]}
    (folder / "manifest.json").write_text(json.dumps(raw), encoding="utf-8")
    return Engine.load(folder, device="cpu")


# What a run gives


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_the_losses_are_those_of_pytorch(
    engine: Engine, cat: Picture, cup: Picture, reference: Any, pooling: str, optimizer: str
) -> None:
    """Of the picture that is returned, from the pictures that were given: nothing is resized."""
    settings: dict[str, Any] = {"pooling": pooling, "optimizer": optimizer}
    result = engine.stylize(cat, cup, size=48, iterations=8, tv_weight=0.5, **settings)
    plain = reference.Reference(pooling, tensor(cat), tensor(cup))
    assert result.terms == pytest.approx(plain.terms(tensor(result.image)), rel=1e-3)
    assert result.initial_terms == pytest.approx(plain.terms(tensor(cat)), rel=1e-3, abs=1e-3)
    weights = {"content": 1.0, "style": 1000.0, "tv": 0.5}
    heads = {term.name: term.head for term in engine.manifest.objectives["gatys"].terms}
    weighted = {name: weights[heads[name]] * value for name, value in result.terms.items()}
    assert result.loss == pytest.approx(sum(weighted.values()), rel=1e-4)
    before = sum(weights[heads[name]] * value for name, value in result.initial_terms.items())
    assert result.loss < 0.5 * before


def test_steps_count_up(tmp_path: Path, photo: Callable[..., Picture]) -> None:
    engine = with_preset(tmp_path / "bundle", min_size=20, schedule=[2, 3])
    run = engine.start(photo("chelsea", 64, 96), photo("coffee", 50, 40), size=96)
    sizes = [scale.size for scale in run.plan.scales]
    assert sizes == [(16, 24), (32, 48), (64, 96)]
    steps = list(run)
    assert [(s.scale, s.iteration, s.iterations) for s in steps] == [
        *((1, i, 2) for i in (1, 2)),
        *((2, i, 3) for i in (1, 2, 3)),
        *((3, i, 3) for i in (1, 2, 3)),
    ]
    assert {(s.scales, s.size) for s in steps} == {(3, size) for size in sizes}
    fractions, seconds = ([getattr(s, name) for s in steps] for name in ("fraction", "seconds"))
    assert fractions == sorted(set(fractions))
    assert fractions[-1] == 1
    assert seconds == sorted(seconds)
    result = run.result()
    assert (result.iterations, result.stopped) == (8, "finished")
    assert result.loss == min(step.loss for step in steps if step.scale == 3)


def test_a_steps_picture_is_the_best_so_far(engine: Engine, cat: Picture, cup: Picture) -> None:
    pictures, losses = [], []
    for step in engine.start(cat, cup, size=48, iterations=4):
        assert step.image.shape == (32, 48, 3)
        assert step.image.dtype == np.float32
        pictures.append(step.image)
        losses.append(step.loss)
    assert losses == sorted(losses, reverse=True)
    for before, after in pairwise(pictures):
        assert not np.array_equal(before, after)


@pytest.mark.parametrize(("height", "width"), [(32, 48), (33, 47), (16, 16), (17, 63)])
def test_any_size(photo: Callable[..., Picture], engine: Engine, height: int, width: int) -> None:
    """Sides that are no multiples of 16 are padded inside, and cropped."""
    content = photo("chelsea", height, width)
    result = engine.stylize(content, photo("coffee", 40, 20), size=max(height, width), iterations=3)
    assert result.image.shape == (height, width, 3)
    assert 0 <= result.image.min() < result.image.max() <= 1
    # Three steps change it little: it is the photograph, where it was and the right way up.
    assert np.corrcoef(result.image.ravel(), content.ravel())[0, 1] > 0.8


def test_a_texture_has_the_styles_shape_and_comes_from_noise(engine: Engine, cup: Picture) -> None:
    result = engine.stylize(style=cup, size=48, iterations=25)
    assert result.image.shape == cup.shape
    style = [name for name in result.terms if name.startswith("style.")]
    after, before = ([terms[k] for k in style] for terms in (result.terms, result.initial_terms))
    assert all(a < 0.5 * b for a, b in zip(after, before, strict=True))
    assert sum(after) < 0.05 * sum(before)


def test_a_reconstruction_comes_from_noise(engine: Engine, cat: Picture) -> None:
    result = engine.stylize(cat, size=48, iterations=10)
    name = "content.conv4_2"
    assert result.terms[name] < 0.2 * result.initial_terms[name]


def test_nothing_to_do_ends_early(engine: Engine, cat: Picture) -> None:
    result = engine.stylize(cat, size=48, init="content", iterations=50)
    assert result.loss == 0
    assert result.iterations < 20
    np.testing.assert_array_equal(result.image, cat)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("case", ["itself", "black", "white", "no style"])
def test_a_start_that_is_nearly_optimal_has_converged(
    engine: Engine, cat: Picture, cup: Picture, case: str, optimizer: Any
) -> None:
    """Rounding alone is left of the loss, and no step lowers it: that is no divergence."""
    content = {"black": np.zeros_like(cat), "white": np.ones_like(cat)}.get(case, cat)
    style, weight = (cup, 0.0) if case == "no style" else (content, 1000.0)
    result = engine.stylize(
        content, style, size=48, style_weight=weight, optimizer=optimizer, iterations=60
    )
    assert result.stopped == "converged"
    np.testing.assert_allclose(result.image, content, atol=1 / 255)


def test_a_picture_as_the_start(engine: Engine, cat: Picture, cup: Picture) -> None:
    result = engine.stylize(cat, cup, init_image=cup, size=48, iterations=1)
    assert abs(result.image - cup).max() < abs(cat - cup).max() / 2
    assert result.initial_terms["style.conv1_1"] == pytest.approx(0, abs=1e-6)


def test_weights_of_heads_and_terms(engine: Engine, cat: Picture, cup: Picture) -> None:
    weights = {"style.conv3_1": 2, "tv": 0.5}
    result = engine.stylize(
        cat, cup, size=48, iterations=3, content_weight=0, style_weight=0, weights=weights
    )
    expected = 2 * result.terms["style.conv3_1"] + 0.5 * result.terms["tv"]
    assert result.loss == pytest.approx(expected, rel=1e-4)


def test_sources_of_every_kind_give_the_same_picture(
    engine: Engine, cat: Picture, cup: Picture, tmp_path: Path
) -> None:
    content, style = (np.rint(255 * p).astype(np.uint8) for p in (cat, cup))
    Image.fromarray(content).save(tmp_path / "content.png")
    kinds: list[Any] = [
        content,
        content / 255,
        Image.fromarray(content),
        tmp_path / "content.png",
        str(tmp_path / "content.png"),
    ]
    first, *others = (engine.stylize(kind, style, size=32, iterations=2).image for kind in kinds)
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_a_saved_picture_is_the_result_in_8_bits(
    engine: Engine, cat: Picture, cup: Picture, tmp_path: Path
) -> None:
    result = engine.stylize(cat, cup, size=32, iterations=1)
    result.save(tmp_path / "out.png")
    saved = np.asarray(Image.open(tmp_path / "out.png"), np.float32) / 255
    np.testing.assert_allclose(saved, result.image, atol=0.51 / 255)
    with pytest.raises(ImageError):
        result.save(tmp_path / "out.png")


# Several styles


def test_only_terms_that_count_are_told(engine: Engine, cat: Picture, cup: Picture) -> None:
    """A texture has no content to compare with, and no weight of tv is none of its terms."""
    terms = engine.stylize(style=cup, size=32, iterations=1).terms
    assert list(terms) == [f"style.conv{block}_1" for block in range(1, 6)]
    assert "tv" in engine.stylize(cat, cup, size=32, iterations=1, tv_weight=1).terms


def test_blended_styles_are_blended_gram_matrices(
    engine: Engine, cat: Picture, cup: Picture, photo: Callable[..., Picture], reference: Any
) -> None:
    face = photo("astronaut", 32, 48)
    settings: dict[str, Any] = {"blend": [1, 3], "tv_weight": 0.5}
    result = engine.stylize(cat, [cup, face], size=48, iterations=2, **settings)
    plain = reference.Reference("avg", tensor(cat), tensor(cup))
    other = reference.Reference("avg", tensor(cat), tensor(face))
    plain.grams = {k: 0.25 * plain.grams[k] + 0.75 * other.grams[k] for k in plain.grams}
    assert result.terms == pytest.approx(plain.terms(tensor(result.image)), rel=1e-3)


def test_a_style_of_no_weight_counts_for_nothing(
    engine: Engine, cat: Picture, cup: Picture, photo: Callable[..., Picture]
) -> None:
    settings: dict[str, Any] = {"size": 48, "iterations": 2}
    alone = engine.stylize(cat, cup, **settings)
    blended = engine.stylize(cat, (photo("rocket", 40, 40), cup), blend=[0, 5], **settings)
    np.testing.assert_array_equal(alone.image, blended.image)
    equal = engine.stylize(cat, [cup, cup], **settings)
    np.testing.assert_allclose(equal.image, alone.image, atol=1e-4)


# Repeatable, and shared


def test_the_seed_decides(engine: Engine, cup: Picture) -> None:
    first, again, other = (
        engine.stylize(style=cup, size=32, iterations=2, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.image, again.image)
    assert abs(first.image - other.image).max() > 0.5
    assert (first.plan.settings.seed, other.plan.settings.seed) == (1, 2)


def test_two_threads_paint_what_one_does(engine: Engine, photo: Callable[..., Picture]) -> None:
    """They use the same graphs at the same time, and others beside them."""
    jobs = [("chelsea", "lbfgs", 32), ("astronaut", "lbfgs", 32), ("rocket", "adam", 48)]

    def paint(name: str, optimizer: str, size: int) -> Picture:
        settings: dict[str, Any] = {"optimizer": optimizer, "size": size, "iterations": 6}
        return engine.stylize(photo(name, 32, 32), photo("coffee", 32, 32), **settings).image

    alone = [paint(*job) for job in jobs]
    together: dict[int, Picture] = {}

    def work(number: int) -> None:
        together[number] = paint(*jobs[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, picture in enumerate(alone):
        np.testing.assert_array_equal(together[number], picture)


# Stopping


def test_cancel_is_looked_at_after_every_step(engine: Engine, cat: Picture, cup: Picture) -> None:
    seen: list[float] = []
    result = engine.stylize(
        cat,
        cup,
        size=48,
        iterations=50,
        on_step=lambda step: seen.append(step.loss),
        cancel=lambda: len(seen) == 3,
    )
    assert (result.stopped, result.iterations) == ("cancelled", 3)
    assert result.loss == seen[-1] == min(seen)


def test_a_deadline_gives_what_there_is(cat: Picture, cup: Picture) -> None:
    tiny = Engine.load(Path(__file__).parents[1] / "data" / "plain", device="cpu")
    result = tiny.stylize(cat, cup, size=48, iterations=10**6, optimizer="adam", deadline=2.0)
    assert result.stopped == "deadline"
    assert 2.0 <= result.seconds < 7
    assert result.iterations > 1


def test_leaving_the_loop_stops_the_work_and_the_result_is_in_full_size(
    tmp_path: Path, cat: Picture, cup: Picture
) -> None:
    engine = with_preset(tmp_path / "bundle", min_size=20, schedule=[2, 3])
    run = engine.start(cat, cup, size=48)
    for step in run:
        assert (step.scale, step.iteration) == (1, 1)
        break
    result = run.result()
    assert result.iterations == 1
    assert result.image.shape == (32, 48, 3)


def test_a_run_that_never_started_gives_its_first_picture(
    engine: Engine, cat: Picture, cup: Picture
) -> None:
    result = engine.start(cat, cup, size=48).result()
    np.testing.assert_array_equal(result.image, cat)
    assert result.iterations == 0


# When numbers go wrong (see also the end of tests/export/test_heads.py)


def test_a_step_that_goes_too_far_is_shortened(
    tmp_path: Path, cat: Picture, reference: Any
) -> None:
    """Adam's first step moves every pixel by the rate, against its gradient's sign."""
    engine = with_preset(tmp_path / "bundle", optimizer="adam", learning_rate=0.9)
    noise = np.random.default_rng(5).uniform(-0.02, 0.02, cat.shape)
    init = (cat + noise).clip(0, 1).astype(np.float32)
    step = next(iter(engine.start(cat, init_image=init, size=48)))

    plain = reference.Reference("avg", tensor(cat), tensor(cat))
    sign = np.sign(plain.gradients(tensor(init))["content.conv4_2"])
    before = plain.terms(tensor(init))["content.conv4_2"]
    moved = [(tensor(init) - 0.9 * 0.3**k * sign).clip(0, 1) for k in range(9)]
    losses = [plain.terms(image)["content.conv4_2"] for image in moved]
    assert losses[0] > 10 * before
    assert step.loss == pytest.approx(next(x for x in losses if x <= 10 * before), rel=1e-2)


def test_a_loss_that_explodes_whatever_the_step_keeps_the_last_good_picture(
    tmp_path: Path, cat: Picture, cup: Picture
) -> None:
    engine = with_preset(tmp_path / "bundle", optimizer="adam", learning_rate=1e6)
    weights: dict[str, Any] = {"content_weight": 1.0, "style_weight": 1e-5}
    with pytest.raises(DivergenceError, match="no shorter step helped") as caught:
        engine.stylize(cat, cup, size=48, **weights)
    np.testing.assert_array_equal(caught.value.picture, cat)


def test_an_infinite_loss_at_the_start(engine: Engine, cat: Picture, cup: Picture) -> None:
    with pytest.raises(
        DivergenceError, match="the first image's loss is inf, most of it style"
    ) as caught:
        engine.stylize(cat, cup, size=48, style_weight=6e37)
    np.testing.assert_array_equal(caught.value.picture, cat)


# Values that make no sense


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"size": 15}, "size=15: give a whole number, 16 to 16384 pixels"),
        ({"size": -64}, "size=-64: give"),
        ({"size": 10**6}, "size=1000000: give"),
        ({"size": 48.0}, "size=48.0: give"),
        ({"seed": -1}, "seed=-1: give a whole number, 0 to 9223372036854775807"),
        ({"iterations": 0}, "iterations=0: give"),
        ({"iterations": 5, "quality": "draft"}, "iterations=5: .* quality=, not both"),
        ({"preset": "dali"}, "preset='dali': there are gatys2016, paint, bold"),
        ({"pooling": "min"}, "pooling='min': this bundle has avg, max"),
        ({"objective": "dali"}, "objective='dali': this bundle has gatys"),
        ({"optimizer": "sgd"}, "optimizer='sgd': give one of lbfgs, adam"),
        ({"quality": "best"}, "quality='best': give one of draft, normal, high"),
        ({"weights": {"style.conv1_2": 1}}, "weights='style.conv1_2': this objective has"),
        ({"style_weight": -1}, "style_weight=-1: give a number, 0 to 1e\\+38"),
        ({"weights": {"tv": -1}}, "weights={'tv': -1}: give"),
        ({"tv_weight": float("nan")}, "tv_weight=nan: give"),
        ({"tv_weight": float("inf")}, "tv_weight=inf: give"),
        ({"style_weight": 0, "content_weight": 0}, "every weight is 0: nothing to optimise"),
        ({"style_weight": 1e38}, "lower them"),
        ({"blend": [1, 2]}, "blend=.*: give a weight for each of 1 styles"),
        ({"blend": [-1]}, "blend="),
        ({"blend": [0]}, "blend=.*: give a weight above 0"),
        ({"blend": [float("nan")]}, "blend="),
        ({"blend": 1}, "blend=1: give numbers, 0 or more"),
        ({"style": None, "blend": [1]}, "blend=.*: give a weight for each of 0 styles"),
        ({"content": None, "style": None}, "nothing to paint"),
        ({"content": None, "style": []}, "nothing to paint"),
        ({"content": None, "init": "content"}, "init='content': there is no content"),
        ({"init": "image"}, "init='image': give a picture as init_image="),
        ({"content": None, "style_weight": 0}, "every weight is 0"),
        ({"history_size": 11}, "history_size=11: this bundle has at most 10"),
        ({"preconditioner_pyramid": [1, 2]}, "give a weight for each of 4 levels"),
        ({"content_layer": "conv1_1"}, "the content layers are conv4_2"),
        ({"deadline": float("nan")}, "deadline=nan: give"),
        ({"deadline": "x"}, "deadline='x': give"),
        ({"memory": "much"}, "memory='much': give"),
        ({"max_pixels": 0}, "max_pixels=0: give"),
        ({"sise": 5}, r"sise=5: \w+\(\) has no such keyword; did you mean size\?"),
    ],
)
def test_settings_out_of_range(
    engine: Engine, cat: Picture, cup: Picture, settings: dict[str, Any], reason: str
) -> None:
    """Told by start, before anything runs."""
    arguments = {"content": cat, "style": cup} | settings
    with pytest.raises(SettingError, match=reason):
        engine.start(**arguments)
    with pytest.raises(ValueError, match=reason):
        engine.stylize(**arguments)


@pytest.mark.parametrize("name", ["content", "style", "init_image"])
def test_pictures_that_cannot_be_read_are_told_at_once(
    engine: Engine, cat: Picture, cup: Picture, name: str
) -> None:
    pictures: dict[str, Any] = {"content": cat, "style": cup, name: "nowhere.png"}
    with pytest.raises(ImageError, match=r"nowhere\.png does not exist"):
        engine.start(**pictures)
    with pytest.raises(ImageError, match="over the limit of 100"):
        engine.start(**{**pictures, name: cat, "max_pixels": 100})


def test_what_load_refuses(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="threads=0: give a whole number, 1 to 4096"):
        Engine.load(threads=0)
    with pytest.raises(BundleError, match="no bundle here"):
        Engine.load(tmp_path)
    with pytest.raises((DeviceError, SettingError), match="device='tpu'"):
        Engine.load(device="tpu")


def test_what_load_takes() -> None:
    engine = Engine.load("vgg19", device="cpu", threads=1)
    assert engine.device == "cpu"
    assert engine.model == str(SHIPPED)
    assert engine.manifest.encoder.name == "vgg19"


def test_a_gpu_that_is_not_there_is_an_error_and_auto_takes_the_cpu() -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this build of ONNX Runtime has CUDA")
    for device in ("cuda", "cuda:1"):
        with pytest.raises(DeviceError, match="cannot be had"):
            Engine.load(device=device)
    assert Engine.load(device="auto").device == "cpu"


# The package


def test_the_public_names() -> None:
    """Frozen: a name that goes or comes is a change of the API."""
    assert [*impasto.runtime.__all__] == [
        "Batch",
        "Bundle",
        "BundleError",
        "CheckpointError",
        "CheckpointHeader",
        "DeadlineError",
        "Described",
        "DeviceError",
        "DivergenceError",
        "Engine",
        "Estimate",
        "Evaluation",
        "Field",
        "Files",
        "ImageError",
        "ImpastoError",
        "Installation",
        "Job",
        "Jobs",
        "Machine",
        "Manifest",
        "OutOfMemoryError",
        "Outcome",
        "Painted",
        "Painting",
        "Plan",
        "QueueFull",
        "Region",
        "Result",
        "Row",
        "Run",
        "Scale",
        "SettingError",
        "Settings",
        "Setup",
        "Sizes",
        "Sound",
        "SoundError",
        "SoundPainting",
        "Source",
        "Step",
        "Stream",
        "Verification",
        "Video",
        "VideoEstimate",
        "VideoOrder",
        "VideoProgress",
        "check_all",
        "check_file",
        "check_output",
        "check_sound_output",
        "check_video",
        "describe",
        "examine_installation",
        "make_regions",
        "make_rows",
        "painting_texts",
        "paintings",
        "picture_files",
        "picture_size",
        "read_checkpoint",
        "read_manifest",
        "read_painted",
        "read_picture",
        "read_sound",
        "region_files",
        "resume_sound",
        "setting",
        "show_bytes",
        "start_sound",
        "start_texture",
        "verify_bundle",
        "write_file",
        "write_image",
        "write_sound",
        "write_video",
    ]
    for name in impasto.runtime.__all__:
        assert getattr(impasto.runtime, name).__doc__


def test_what_public_calls_return_is_public() -> None:
    public = {getattr(impasto.runtime, name) for name in impasto.runtime.__all__}
    for kind in (
        Engine,
        impasto.runtime.Run,
        impasto.runtime.Step,
        impasto.runtime.Result,
        impasto.runtime.Job,
        impasto.runtime.Jobs,
    ):
        for name, member in inspect.getmembers(kind):
            function = member.fget if isinstance(member, property) else member
            if name.startswith("_") or not callable(function):
                continue
            returned = typing.get_type_hints(function).get("return")
            if getattr(returned, "__module__", "").startswith("impasto."):
                assert returned in public, f"{kind.__name__}.{name}"


def test_the_faces_use_public_names_alone() -> None:
    """What they import of the runtime, and no name that begins with an underscore."""
    folder = Path(__file__).parents[2] / "cli"
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "impasto.runtime"
            ):
                assert node.module == "impasto.runtime", f"{path.name}: {node.module}"
                assert {alias.name for alias in node.names} <= {*impasto.runtime.__all__}
            private = getattr(node, "attr", "").startswith("_")
            if isinstance(node, ast.Attribute) and private and not node.attr.endswith("__"):
                assert isinstance(node.value, ast.Name), f"{path.name}: {node.attr}"
                assert node.value.id in {"self", "os"}, f"{path.name}: {node.attr}"


FENCE = """
import sys
{statement}
strangers = {{"torch", "onnx", "onnx_ir", "onnxscript", "typer", "rich", "scipy", "skimage"}}
loaded = {{name.split(".")[0] for name in sys.modules}} & strangers
loaded |= {{name for name in sys.modules if name.startswith(("impasto.export", "impasto.cli"))}}
print(*sorted(loaded))
"""
PAINT = """
import numpy as np
from impasto.runtime import Engine
noise = np.random.default_rng(0).random((16, 16, 3))
Engine.load(device="cpu").stylize(noise, noise, size=16, iterations=1)
"""


def loaded_by(statement: str) -> str:
    code = FENCE.format(statement=statement)
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_painting_loads_nothing_of_the_exporter_or_the_command_line() -> None:
    assert loaded_by(PAINT) == ""


@pytest.mark.parametrize(
    ("statement", "stranger"),
    [
        ("import impasto.export", "torch"),
        ("import impasto.export", "impasto.export"),
        ("from impasto.runtime import Engine; import typer", "typer"),
    ],
)
def test_the_fence_can_fail(statement: str, stranger: str) -> None:
    assert stranger in loaded_by(statement).split()
