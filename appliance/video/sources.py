"""Opens a source by what its address names."""

import threading

from appliance.clock import Clock
from appliance.video.reader import VideoReader
from appliance.video.source import Resume, Source, SourceOptions
from appliance.video.stills import StillsReader, names_stills


def open_source(
    uri: str,
    camera: str,
    clock: Clock,
    stop: threading.Event,
    *,
    options: SourceOptions,
    resume: Resume,
) -> Source:
    """The source, open: images for a folder or the name of a picture, else video.

    `stop` ends the waiting for what comes into a watched folder.

    Raises:
        VideoError: it cannot be opened.
    """
    if options.watch or names_stills(uri):
        return StillsReader(uri, camera, clock, stop, options=options, resume=resume)
    return VideoReader(uri, camera, clock, options=options, resume=resume)
