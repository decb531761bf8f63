"""The account of a lane's frames."""

import threading

from appliance.observe.buckets import Buckets


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
