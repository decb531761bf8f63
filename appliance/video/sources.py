"""Opens a source by what its address names."""

import threading

from appliance.clock import Clock
from appliance.video.capture_time import CaptureTime
from appliance.video.hardware import HardwareChoice
from appliance.video.reader import VideoReader
from appliance.video.source import Opened, Resume, Source, SourceOptions
from appliance.video.stills import StillsReader, names_stills


def open_first(uri: str, camera: str, clock: Clock, stop: threading.Event) -> Opened:
    """The source, open before there is a camera for it, so that it can be looked at.

    Raises:
        VideoError: it cannot be opened.
    """
    options = SourceOptions()
    resume = Resume(times=CaptureTime(clock), hardware=HardwareChoice(options.hardware))
    source = open_source(uri, camera, clock, stop, options=options, resume=resume)
    return Opened(source, resume)


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
