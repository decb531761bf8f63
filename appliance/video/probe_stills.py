"""Looks at a still image or a folder of them: how many, how large, and what reading one costs."""

import threading
from dataclasses import replace

from appliance.clock import Clock
from appliance.video.errors import VideoError
from appliance.video.findings import Findings
from appliance.video.source import SourceOptions
from appliance.video.stills import StillsReader
from appliance.video.tally import StampFindings
from blocks.data import Frame

ENOUGH_IMAGES = 10


def probe_stills(uri: str, clock: Clock, seconds: float, options: SourceOptions) -> Findings:
    """Read the first images, ten of them or for `seconds`.

    Raises:
        VideoError: there is no image.
    """
    given = replace(options, watch=False)
    deadline_s = clock.monotonic() + seconds
    sizes: list[tuple[int, int]] = []
    problem = ""
    with StillsReader(uri, "probe", clock, threading.Event(), options=given) as reader:
        began_s = clock.cpu_s()
        for item in reader.frames():
            if isinstance(item, Frame):
                sizes.append((item.image.width, item.image.height))
            else:
                problem = getattr(item, "reason", "")
            if reader.demuxed >= ENOUGH_IMAGES or clock.monotonic() >= deadline_s:
                break
        cpu_s = clock.cpu_s() - began_s
        if not sizes:
            raise VideoError(problem or f"{uri}: no image in it could be read")
        width, height = max(sizes)
        return Findings(
            where=uri,
            info=replace(reader.info, width=width, height=height),
            timed=True,
            profile="",
            pixel_format="bgr24",
            audio=(),
            watched_s=reader.next_s,
            units=reader.demuxed,
            rate=reader.info.rate,
            bit_rate=None,
            key_frames=reader.demuxed,
            key_distance=1,
            skippable=1.0,
            reorder_depth=0,
            stamps=StampFindings(0, 0, 0, None),
            decode_ms=cpu_s * 1000 / reader.demuxed,
            undecodable=reader.demuxed - len(sizes),
        )
