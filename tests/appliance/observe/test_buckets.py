"""The account of a lane's frames."""

import re
import threading
from pathlib import Path

from appliance.engine.testing import EPOCH_S, frame
from appliance.observe.buckets import MEANINGS, REMEMBERED, Buckets, Ended


def test_a_new_account_is_empty() -> None:
    buckets = Buckets()
    assert (buckets.captured, buckets.in_flight, buckets.snapshot()) == (0, 0, {})


def test_frames_are_in_flight_until_they_end_in_a_bucket() -> None:
    buckets = Buckets()
    buckets.capture(3)
    buckets.put("processed")
    assert buckets.in_flight == 2
    buckets.put("stopped", 2)
    assert buckets.in_flight == 0
    assert buckets.captured == 3
    assert buckets.snapshot() == {"processed": 1, "stopped": 2}


def test_no_frames_make_no_bucket() -> None:
    buckets = Buckets()
    buckets.put("stopped", 0)
    assert buckets.snapshot() == {}


def test_a_snapshot_does_not_change_any_more() -> None:
    buckets = Buckets()
    before = buckets.snapshot()
    buckets.put("processed")
    assert before == {}


def test_counts_of_several_threads_add_up() -> None:
    buckets = Buckets()

    def count() -> None:
        for _ in range(2000):
            buckets.capture()
            buckets.put("processed")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert buckets.captured == 8000
    assert buckets.snapshot() == {"processed": 8000}


def test_a_frame_that_ends_is_counted_and_remembered_with_its_figure() -> None:
    buckets = Buckets()
    buckets.capture(3)
    buckets.end(frame(1.0, sequence=10), "no-motion", 0.002)
    buckets.end(frame(3.0, sequence=30), "processed", 0.1)
    buckets.end(frame(2.0, sequence=20), "over-rate")
    assert buckets.account() == (3, {"no-motion": 1, "processed": 1, "over-rate": 1})
    assert buckets.between(EPOCH_S, EPOCH_S + 3.0) == [
        Ended(10, EPOCH_S + 1.0, "no-motion", 0.002),
        Ended(20, EPOCH_S + 2.0, "over-rate", None),
    ]
    assert [each.sequence for each in buckets.between(EPOCH_S + 3.0, EPOCH_S + 4.0)] == [30]


def test_of_very_many_frames_the_last_are_remembered_and_all_are_counted() -> None:
    buckets = Buckets()
    for number in range(REMEMBERED + 10):
        buckets.end(frame(number / 25, sequence=number), "processed")
    remembered = buckets.between(EPOCH_S, EPOCH_S + 1e6)
    assert [remembered[0].sequence, len(remembered)] == [10, REMEMBERED]
    assert buckets.snapshot() == {"processed": REMEMBERED + 10}


def test_an_account_is_of_one_moment_while_others_count() -> None:
    buckets, stop = Buckets(), threading.Event()

    def count() -> None:
        while not stop.is_set():
            buckets.capture()
            buckets.put("processed")

    thread = threading.Thread(target=count)
    thread.start()
    try:
        open_frames = {
            captured - sum(ended.values())
            for captured, ended in (buckets.account() for _ in range(3000))
        }
    finally:
        stop.set()
        thread.join()
    assert open_frames <= {0, 1}


def test_every_bucket_that_frames_end_in_is_explained() -> None:
    root = Path(__file__).parents[3] / "appliance"
    pattern = re.compile(r'\.(?:put|end)\((?:[^"()]*,\s*)?"([a-z-]+)"')
    used = {
        name for path in root.rglob("*.py") for name in pattern.findall(path.read_text("utf-8"))
    }
    assert {"stopped", "replaced", "stale"} <= used
    assert used <= set(MEANINGS)
