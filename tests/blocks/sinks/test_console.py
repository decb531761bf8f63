from collections.abc import Callable

import pytest
from pydantic import ValidationError

from blocks.block import Origin
from blocks.data import Event, Frame, Moment
from blocks.sinks.console import ConsoleManifest, ConsoleSink

FrameAt = Callable[[float], Frame]


def test_a_line_says_its_text_and_its_data(frame_at: FrameAt, origin: Origin) -> None:
    sink = ConsoleSink(ConsoleManifest(text="{label} at {camera}"), origin)
    assert sink.run(frame_at(2.0), {"label": "person"}) == Event(
        connection="console",
        type="gate-count.out",
        subject="person at gate",
        time=1.7e9 + 2.0,
        data={"label": "person"},
    )


def test_a_line_needs_neither_text_nor_data(frame_at: FrameAt, origin: Origin) -> None:
    event = ConsoleSink(ConsoleManifest(), origin).run(frame_at(0.0))
    assert (event.subject, event.data) == ("gate", {})


def test_a_text_with_an_unknown_place_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"\{who\} is not a place in a text"):
        ConsoleManifest(text="{who}")


def test_no_frame_is_needed(origin: Origin) -> None:
    sink = ConsoleSink(ConsoleManifest(), origin)
    event = sink.run(Moment("gate", 2.0, 1.7e9, "unsynchronised"), {"total": 3})
    assert (event.time, event.clock, event.data) == (1.7e9, "unsynchronised", {"total": 3})
