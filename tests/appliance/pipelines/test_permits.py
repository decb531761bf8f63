"""Permits to compute: never more than there are, shared by weight, lent where one hangs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.clock import SystemClock
from appliance.engine.testing import ManualClock
from appliance.pipelines.permits import PATIENCE_S, FairShares, Permits

LIMIT_S = 20.0
NEVER = threading.Event()


@contextmanager
def running(*targets: Callable[[], object]) -> Iterator[None]:
    """Threads that are over at the end of the block, or the test fails."""
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive()


def permits_for(names: str, count: int = 1, clock: ManualClock | None = None) -> Permits:
    permits = Permits(count, clock or ManualClock())
    for name in names:
        permits.join(name, 1.0)
    return permits


def waiting(permits: Permits) -> set[str]:
    """Who waits now: it shows nowhere else, and an order of threads is not to be waited for."""
    return set(permits._waiting)


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(round(LIMIT_S / 0.01)):
        if condition():
            return
        NEVER.wait(0.01)
    raise AssertionError("it did not come to that")


# The shares.


def shared(weights: dict[str, float], costs_s: dict[str, float], turns: int) -> dict[str, float]:
    """The time that each has held, where all always have something to compute."""
    shares, held_s = FairShares(), dict.fromkeys(weights, 0.0)
    for name, weight in weights.items():
        shares.join(name, weight)
    for _ in range(turns):
        for name in weights:
            shares.ready(name)
        picked = shares.pick()
        assert picked is not None
        shares.charge(picked, costs_s[picked])
        held_s[picked] += costs_s[picked]
    return held_s


def test_twice_the_weight_is_twice_the_time() -> None:
    held_s = shared({"a": 4.0, "b": 2.0, "c": 1.0}, dict.fromkeys("abc", 0.01), 700)
    assert held_s == pytest.approx({"a": 4.0, "b": 2.0, "c": 1.0}, rel=0.02)


def test_shares_are_of_the_time_and_not_of_the_turns() -> None:
    held_s = shared({"slow": 1.0, "fast": 1.0}, {"slow": 0.5, "fast": 0.01}, 1000)
    assert held_s["slow"] == pytest.approx(held_s["fast"], abs=0.51)


SHARED = st.lists(
    st.tuples(st.sampled_from([0.5, 1.0, 2.0, 4.0]), st.floats(0.001, 0.5)), min_size=2, max_size=8
)


@given(SHARED)
def test_whatever_turns_cost_none_is_more_than_a_turn_ahead_of_its_share(
    lanes: list[tuple[float, float]],
) -> None:
    weights = {str(i): weight for i, (weight, _) in enumerate(lanes)}
    costs_s = {str(i): cost_s for i, (_, cost_s) in enumerate(lanes)}
    held_s = shared(weights, costs_s, 300)
    virtual_s = [held_s[name] / weights[name] for name in weights]
    longest_s = max(costs_s[name] / weights[name] for name in weights)
    assert max(virtual_s) - min(virtual_s) <= longest_s + 1e-6


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["ready", "idle"]))))
def test_whoever_is_picked_was_ready_and_is_not_any_more(acts: list[tuple[str, str]]) -> None:
    shares, ready = FairShares(), set()
    for name in "abc":
        shares.join(name, 1.0)
    for name, act in acts:
        if act == "ready":
            shares.ready(name)
            ready.add(name)
        else:
            shares.idle(name)
            ready.discard(name)
    picked = [shares.pick() for _ in range(len(ready))]
    assert set(picked) == ready
    assert shares.pick() is None


def test_among_equals_it_goes_round() -> None:
    shares, order = FairShares(), []
    for name in "abc":
        shares.join(name, 1.0)
    for _ in range(6):
        for name in "abc":
            shares.ready(name)
        picked = shares.pick()
        assert picked is not None
        shares.charge(picked, 0.1)
        order.append(picked)
    assert order == ["a", "b", "c", "a", "b", "c"]


def test_idleness_is_no_credit() -> None:
    shares, order = FairShares(), []
    for name in "ab":
        shares.join(name, 1.0)
    for turn in range(120):
        shares.ready("a")
        if turn >= 100:
            shares.ready("b")
        picked = shares.pick()
        assert picked is not None
        shares.charge(picked, 0.1)
        order.append(picked)
    assert order[:100] == ["a"] * 100
    # Of the twenty turns since it has come back it has half, and not all of them.
    assert 9 <= order[100:].count("b") <= 12


def test_one_that_joins_late_begins_where_the_others_are() -> None:
    shares = FairShares()
    shares.join("a", 1.0)
    for _ in range(50):
        shares.ready("a")
        assert shares.pick() == "a"
        shares.charge("a", 1.0)
    shares.join("b", 1.0)
    counts = {"a": 0, "b": 0}
    for _ in range(20):
        for name in "ab":
            shares.ready(name)
        picked = shares.pick()
        assert picked is not None
        shares.charge(picked, 1.0)
        counts[picked] += 1
    assert 9 <= counts["b"] <= 12


def test_one_that_has_left_is_not_picked_and_is_charged_nothing() -> None:
    shares = FairShares()
    shares.join("a", 1.0)
    shares.ready("a")
    shares.leave("a")
    shares.leave("a")
    shares.charge("a", 1.0)
    assert shares.pick() is None


# The permits.


def test_a_permit_that_is_free_is_granted_at_once_and_given_back() -> None:
    permits = permits_for("a")
    with permits.hold("a", NEVER) as granted:
        assert granted
        assert permits.held == 1
    assert permits.held == 0


def test_of_twenty_threads_no_more_compute_at_once_than_there_are_permits() -> None:
    permits, names = Permits(3, SystemClock()), [f"lane{i}" for i in range(20)]
    lock, inside, most, turns = threading.Lock(), [0], [0], [0]
    for name in names:
        permits.join(name, 1.0)

    def compute(name: str) -> None:
        for _ in range(25):
            with permits.hold(name, NEVER) as granted:
                assert granted
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                sum(range(2000))
                with lock:
                    inside[0] -= 1
                    turns[0] += 1

    with running(*[partial(compute, name) for name in names]):
        pass
    assert turns[0] == 500
    assert 1 <= most[0] <= 3
    assert permits.held == 0


def test_threads_that_compute_without_end_share_their_time_by_weight() -> None:
    clock, stop = ManualClock(), threading.Event()
    weights = {"a": 4.0, "b": 4.0, "c": 2.0, "d": 2.0, "e": 1.0, "f": 1.0}
    permits, held_s = Permits(1, clock), dict.fromkeys(weights, 0.0)
    for name, weight in weights.items():
        permits.join(name, weight)

    def all_wait(names: set[str]) -> bool:
        return stop.is_set() or names <= waiting(permits)

    def compute(name: str) -> None:
        while not stop.is_set():
            with permits.hold(name, stop) as granted:
                if granted:
                    # Only among those who wait is there something to share.
                    others = set(weights) - {name}
                    wait_until(partial(all_wait, others))
                    clock.advance(0.01)
                    held_s[name] += 0.01
                    if sum(held_s.values()) > 2.8:
                        stop.set()

    with running(*[partial(compute, name) for name in weights]):
        pass
    expected = {name: weight / 5 for name, weight in weights.items()}
    assert held_s == pytest.approx(expected, rel=0.1)


def test_whoever_waits_is_let_in_when_a_permit_is_given_back() -> None:
    permits, order = permits_for("ab"), []

    def second() -> None:
        with permits.hold("b", NEVER) as granted:
            order.append(("b", granted, permits.held))

    with ExitStack() as stack, permits.hold("a", NEVER):
        stack.enter_context(running(second))
        order.append(("a", True, permits.held))
    assert order == [("a", True, 1), ("b", True, 1)]


def test_a_stop_ends_the_waiting_and_leaves_nothing_behind() -> None:
    permits, stop, answers = permits_for("ab"), threading.Event(), []

    def second() -> None:
        with permits.hold("b", stop) as granted:
            answers.append(granted)

    with permits.hold("a", NEVER), running(second):
        stop.set()
    assert answers == [False]
    assert permits.held == 0
    with permits.hold("b", NEVER) as granted:
        assert granted


def test_an_error_gives_the_permit_back() -> None:
    permits = permits_for("a")
    with pytest.raises(ValueError, match="odd"), permits.hold("a", NEVER):
        raise ValueError("odd")
    assert permits.held == 0


def test_while_a_block_waits_for_something_outside_others_compute() -> None:
    permits = permits_for("ab")
    seen = []
    with permits.hold("a", NEVER):
        with permits.waiting():
            seen.append(permits.held)
            with permits.hold("b", NEVER) as granted:
                seen.append(granted)
        seen.append(permits.held)
    assert seen == [0, True, 1]
    assert permits.held == 0


def test_what_is_waited_for_may_fail_and_the_permit_is_taken_again() -> None:
    permits = permits_for("a")
    with permits.hold("a", NEVER):
        with pytest.raises(ValueError, match="no answer"), permits.waiting():
            raise ValueError("no answer")
        assert permits.held == 1
    assert permits.held == 0


def test_after_the_waiting_the_permit_is_waited_for_also_when_all_stops() -> None:
    permits, stop = permits_for("ab"), threading.Event()
    outside, back, order = threading.Event(), threading.Event(), []

    def first() -> None:
        with permits.hold("a", stop):
            with permits.waiting():
                outside.set()
                assert back.wait(LIMIT_S)
            order.append(("a", permits.held))

    with running(first):
        assert outside.wait(LIMIT_S)
        with permits.hold("b", NEVER):
            stop.set()
            back.set()
            order.append(("b", permits.held))
    assert order == [("b", 1), ("a", 1)]


def test_waiting_outside_of_a_turn_and_within_itself_does_nothing() -> None:
    permits = permits_for("a")
    with permits.waiting():
        assert permits.held == 0
    with permits.hold("a", NEVER), permits.waiting(), permits.waiting():
        assert permits.held == 0
    assert permits.held == 0


def test_waiting_on_another_thread_than_the_lanes_leaves_its_permit() -> None:
    permits, seen = permits_for("a"), []

    def other() -> None:
        with permits.waiting():
            seen.append(permits.held)

    with permits.hold("a", NEVER), running(other):
        pass
    assert seen == [1]


def test_time_spent_waiting_outside_is_not_charged() -> None:
    clock = ManualClock()
    permits, order = permits_for("ab", clock=clock), []
    for _ in range(2):
        with permits.hold("a", NEVER):
            clock.advance(0.1)
            with permits.waiting():
                clock.advance(1.0)
        with permits.hold("b", NEVER):
            clock.advance(0.5)

    def turn(name: str) -> Callable[[], None]:
        def take() -> None:
            with permits.hold(name, NEVER):
                order.append(name)

        return take

    permits.join("c", 1.0)
    with ExitStack() as stack, permits.hold("c", NEVER):
        stack.enter_context(running(turn("b")))
        wait_until(lambda: "b" in waiting(permits))
        stack.enter_context(running(turn("a")))
        wait_until(lambda: "a" in waiting(permits))
    # 0.2 s against 1.0 s: it comes first though it asked last.
    assert order == ["a", "b"]


def test_one_who_hangs_is_excused_and_another_permit_is_lent() -> None:
    clock = ManualClock()
    permits, answers = permits_for("abc", clock=clock), []

    def second() -> None:
        with permits.hold("b", NEVER) as granted:
            answers.append((granted, permits.held))

    with permits.hold("a", NEVER):
        clock.advance(PATIENCE_S - 0.01)
        stop = threading.Event()
        stop.set()
        with permits.hold("c", stop) as granted:
            assert not granted
        clock.advance(0.02)
        with running(second):
            pass
    assert answers == [(True, 2)]
    assert permits.held == 0


def test_a_lane_that_has_left_can_join_again_with_another_weight() -> None:
    permits = permits_for("a")
    permits.leave("a")
    permits.join("a", 3.0)
    with permits.hold("a", NEVER) as granted:
        assert granted


def test_a_lane_that_leaves_while_its_block_waits_outside_ends_its_turn_without_a_permit() -> None:
    permits = permits_for("ab")
    with permits.hold("a", NEVER) as granted:
        with permits.waiting():
            permits.leave("a")
        assert granted
        assert permits.held == 0
        with permits.waiting(), permits.hold("b", NEVER) as other:
            assert other
            assert permits.held == 1
    assert permits.held == 0
    with permits.hold("a", NEVER) as again:
        assert not again


def test_a_lane_that_leaves_while_it_waits_for_its_permit_waits_no_longer() -> None:
    permits, outside, answers = permits_for("abc"), threading.Event(), []

    def returning() -> None:
        with permits.hold("a", NEVER):
            with permits.waiting():
                outside.set()
                wait_until(lambda: permits.held == 1)
            answers.append(("a", permits.held))

    def first() -> None:
        with permits.hold("b", NEVER) as granted:
            answers.append(("b", granted))

    with ExitStack() as stack, running(returning):
        assert outside.wait(LIMIT_S)
        with permits.hold("c", NEVER):
            stack.enter_context(running(first))
            wait_until(lambda: waiting(permits) == {"a", "b"})
            permits.leave("a")
            permits.leave("b")
            wait_until(lambda: len(answers) == 2)
            assert sorted(answers) == [("a", 1), ("b", False)]
    assert permits.held == 0


def test_a_permit_that_is_lent_in_place_of_one_that_hangs_is_not_held() -> None:
    clock, held = ManualClock(), []
    permits = permits_for("ab", clock=clock)
    with permits.hold("a", NEVER):
        held.append(permits.all_held)
        clock.advance(PATIENCE_S)
        held.append(permits.all_held)
        with permits.hold("b", NEVER):
            held.append(permits.all_held)
    assert held == [True, False, True]


def test_a_turn_that_has_begun_comes_before_those_that_have_not() -> None:
    clock = ManualClock()
    permits, order = permits_for("abc", clock=clock), []
    outside, free = threading.Event(), threading.Event()

    def returning() -> None:
        with permits.hold("a", NEVER):
            # It has had much more than the others.
            clock.advance(1.0)
            with permits.waiting():
                outside.set()
                assert free.wait(LIMIT_S)
            order.append("a")

    def beginning() -> None:
        with permits.hold("b", NEVER):
            order.append("b")

    with ExitStack() as stack, running(returning):
        assert outside.wait(LIMIT_S)
        with permits.hold("c", NEVER):
            stack.enter_context(running(beginning))
            wait_until(lambda: waiting(permits) == {"b"})
            free.set()
            wait_until(lambda: waiting(permits) == {"a", "b"})
    assert order == ["a", "b"]
