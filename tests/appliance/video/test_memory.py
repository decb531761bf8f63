"""Giving memory back to the system."""

import ctypes
import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.clock import Clock
from appliance.video import memory
from appliance.video.deferral import DeferredFrame
from appliance.video.reader import PROMPT, VideoReader
from appliance.video.selection import Selection
from appliance.video.source import Resume


def test_the_c_library_is_asked_to_give_back_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []

    class Library:
        malloc_trim = kept.append

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Library)
    memory.trim()
    assert kept == [0]


def test_a_c_library_that_keeps_nothing_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    memory.trim()


def test_the_decoder_of_a_closed_connection_goes_at_once(
    render: Callable[..., Path], clock: Clock
) -> None:
    clip = render("c.mp4", frames=30, options={"bf": "0"})
    reader = VideoReader(str(clip), "gate", clock, resume=Resume(selection=Selection(lambda: True)))
    frames = reader.frames()
    kept = [next(frames) for _ in range(PROMPT + 5)]
    decoder = weakref.ref(reader._decoder)
    del frames
    gc.disable()
    try:
        reader.close()
        assert decoder() is None
    finally:
        gc.enable()
    assert isinstance(kept[-1], DeferredFrame)
    assert kept[-1].decode() == "replaced"
    assert reader.demuxed == PROMPT + 5
    reader.close()
