"""The slot for one frame between a camera and a lane."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from appliance.observe.buckets import Buckets
from appliance.video.mailbox import Mailbox
from blocks.data import Frame, Image

PATIENCE_S = 10.0


def make_frame(sequence: int) -> Frame:
    image = Image.from_bgr(np.zeros((2, 2, 3), np.uint8))
    return Frame("gate", sequence / 25, 1000 + sequence / 25, sequence=sequence, image=image)


@contextmanager
def running(target: Callable[[], object]) -> Iterator[threading.Thread]:
    """A thread that is over at the end of the block, or the test fails."""
    thread = threading.Thread(target=target)
    thread.start()
    yield thread
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox(Buckets())


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


def test_a_frame_put_in_is_taken_out_once(mailbox: Mailbox, stop: threading.Event) -> None:
    mailbox.put(make_frame(1))
    taken = mailbox.take(stop)
    assert taken is not None
    assert taken.sequence == 1
    assert mailbox.take(stop, 0) is None
    assert mailbox.buckets.snapshot() == {}


def test_the_newest_frame_wins_and_the_older_is_replaced(
    mailbox: Mailbox, stop: threading.Event
) -> None:
    for sequence in range(3):
        mailbox.put(make_frame(sequence))
    taken = mailbox.take(stop)
    assert taken is not None
    assert taken.sequence == 2
    assert mailbox.buckets.snapshot() == {"replaced": 2}


def test_taking_waits_for_a_frame(mailbox: Mailbox, stop: threading.Event) -> None:
    taken: list[Frame | None] = []
    with running(lambda: taken.append(mailbox.take(stop))):
        mailbox.put(make_frame(5))
    assert [frame.sequence for frame in taken if frame] == [5]


def test_taking_gives_up_after_its_time(mailbox: Mailbox, stop: threading.Event) -> None:
    assert mailbox.take(stop, 0.25) is None


def test_taking_ends_when_the_stop_is_set(mailbox: Mailbox, stop: threading.Event) -> None:
    taken: list[Frame | None] = []
    with running(lambda: taken.append(mailbox.take(stop))):
        stop.set()
    assert taken == [None]


def test_a_lane_that_is_stopped_takes_no_more_and_leaves_the_frame_to_be_counted(
    mailbox: Mailbox, stop: threading.Event
) -> None:
    mailbox.put(make_frame(0))
    stop.set()
    assert mailbox.take(stop) is None
    mailbox.discard()
    assert mailbox.buckets.snapshot() == {"stopped": 1}


def test_taking_ends_when_the_mailbox_is_closed(mailbox: Mailbox, stop: threading.Event) -> None:
    taken: list[Frame | None] = []
    with running(lambda: taken.append(mailbox.take(stop))):
        mailbox.close()
    assert taken == [None]


def test_after_the_close_what_is_left_is_taken_and_then_nothing(
    mailbox: Mailbox, stop: threading.Event
) -> None:
    mailbox.put(make_frame(3))
    ended = [mailbox.ended]
    mailbox.close()
    ended.append(mailbox.ended)
    left = mailbox.take(stop)
    assert left is not None
    assert left.sequence == 3
    assert [*ended, mailbox.ended] == [False, False, True]
    assert mailbox.take(stop) is None


def test_a_frame_that_comes_after_the_close_is_stopped(mailbox: Mailbox) -> None:
    mailbox.close()
    mailbox.put(make_frame(0))
    assert mailbox.ended
    assert mailbox.buckets.snapshot() == {"stopped": 1}


def test_putting_patiently_waits_until_the_slot_is_free(
    mailbox: Mailbox, stop: threading.Event
) -> None:
    sequences = []

    def put_all() -> None:
        for sequence in range(20):
            assert mailbox.put_waiting(make_frame(sequence), stop)
        mailbox.close()

    with running(put_all):
        while (frame := mailbox.take(stop, PATIENCE_S)) is not None:
            sequences.append(frame.sequence)
    assert sequences == list(range(20))
    assert mailbox.buckets.snapshot() == {}


def test_putting_patiently_ends_when_the_stop_is_set(
    mailbox: Mailbox, stop: threading.Event
) -> None:
    mailbox.put(make_frame(0))
    answers: list[bool] = []
    with running(lambda: answers.append(mailbox.put_waiting(make_frame(1), stop))):
        stop.set()
    assert answers == [False]
    assert mailbox.buckets.snapshot() == {"stopped": 1}


def test_putting_patiently_ends_when_the_lane_takes_no_more(
    mailbox: Mailbox, stop: threading.Event
) -> None:
    mailbox.put(make_frame(0))
    answers: list[bool] = []
    with running(lambda: answers.append(mailbox.put_waiting(make_frame(1), stop))):
        mailbox.discard()
    assert answers == [False]
    assert mailbox.buckets.snapshot() == {"stopped": 2}
    assert mailbox.ended


def test_discarding_an_empty_mailbox_counts_nothing(mailbox: Mailbox) -> None:
    mailbox.discard()
    assert mailbox.ended
    assert mailbox.buckets.snapshot() == {}
