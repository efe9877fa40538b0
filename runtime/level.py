"""What one scale computes with: targets, objective, optimizer, room for images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from .bundle.manifest import Term
from .bundle.shapes import Pair, fix
from .graphs.device import OrtValue
from .graphs.pool import AnyGraphs
from .inputs import Pictures
from .inputs.pictures import laid
from .inputs.regions import Mask
from .maps import Maps, map_names
from .matching import Matches, nearest, taken
from .objective import Objective, Point, Slot, make_objective
from .objective.tiles import tile_shape
from .optimizers import Optimizer, make_optimizer
from .pictures.image import Picture, from_tensor, padded_size, resample, to_tensor
from .planning.plan import Plan
from .planning.sizes import Size, style_sizes
from .planning.ways import GOOD_TILE, as_pixels
from .state import State

Targets = dict[str, NDArray[np.float32]]
Places = Callable[[str, str, str, NDArray[np.float32]], NDArray[np.float32]]
"""Of neighbours: by their name, the layer, the term's input and a style's features there."""
LARGER = 2
"""Times the image's pixels that a style may have to be described at once: that takes less memory
than a step."""


NOTHING = 1e-12
"""What is divided by where a mask is empty at a layer."""


def named(
    terms: Sequence[Term], weights: Sequence[float], values: Sequence[float] | NDArray[np.float32]
) -> dict[str, float]:
    """The terms whose weight is not 0, by name."""
    found = zip(terms, weights, values, strict=True)
    return {term.name: float(value) for term, weight, value in found if weight}


class Level:
    """One scale of a run, open."""

    def __init__(
        self,
        graphs: AnyGraphs,
        plan: Plan,
        pictures: Pictures,
        scale: int,
        maps: Maps,
    ) -> None:
        self.scale = scale
        self._graphs, self._plan, self._pictures = graphs, plan, pictures
        self._stage = plan.scales[scale]
        manifest = self._manifest = graphs.bundle.manifest
        self._terms = terms = manifest.objectives[plan.settings.objective].terms
        self._shapes = {value.name: value.shape for term in terms for value in term.inputs}
        padded = padded_size(*self._stage.size, manifest.encoder.alignment)
        self._padded = padded
        self._regions = len(pictures.masks)
        self.objective: Objective = self._of_size(*padded, max(1, self._regions))
        self._targets, self._matched, self._maps = self._described(), Targets(), maps
        self.set_maps(maps)
        self.optimizer: Optimizer = make_optimizer(graphs, plan, scale, padded)
        self._slots = self.objective.slots(self.optimizer.points + 2)  # the best, and the next
        self._frame = self._framed()

    def set_maps(self, maps: Maps) -> None:
        """Compare with the pictures' targets, regions and given maps."""
        self._maps = maps
        targets = self._targets | self._matched | self._fitted(maps)
        self.objective.set_targets(targets, self._plan.weights)

    def match(self, image: OrtValue) -> Matches:
        """Compare with the neighbours of an image's features in each style, if terms want any."""
        if not self.matches:
            return {}
        own = self.objective.describe(image.numpy(), "matched")
        return self._match(
            lambda _, layer, name, features: self._nearest(layer, own[name], features)
        )

    def set_matches(self, matches: Matches) -> None:
        """Compare with these neighbours."""
        if matches:
            self._match(lambda key, *_: matches[key])

    def _match(self, places: Places) -> Matches:
        """Compare with what is at these places: of several styles with what they give, blended."""
        found: dict[str, NDArray[np.float32]] = {}
        self._matched = Targets()
        for number, share, features in self._features():
            for layer, name in self._matching():
                key, shape = f"{name}.{number}", fix(self._shapes[name], *self._padded)
                found[key] = places(key, layer, name, features[name])
                part = np.float32(share) * taken(features[name], found[key], shape)
                self._matched[name] = self._matched.get(name, np.float32(0)) + part
        self.set_maps(self._maps)
        return found

    def _nearest(
        self, layer: str, own: NDArray[np.float32], style: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        return nearest(self._graphs, self._manifest.matching[layer], own, style)

    @property
    def matches(self) -> bool:
        """Whether terms want neighbours."""
        return self._has("matched") and bool(self._pictures.styles)

    def _matching(self) -> list[tuple[str, str]]:
        """Layers and inputs that neighbours are for."""
        return [(t.layer, i.name) for t in self._terms for i in t.inputs if i.source == "matched"]

    def _features(self) -> Iterator[tuple[int, float, Mapping[str, NDArray[np.float32]]]]:
        """Number, share and features of every style."""
        for number, (share, own) in enumerate(zip(self._plan.shares, self._sizes(), strict=True)):
            image = self._tensor(self._pictures.style(number, own))
            yield number, share, self._of_size(*image.shape[2:]).describe(image, "matched")

    def fill(self, image: Picture) -> Slot:
        """The first slot, with a picture in it."""
        self._slots[0].image.update_inplace(self._tensor(image))
        return self._slots[0]

    def evaluate(self, slot: Slot) -> Point:
        """Loss, terms and gradient of the slot's image.

        Of a gray image the gradient among gray images: then it stays gray. Where it is laid on what
        was there before, what is evaluated is the whole of both, and the gradient is the image's.
        """
        if self._frame is None:
            point = self.objective.evaluate(slot)
        else:
            share, ground, canvas = self._frame
            canvas.image.update_inplace(laid(slot.image.numpy(), ground, share))
            found = self.objective.evaluate(canvas)
            slot.gradient.update_inplace(share * canvas.gradient.numpy())
            point = Point(slot, found.loss, found.terms)
        if self._pictures.is_gray:
            gradient = slot.gradient.numpy()
            mean = gradient.mean(1, keepdims=True)
            slot.gradient.update_inplace(np.broadcast_to(mean, gradient.shape).copy())
        return point

    def slot(self, number: int) -> Slot:
        """One of the slots, from 0."""
        return self._slots[number]

    def free_slot(self, state: State) -> Slot:
        """One that neither the optimizer nor the result needs."""
        previous = state.memory.previous if state.memory else None
        held = [point.slot for point in (state.point, state.best, previous) if point]
        return next(slot for slot in self._slots if slot not in held)

    def image(self, point: Point) -> Picture:
        """The (height, width, channels) image of a point."""
        return from_tensor(point.image.numpy(), *self._stage.size)

    def distance(self, point: Point, other: Point) -> float:
        """The largest difference of two images, in units of the canvas' range."""
        change = np.abs(point.image.numpy() - other.image.numpy()).max()
        canvas = self._manifest.canvas
        return float(change) / (canvas.high - canvas.low)

    def explain(self, point: Point) -> str:
        """Which term makes the first image's loss no number, and what to do."""
        values = named(self._terms, self._plan.weights, point.terms)
        culprit = next((name for name, value in values.items() if not math.isfinite(value)), None)
        if culprit:
            return (
                f"the first image's {culprit} is {values[culprit]}: the picture or the bundle's "
                "weights are out of range"
            )
        weighted = {
            term.name: weight * float(value)
            for term, weight, value in zip(
                self._terms, self._plan.weights, point.terms, strict=True
            )
        }
        largest = max(weighted, key=lambda name: weighted[name])
        return (
            f"the first image's loss is {point.loss}, most of it {largest}: "
            f"lower the weight of {largest}"
        )

    def _described(self) -> Targets:
        """What the given pictures are to the terms."""
        size, found, pictures = self._stage.size, Targets(), self._pictures
        if pictures.content is not None:
            image = self._tensor(pictures.seen(pictures.resized(pictures.content, size)))
            found |= self.objective.describe(image, "content")
        for number, (share, own) in enumerate(zip(self._plan.shares, self._sizes(), strict=True)):
            image = self._tensor(pictures.style(number, own))
            mask = pictures.style_mask(number, own)
            for name, target in self._style(image, mask).items():
                target = np.float32(share) * target
                if self._regions:
                    among = np.zeros((self._regions, *target.shape[1:]), np.float32)
                    among[pictures.region_of[number]] = target[0]
                    target = among
                found[name] = found.get(name, np.float32(0)) + target
            if self._has("style_map"):
                image = self._tensor(pictures.style(number, size))
                share = share / max(1, self._regions)
                for name, target in self.objective.describe(image, "style_map").items():
                    found[name] = found.get(name, np.float32(0)) + np.float32(share) * target
        if self._regions:
            found |= self._weighed(pictures.regions(size), self._padded)
        return found

    def _sizes(self) -> list[Size]:
        """Of the styles, as they are described."""
        plan, least = self._plan, self._manifest.encoder.alignment
        return style_sizes(plan.settings, plan.sizes, self._stage.size, least)

    def _style(
        self, image: NDArray[np.float32], mask: Mask | None
    ) -> Mapping[str, NDArray[np.float32]]:
        """A style's statistics, in its mask; the engine remembers them for a while."""
        picture, settings = blake2b(image.data, digest_size=16), self._plan.settings
        if mask is not None:
            picture.update(np.ascontiguousarray(mask).data)
        size = image.shape[2:]
        tile = self._tile(*size)
        key = (picture.digest(), image.shape, settings.objective, settings.pooling, tile)
        weights = {} if mask is None else self._weighed([mask], (size[0], size[1]))
        return self._graphs.targets(
            key, lambda: self._of_size(*size).describe(image, "style", weights)
        )

    def _weighed(self, masks: Sequence[Mask], padded: Pair) -> Targets:
        """Masks at the layers' resolutions as weights, of mean 1 for each.

        So G = sum m F F^T / sum m is the mean over all positions, as without masks.
        """
        tensor, found = self._tensor(np.stack(masks, 2)), Targets()
        for value in (v for term in self._terms for v in term.inputs if v.source == "regions"):
            means = _blocks(tensor, fix(value.shape, *padded)[2:]).transpose(1, 0, 2, 3)
            whole = means.mean((2, 3), dtype=np.float64, keepdims=True)
            found[value.name] = (means / np.maximum(whole, NOTHING)).astype(np.float32)
        return found

    def _framed(self) -> tuple[NDArray[np.float32], NDArray[np.float32], Slot] | None:
        """How much of each place is painted, what is there else, and where both are laid."""
        pictures, size = self._pictures, self._stage.size
        share = pictures.painted(size)
        if share is None:
            return None
        (canvas,) = self.objective.slots(1, len(self._slots) + 1)
        ground = self._tensor(pictures.seen(pictures.ground(size)))
        return self._tensor(share[:, :, None]), ground, canvas

    def _fitted(self, maps: Maps) -> Targets:
        """Regions and given maps at their layers' resolutions."""
        found = Targets()
        for source, name in map_names(self._terms, maps).items():
            shape, whole = fix(source.shape, *self._padded), maps[name]
            whole = whole if whole.ndim == 3 else whole[:, :, None]
            tensor = self._tensor(resample(whole, *self._stage.size))
            found[source.name] = np.ascontiguousarray(_blocks(tensor, shape[2:]), np.float32)
        return found

    def _has(self, kind: str) -> bool:
        return any(source.source == kind for term in self._terms for source in term.inputs)

    def _of_size(self, height: int, width: int, regions: int = 1) -> Objective:
        settings, tile = self._plan.settings, self._tile(height, width)
        return make_objective(
            self._graphs, settings.objective, settings.pooling, (height, width), tile, regions
        )

    def _tile(self, height: int, width: int) -> int | None:
        """The most pixels of a tile: the image's, or of a style that is much larger than it."""
        good = as_pixels(GOOD_TILE, self._manifest.canvas.channels)
        most, tile = max(math.prod(self._padded), good), self._stage.tile_pixels
        if tile is not None or height * width <= LARGER * most:
            return tile
        margin = self._manifest.objectives[self._plan.settings.objective].margin
        fits = tile_shape(height, width, most, margin, self._manifest.encoder.alignment)
        return most if fits else None

    def _tensor(self, picture: Picture) -> NDArray[np.float32]:
        return to_tensor(picture, self._manifest.encoder.alignment)


def _blocks(tensor: NDArray[np.float32], sides: Sequence[int]) -> NDArray[np.float32]:
    """Means of a (1, C, H, W) tensor over blocks, as many as a layer has positions."""
    rows, columns = (a // b for a, b in zip(tensor.shape[2:], sides, strict=True))
    blocks = tensor.reshape(1, tensor.shape[1], sides[0], rows, sides[1], columns)
    return np.asarray(blocks.mean((3, 5)), np.float32)
