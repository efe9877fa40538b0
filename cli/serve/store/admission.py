"""Whether a job can be painted, and what it will need: from headers alone."""

from __future__ import annotations

import math
import time

from impasto.cli.serve.job.folder import JobFolder, Order
from impasto.cli.serve.options import Service
from impasto.runtime import ImpastoError, Jobs, Plan, SettingError

from .table import Row

FLOAT_RGB = 12
"""Bytes of a pixel."""
LBFGS_IMAGES = 8
"""What a checkpoint holds beside L-BFGS' pairs."""
RESULT = 6
"""Bytes of a pixel in the result and the preview, at most."""
SPARE = 1 << 20
"""Bytes of a job's events and the rest."""


def planned(jobs: Jobs, folder: JobFolder, order: Order, options: Service) -> Plan:
    """What would be done, within the limits.

    Raises:
        ImageError, SettingError: nothing can be.
    """
    paths = {name: folder.picture(name) for name in ("content", "init_image")}
    content, image = (path if name in order.pictures else None for name, path in paths.items())
    styles = folder.styles(order)
    try:
        plan = jobs.plan(
            content, styles, init_image=image, max_pixels=options.max_pixels, **order.settings
        )
    except ImpastoError as error:
        if not isinstance(error, SettingError):  # its parts are sentences, which name files
            said = [folder.spoken(p, order) if isinstance(p, str) else p for p in error.args]
            error.args = tuple(said)
        raise
    height, width = plan.size
    if height * width > (most := options.result_pixels):
        raise SettingError(
            "size",
            order.settings.get("size"),
            f"{width} x {height} pixels are more than the {most} that this server paints: choose "
            "a smaller one",
        )
    return plan


def new_row(folder: JobFolder, order: Order, plan: Plan, client: str) -> Row:
    """The job of a client, as it is when it comes in."""
    height, width = plan.size
    return Row(
        id=folder.id,
        client=client,
        status="queued",
        priority=order.priority,
        attended=order.attended,
        created=time.time(),
        bytes=folder.size() + expected_bytes(plan),
        about={
            "width": width,
            "height": height,
            "scales": len(plan.scales),
            "settings": vars(plan.settings),
            "pictures": order.pictures,
            "notes": [],
        },
    )


def expected_bytes(plan: Plan) -> int:
    """Of the files that painting makes: for a moment there are two checkpoints."""
    images = max(2 * scale.history + LBFGS_IMAGES for scale in plan.scales)
    return math.prod(plan.size) * (2 * images * FLOAT_RGB + RESULT) + SPARE
