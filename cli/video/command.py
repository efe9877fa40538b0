"""The command ``video``, and what ``estimate`` says of one."""

from __future__ import annotations

from typing import Any

import typer

from impasto.cli.configuration import with_config
from impasto.cli.console import duration, print_json, say
from impasto.cli.interrupts import interrupts
from impasto.cli.options import Given
from impasto.runtime import SettingError, Video, VideoOrder, check_all, show_bytes

from .options import Frames
from .reports import reporter


def video(command: str, given: Given) -> None:
    """Paint a video, or go on with one that was begun."""
    given = with_config(given, command)
    found = check_all(Frames, given.own)
    if found.get("output") is None:
        raise SettingError("output", None, "give the video to write, such as painted.mp4")
    with interrupts.mode("raise"), reporter(given.files) as report:
        try:
            order = ordered(found.pop("video"), given, found)
            for progress in Video(order).paint():
                report.progress(order.output, progress)
        except KeyboardInterrupt:
            say("stopped; what is painted is kept: call it again to go on")
            raise typer.Exit(interrupts.exit_code) from None


def ordered(source: str, given: Given, found: dict[str, Any]) -> VideoOrder:
    """What a command line says; ``found`` are the fields of Frames."""
    return VideoOrder(
        source=source,
        styles=given.files.get("style", ()),
        model=given.files.get("model"),
        settings=given.settings,
        machine=given.machine,
        overwrite=bool(given.files.get("overwrite")),
        **found,
    )


def estimate(given: Given) -> None:
    """Print what ``video`` would cost: frames are counted, and scenes found."""
    files, found = given.files, check_all(Frames, given.own)
    order = ordered(files["content"], given, {**found, "output": "estimate.mp4"})
    cost = Video(order, estimating=True).estimate()
    height, width = cost.course.size
    iterations = cost.course.following.scales[-1].iterations
    if files.get("json"):
        names = ("seconds", "memory", "disk", "frames", "scenes")
        print_json({**{n: getattr(cost, n) for n in names}, "size": (width, height)})
        return
    scenes = "1 scene" if cost.scenes == 1 else f"{cost.scenes} scenes"
    print(
        f"{cost.frames} frames of {width} x {height} pixels in {scenes}: about "
        f"{duration(cost.seconds)}, {show_bytes(cost.memory)} of memory and "
        f"{show_bytes(cost.disk)} on the disk"
    )
    print(f"  {iterations} iterations a frame, {order.passes} x; the first of a scene as a picture")
