"""The slot for one frame between a camera and a lane."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.observe.ages import Timed
from appliance.observe.buckets import Buckets
from appliance.video.admission import Admission
from appliance.video.mailbox import Mailbox
from blocks.data import Frame, Image

PATIENCE_S = 10.0


def make_frame(sequence: int) -> Frame:
    image = Image.from_bgr(np.zeros((2, 2, 3), np.uint8))
    return Frame("gate", sequence / 25, 1000 + sequence / 25, sequence=sequence, image=image)


def timed(sequence: int, ready_s: float = 0.0) -> Timed:
    """A frame that was taken at 0 s and lay decoded before the lane at `ready_s`."""
    return Timed(make_frame(sequence), 0.0, ready_s)


def take(mailbox: Mailbox, stop: threading.Event, timeout_s: float | None = None) -> Frame | None:
    """Wait for a frame, and take it out."""
    there = mailbox.take() if mailbox.wait(stop, timeout_s) else None
    if there is None:
        return None
    assert isinstance(there.frame, Frame)
    return there.frame


def no_luma() -> NDArray[np.uint8]:
    raise AssertionError("nobody is to ask for the small picture")


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
    mailbox.put(timed(1))
    taken = take(mailbox, stop)
    assert taken is not None
    assert taken.sequence == 1
    assert take(mailbox, stop, 0) is None
    assert mailbox.buckets.snapshot() == {}


def test_the_newest_frame_wins_and_the_older_is_replaced(
    mailbox: Mailbox, stop: threading.Event
) -> None:
    for sequence in range(3):
        mailbox.put(timed(sequence))
    taken = take(mailbox, stop)
    assert taken is not None
    assert taken.sequence == 2
    assert mailbox.buckets.snapshot() == {"replaced": 2}


def test_taking_waits_for_a_frame(mailbox: Mailbox, stop: threading.Event) -> None:
    taken: list[Frame | None] = []
    with running(lambda: taken.append(take(mailbox, stop))):
        mailbox.put(timed(5))
    assert [frame.sequence for frame in taken if frame] == [5]


def test_taking_gives_up_after_its_time(mailbox: Mailbox, stop: threading.Event) -> None:
    assert take(mailbox, stop, 0.25) is None


def test_taking_ends_when_the_stop_is_set(mailbox: Mailbox, stop: threading.Event) -> None:
    taken: list[Frame | None] = []
    with running(lambda: taken.append(take(mailbox, stop))):
        stop.set()
    assert taken == [None]


def test_a_lane_that_is_stopped_takes_no_more_and_leaves_the_frame_to_be_counted(
    mailbox: Mailbox, stop: threading.Event
) -> None:
    mailbox.put(timed(0))
    stop.set()
    assert take(mailbox, stop) is None
    mailbox.discard()
    assert mailbox.buckets.snapshot() == {"stopped": 1}


def test_taking_ends_when_the_mailbox_is_closed(mailbox: Mailbox, stop: threading.Event) -> None:
    taken: list[Frame | None] = []
    with running(lambda: taken.append(take(mailbox, stop))):
        mailbox.close()
    assert taken == [None]


def test_after_the_close_what_is_left_is_taken_and_then_nothing(
    mailbox: Mailbox, stop: threading.Event
) -> None:
    mailbox.put(timed(3))
    ended = [mailbox.ended]
    mailbox.close()
    ended.append(mailbox.ended)
    left = take(mailbox, stop)
    assert left is not None
    assert left.sequence == 3
    assert [*ended, mailbox.ended] == [False, False, True]
    assert take(mailbox, stop) is None


def test_a_frame_that_comes_after_the_close_is_stopped(mailbox: Mailbox) -> None:
    mailbox.close()
    mailbox.put(timed(0))
    assert mailbox.ended
    assert mailbox.buckets.snapshot() == {"stopped": 1}


def test_putting_patiently_waits_until_the_slot_is_free(
    mailbox: Mailbox, stop: threading.Event
) -> None:
    sequences = []

    def put_all() -> None:
        for sequence in range(20):
            assert mailbox.put_waiting(timed(sequence), stop)
        mailbox.close()

    with running(put_all):
        while (frame := take(mailbox, stop, PATIENCE_S)) is not None:
            sequences.append(frame.sequence)
    assert sequences == list(range(20))
    assert mailbox.buckets.snapshot() == {}


def test_putting_patiently_ends_when_the_stop_is_set(
    mailbox: Mailbox, stop: threading.Event
) -> None:
    mailbox.put(timed(0))
    answers: list[bool] = []
    with running(lambda: answers.append(mailbox.put_waiting(timed(1), stop))):
        stop.set()
    assert answers == [False]
    assert mailbox.buckets.snapshot() == {"stopped": 1}


def test_putting_patiently_ends_when_the_lane_takes_no_more(
    mailbox: Mailbox, stop: threading.Event
) -> None:
    mailbox.put(timed(0))
    answers: list[bool] = []
    with running(lambda: answers.append(mailbox.put_waiting(timed(1), stop))):
        mailbox.discard()
    assert answers == [False]
    assert mailbox.buckets.snapshot() == {"stopped": 2}
    assert mailbox.ended


def test_discarding_an_empty_mailbox_counts_nothing(mailbox: Mailbox) -> None:
    mailbox.discard()
    assert mailbox.ended
    assert mailbox.buckets.snapshot() == {}


def test_a_frame_that_is_waited_for_stays_until_it_is_taken_and_may_be_replaced(
    mailbox: Mailbox, stop: threading.Event
) -> None:
    mailbox.put(timed(1))
    assert [mailbox.wait(stop), mailbox.wait(stop)] == [True, True]
    mailbox.put(timed(2))
    taken = mailbox.take()
    assert taken is not None
    assert taken.frame.sequence == 2
    assert mailbox.take() is None
    assert not mailbox.wait(stop, 0)


def test_a_frame_that_is_replaced_is_remembered_with_its_age(mailbox: Mailbox) -> None:
    mailbox.put(timed(7, ready_s=0.1))
    mailbox.put(timed(8, ready_s=0.35))
    (ended,) = mailbox.buckets.between(0.0, 2000.0)
    assert (ended.sequence, ended.bucket, ended.number) == (7, "replaced", 0.35)


def test_taking_frees_the_slot_for_one_who_waits(mailbox: Mailbox, stop: threading.Event) -> None:
    mailbox.put(timed(0))
    answers: list[bool] = []
    with running(lambda: answers.append(mailbox.put_waiting(timed(1), stop))):
        first = mailbox.take()
    second = mailbox.take()
    assert answers == [True]
    assert first is not None
    assert second is not None
    assert (first.frame.sequence, second.frame.sequence) == (0, 1)


def test_a_stopped_lane_does_not_wait_though_a_frame_lies_there(
    mailbox: Mailbox, stop: threading.Event
) -> None:
    mailbox.put(timed(0))
    stop.set()
    assert not mailbox.wait(stop)
    assert mailbox.take() is not None


def test_a_lane_is_asked_which_frames_it_wants_and_what_it_refuses_is_counted() -> None:
    mailbox = Mailbox(Buckets(), Admission(max_rate=5.0))
    frames = [make_frame(sequence) for sequence in range(25)]
    wanted = [frame.sequence for frame in frames if mailbox.admits(frame, no_luma)]
    assert wanted == [0, 5, 10, 15, 20]
    assert mailbox.buckets.snapshot() == {"over-rate": 20}
    over = mailbox.buckets.between(0.0, 2000.0)
    assert [(each.sequence, each.number) for each in over[:2]] == [(1, None), (2, None)]


def test_a_lane_without_rules_wants_every_frame_and_asks_for_no_luma(mailbox: Mailbox) -> None:
    assert all(mailbox.admits(make_frame(sequence), no_luma) for sequence in range(25))
    assert mailbox.buckets.snapshot() == {}


def test_a_lane_may_ask_for_every_frame_until_a_time(mailbox: Mailbox) -> None:
    mailbox.keep_awake(12.5)
    assert mailbox.admission.awake_until_s == 12.5
