"""How calm painted videos are: E_warp beside the losses, against each frame for itself.

    python tests/benchmarks/video.py CLIP... --style painting.jpg --out build/video

E_warp (Lai et al. 2018): the mean squared difference, in levels of 255, of a frame and another one
moved to it, where the flow both ways agrees. That flow is TV-L1's, by scikit-image, which nothing
here paints with; a CLIP ``pan:NAME`` is a picture of scikit-image's that moves by whole pixels,
whose flow is known. The floor is the input's own E_warp, so what counts is the excess over it.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.runtime import Engine
from impasto.runtime.inputs import Inputs
from impasto.runtime.pictures.image import Picture, read_picture, resize
from impasto.runtime.video.course import Course, Shapes, make_course
from impasto.runtime.video.files.reading import examine, frames
from impasto.runtime.video.flow import Flow, warp
from impasto.runtime.video.scene import Painter, paint_scene

FAR = 5
"""Frames between the two of the long-term E_warp."""
STEP = (3, 1)
"""Pixels that a pan moves from frame to frame, to the right and down."""
TARGET = {"excess": 0.25, "style": 1.1}

Flows = Callable[[int, int], tuple[Flow, Flow]]
"""``flows(a, b)``: from frame a to b, and from b to a."""


class Memory:
    """Painted frames, in memory; see Kept."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, int], Picture] = {}

    def load(self, turn: int, number: int) -> Picture | None:
        return self.found.get((turn, number))

    def save(self, turn: int, number: int, picture: Picture) -> None:
        self.found[turn, number] = picture


@dataclass(frozen=True)
class Method:
    """How the frames are painted."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    temporal_weight: float = 0.0
    frame_iterations: int = 15
    passes: int = 1
    alone: bool = False
    """Each frame for itself."""


ALONE = Method("frame by frame", alone=True)
ARTISTIC = Method(
    "artistic-videos' constants",
    {"content_weight": 5.0, "style_weight": 100.0, "tv_weight": 0.001 / 2 * 3 * 512 * 384},
    temporal_weight=1000.0,
    frame_iterations=20,
)


def pan(name: str, count: int, size: tuple[int, int]) -> list[Picture]:
    """A window that moves over a picture of scikit-image's."""
    from skimage import data

    height, width = size
    wide = height + STEP[1] * count, width + STEP[0] * count
    whole = np.asarray(getattr(data, name)()[:, :, :3], np.float32) / 255
    factor = max(wide[0] / whole.shape[0], wide[1] / whole.shape[1])
    rows, columns = (round(side * factor) for side in whole.shape[:2])
    whole = resize(whole, max(rows, wide[0]), max(columns, wide[1]))
    places = ((STEP[1] * n, STEP[0] * n) for n in range(count))
    return [whole[y : y + height, x : x + width].copy() for y, x in places]


def pan_flows(size: tuple[int, int]) -> Flows:
    def flows(a: int, b: int) -> tuple[Flow, Flow]:
        motion = np.array(STEP, np.float32) * np.float32(a - b)
        whole = np.broadcast_to(motion, (*size, 2)).copy()
        return whole, -whole

    return flows


def tvl1_flows(sources: Sequence[Picture]) -> Flows:
    from skimage.registration import optical_flow_tvl1

    grays = [picture @ np.array([0.299, 0.587, 0.114], np.float32) for picture in sources]
    known: dict[tuple[int, int], Flow] = {}

    def one(a: int, b: int) -> Flow:
        if (a, b) not in known:
            rows, columns = optical_flow_tvl1(grays[a], grays[b])
            known[a, b] = np.stack([columns, rows], 2).astype(np.float32)
        return known[a, b]

    return lambda a, b: (one(a, b), one(b, a))


def agreeing(there: Flow, back: Flow) -> NDArray[np.bool_]:
    """Where the flows there and back agree, inside of the frame."""
    height, width = there.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x + there[:, :, 0], y + there[:, :, 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    returned = warp(back, there)
    squares = [np.square(flow).sum(2) for flow in (there + returned, there, returned)]
    return inside & (squares[0] < 0.01 * (squares[1] + squares[2]) + 0.5)


def warp_error(pictures: Sequence[Picture], flows: Flows, apart: int) -> float:
    """E_warp of frames so far apart."""
    found = []
    for first in range(len(pictures) - apart):
        there, back = flows(first + apart, first)
        mask = agreeing(there, back)
        if mask.mean() < 0.1:  # a cut
            continue
        moved = warp(pictures[first], there)
        difference = np.square(255 * (pictures[first + apart] - moved)).mean(2)
        found.append(difference[mask].mean())
    return float(np.mean(found)) if found else float("nan")


class Losses:
    """Style and content losses of pictures, all by the same graphs."""

    def __init__(self, engine: Engine, course: Course, styles: list[Picture]) -> None:
        settings = replace(course.following.settings, iterations=1)
        scale = replace(course.following.scales[-1], iterations=1)
        self._plan = replace(course.following, settings=settings, scales=(scale,))
        self._engine, self._styles = engine, styles

    def __call__(self, content: Picture, painted: Picture) -> dict[str, float]:
        engine, plan = self._engine, self._plan
        inputs = Inputs.of(content, self._styles, painted)
        run = engine.runs.begin(
            inputs, plan, engine.machine, engine.runs.reserve(plan, engine.machine)
        )
        next(run)
        terms = run.result().initial_terms
        return {
            head: sum(v for name, v in terms.items() if name.partition(".")[0] == head)
            for head in ("style", "content")
        }


def painted(
    engine: Engine, method: Method, sources: list[Picture], styles: list[Picture], size: int
) -> tuple[list[Picture], float]:
    """The frames, and seconds for each."""
    painter = Painter(engine, course_of(engine, method, sources, styles, size), styles)
    began = time.monotonic()
    if method.alone:
        found = [painter.still(picture) for picture in sources]
    else:
        kept, numbers = Memory(), range(len(sources))
        list(paint_scene(painter, lambda n: sources[n], numbers, method.passes, kept))
        found = [kept.found[method.passes - 1, n] for n in numbers]
    return found, (time.monotonic() - began) / len(sources)


def course_of(
    engine: Engine, method: Method, sources: list[Picture], styles: list[Picture], size: int
) -> Course:
    shapes = Shapes(
        video=sources[0].shape[:2], styles=tuple(s.shape[:2] for s in styles), even=True
    )
    return make_course(
        engine.manifest,
        {"size": size, **method.settings},
        shapes,
        temporal_weight=method.temporal_weight,
        frame_iterations=method.frame_iterations,
        memory=engine.runs.graphs.room(None),
    )


def load(clip: str, first: int, count: int, size: int) -> tuple[list[Picture], Flows]:
    """Frames of a clip, and their flows."""
    if clip.startswith("pan:"):
        shape = 2 * round(0.375 * size), size
        return pan(clip[4:], count, shape), pan_flows(shape)
    header = examine(clip, 10**9)
    height, width = header.size
    factor = size / max(header.size)
    shape = 2 * round(height * factor / 2), 2 * round(width * factor / 2)
    found = []
    for frame in frames(header, shape, skip=first):
        if frame is not None:
            found.append(frame.picture)
        if len(found) == count:
            break
    return found, tvl1_flows(found)


def measured(
    pictures: list[Picture], sources: list[Picture], flows: Flows, losses: Losses
) -> dict[str, float]:
    terms = [losses(content, picture) for content, picture in zip(sources, pictures, strict=True)]
    return {
        "short": warp_error(pictures, flows, 1),
        "long": warp_error(pictures, flows, FAR),
        "style": float(np.mean([t["style"] for t in terms])),
        "content": float(np.mean([t["content"] for t in terms])),
        "last style": terms[-1]["style"],
        "drift": float(255 * (pictures[-1].mean() - pictures[0].mean())),
    }


def sheet(rows: dict[str, list[Picture]], path: Path) -> None:
    """Five frames of each, and differences of two that follow each other, times 4."""
    strips = []
    for pictures in rows.values():
        shown = [pictures[round(k * (len(pictures) - 1) / 4)] for k in range(5)]
        half = len(pictures) // 2
        difference = (0.5 + 4 * (pictures[half] - pictures[half - 1]) / 2).clip(0, 1)
        strips.append(np.concatenate([*shown, difference], 1))
    whole = np.concatenate(strips, 0)
    Image.fromarray(np.rint(255 * whole).astype(np.uint8)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clips", nargs="+", metavar="CLIP[@FIRST]")
    parser.add_argument("--style", required=True)
    parser.add_argument("--model")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--reuse", action="store_true", help="what is there of an earlier run")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--weights", type=float, nargs="+", default=[])
    parser.add_argument("--iterations", type=int, default=15)
    parser.add_argument("--passes", type=int, nargs="+", default=[1])
    parser.add_argument("--without", nargs="*", default=[], help="alone, artistic")
    parser.add_argument("--out", type=Path, default=Path("build/video"))
    options = parser.parse_args()
    engine = Engine.load(options.model, device="cpu", threads=options.threads)
    styles = [read_picture(options.style, within=(options.size, options.size))]
    methods = [m for m, n in ((ALONE, "alone"), (ARTISTIC, "artistic")) if n not in options.without]
    methods += [
        Method(f"weight {w:g}, passes {p}", {}, w, options.iterations, p)
        for w in options.weights
        for p in options.passes
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    for clip in options.clips:
        compare(engine, clip, methods, styles, options)


def compare(engine: Engine, clip: str, methods: list[Method], styles: Any, options: Any) -> None:
    """Paint a clip by each method; print and keep figures and pictures."""
    path, _, first = clip.partition("@")
    sources, flows = load(path, int(first or 0), options.frames, options.size)
    name = f"{Path(path).stem.replace(':', '-')}{'-' + first if first else ''}"
    losses = Losses(engine, course_of(engine, ALONE, sources, styles, options.size), styles)
    floor = {"short": warp_error(sources, flows, 1), "long": warp_error(sources, flows, FAR)}
    print(f"{name}: the input's own {floor}", flush=True)
    rows, table, base = {"input": sources}, {"input": floor}, {}
    for method in methods:
        file = options.out / f"{name}-{method.name.replace(' ', '-')}.npz"
        if options.reuse and file.exists():
            pictures, seconds = list(np.load(file)["frames"]), math.nan
        else:
            pictures, seconds = painted(engine, method, sources, styles, options.size)
            np.savez_compressed(file, frames=np.stack(pictures))
        found = measured(pictures, sources, flows, losses) | {"seconds": seconds}
        base = base or found
        for kind in ("short", "long"):
            excess = [values[kind] - floor[kind] for values in (found, base)]
            found[f"{kind} excess"] = excess[0] / excess[1]
        found["style ratio"] = found["style"] / base["style"]
        rows[method.name], table[method.name] = pictures, found
        print(
            f"  {method.name}: " + ", ".join(f"{k} {v:.4g}" for k, v in found.items()), flush=True
        )
    sheet(rows, options.out / f"{name}.png")
    (options.out / f"{name}.json").write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
