"""Opens a source by what its address names."""

import threading

from appliance.clock import Clock
from appliance.video.reader import VideoReader
from appliance.video.source import Resume, Source, SourceOptions


def open_source(
    uri: str,
    camera: str,
    clock: Clock,
    stop: threading.Event,  # noqa: ARG001
    *,
    options: SourceOptions,
    resume: Resume,
) -> Source:
    """The source, open.

    Raises:
        VideoError: it cannot be opened.
    """
    return VideoReader(uri, camera, clock, options=options, resume=resume)
