"""The slow loop: which level each camera gets, from numbers alone."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from appliance.video.levels import ALL, KEYS, REFERENCES, Level, Structure
from appliance.video.load import CameraLoad, Processors, usable_rate
from appliance.video.pacing import Decision, Pacer, Shortage

P_ONLY = Structure(50.0)
WITH_B = Structure(50.0, disposable=0.49)
INTRA = Structure(1.0)
KEYLESS = Structure(None)


def load(
    name: str = "gate",
    *,
    structure: Structure = P_ONLY,
    level: Level = ALL,
    cores: float = 0.1,
    wanted: float = math.inf,
    lag_s: float = 0.01,
    weight: float = 1.0,
) -> CameraLoad:
    """A camera of 25/s that takes so many cores if all of it is decoded."""
    unit_cost_s = cores / 25 * structure.unit_cost(level) / structure.unit_cost(ALL)
    return CameraLoad(name, weight, 25.0, structure, level, unit_cost_s, lag_s, wanted)


def after(
    pacer: Pacer, loads: Sequence[CameraLoad], seconds: int, left: float = 2.0, start: int = 0
) -> Decision:
    """The decision after some seconds in which every level is followed at once."""
    decision = Decision({}, None)
    for second in range(start, start + seconds):
        decision = pacer.step(loads, float(second), Processors(left, 0.0))
        loads = [follow(one, decision.paces[one.name].level) for one in loads]
    return decision


def follow(one: CameraLoad, level: Level) -> CameraLoad:
    cost_s = one.full_cost_s * one.structure.unit_cost(level) / one.structure.unit_cost(ALL)
    return replace(one, level=level, unit_cost_s=cost_s)


def levels(decision: Decision) -> dict[str, str]:
    return {name: str(pace.level) for name, pace in decision.paces.items()}


def test_with_enough_of_everything_all_is_decoded() -> None:
    decision = after(Pacer(2.0), [load("a"), load("b")], 20)

    assert levels(decision) == {"a": "all frames", "b": "all frames"}
    assert decision.shortage is None


@pytest.mark.parametrize(
    ("structure", "wanted", "level"),
    [
        (WITH_B, 8.0, REFERENCES),
        (WITH_B, 9.0, ALL),
        (P_ONLY, 2.0, ALL),
        (INTRA, 4.0, Level("nth", 4)),
        (INTRA, 0.5, Level("nth", 6)),
        (Structure(5.0), 3.0, KEYS),
        (KEYLESS, 1.0, ALL),
    ],
)
def test_a_level_gives_half_as_much_again_as_is_wanted(
    structure: Structure, wanted: float, level: Level
) -> None:
    decision = after(Pacer(2.0), [load(structure=structure, wanted=wanted)], 10)

    assert decision.paces["gate"].level == level
    assert decision.shortage is None


def test_lanes_that_wait_for_fresh_frames_may_be_given_keys() -> None:
    rare = replace(load(wanted=0.2), waits=True)

    assert after(Pacer(2.0), [rare], 10).paces["gate"].level == KEYS


def test_low_demand_is_followed_after_five_seconds_and_high_demand_at_once() -> None:
    pacer = Pacer(2.0)
    low = load(structure=WITH_B, wanted=8.0)

    assert after(pacer, [low], 5).paces["gate"].level == ALL
    assert after(pacer, [low], 1, start=5).paces["gate"].level == REFERENCES
    high = replace(low, level=REFERENCES, wanted_rate=12.0)
    assert after(pacer, [high], 1, start=6).paces["gate"].level == ALL


def test_demand_that_goes_up_and_down_is_followed_ever_more_slowly() -> None:
    pacer = Pacer(2.0)
    changes, last = 0, ALL
    for second in range(3600):
        wanted = 8.0 if second // 10 % 2 else math.inf
        level = (
            pacer.step([load(structure=WITH_B, level=last, wanted=wanted)], second)
            .paces["gate"]
            .level
        )
        changes += level != last
        last = level

    assert 2 <= changes <= 10


def test_a_wish_inside_the_margins_changes_nothing() -> None:
    pacer = Pacer(2.0)
    after(pacer, [load(structure=WITH_B, wanted=8.0)], 10)

    between = load(structure=WITH_B, level=REFERENCES, wanted=10.5)

    assert after(pacer, [between], 100, start=10).paces["gate"].level == REFERENCES


def test_what_takes_most_for_its_weight_is_cut_first() -> None:
    loads = [
        load("large", cores=0.84),
        load("small", cores=0.3),
        load("dear", cores=0.84, weight=9),
    ]

    decision = after(Pacer(2.2), loads, 3, left=2.2)

    assert levels(decision) == {
        "large": "the first 1/2 of each group",
        "small": "all frames",
        "dear": "all frames",
    }


def test_a_shortage_is_said_with_its_numbers() -> None:
    decision = after(Pacer(2.0), [load(f"c{n}", cores=0.6) for n in range(4)], 3)

    assert str(decision.shortage) == (
        "decoding is short: it takes 2.40 cores and may have 1.60 of 2; 4 cameras are decoded in "
        "part only: c0, c1, c2, …. A sub-stream, a lower rate or H.264 takes less."
    )


def test_no_camera_is_cut_below_its_key_frames() -> None:
    decision = after(Pacer(2.0), [load(f"c{n}", cores=20.0) for n in range(3)], 30)

    assert {pace.level for pace in decision.paces.values()} == {KEYS}


def test_a_stream_that_cannot_be_skipped_is_left_whole_and_others_give_way() -> None:
    loads = [load("whole", cores=1.5, structure=KEYLESS), load("other", cores=0.8)]

    decision = after(Pacer(2.0), loads, 3)

    assert decision.paces["whole"].level == ALL
    assert decision.paces["other"].level == KEYS


def test_what_others_take_of_the_cores_is_not_there_for_decoding() -> None:
    pacer = Pacer(2.0)
    cameras = [load("a", cores=0.7), load("b", cores=0.7)]

    assert after(pacer, cameras, 5).shortage is None
    assert after(pacer, cameras, 5, left=1.0, start=5).shortage is None

    late = [load("a", cores=0.7, lag_s=0.4), load("b", cores=0.7)]
    short = after(pacer, late, 5, left=1.0, start=10).shortage
    assert short is not None
    assert short.budget_cores <= 0.8


def test_what_others_give_back_is_used_within_ten_seconds() -> None:
    pacer = Pacer(2.0)
    cameras = [load("a", cores=0.7), load("b", cores=0.7)]
    after(pacer, cameras, 60, left=1.0)

    assert after(pacer, cameras, 10, left=2.0, start=60).shortage is None


def test_costs_that_are_noisy_change_nothing() -> None:
    pacer = Pacer(2.0)
    seen = set()
    for second in range(600):
        noise = 1.0 + 0.15 * math.sin(second * 2.4)
        decision = pacer.step(
            [load("a", cores=0.75 * noise), load("b", cores=0.75 / noise)], second
        )
        seen.add(tuple(levels(decision).values()))

    assert seen == {("all frames", "all frames")}


def test_lag_that_lasts_cuts_the_budget_and_it_grows_again() -> None:
    pacer = Pacer(2.0)
    after(pacer, [load("a", cores=0.7)], 5)
    late = [load("a", cores=0.7, lag_s=0.22)]

    assert after(pacer, late, 1, start=5).paces["a"].level == ALL
    assert after(pacer, late, 5, start=6).paces["a"].level != ALL
    assert after(pacer, [load("a", cores=0.7)], 15, start=11).paces["a"].level == ALL


def test_growth_that_fails_again_and_again_is_tried_ever_more_rarely() -> None:
    pacer = Pacer(2.0)
    one = load("a", cores=0.7)
    changed = []
    for second in range(3600):
        decision = pacer.step([one], float(second))
        level = decision.paces["a"].level
        if level != one.level:
            changed.append(second)
        one = replace(follow(one, level), lag_s=0.22 if level == ALL else 0.15)

    assert len([at for at in changed if at >= 600]) <= 60
    assert len(changed) >= 4


@pytest.mark.parametrize(("lag_s", "skips"), [(0.2, False), (0.3, True)])
def test_who_is_later_than_half_of_what_is_allowed_skips_to_the_next_key(
    lag_s: float, skips: bool
) -> None:
    loads = [load("late", lag_s=lag_s), load("other")]

    decision = Pacer(2.0).step(loads, 0.0)

    assert decision.paces["late"].skip_to_key == skips
    assert not decision.paces["other"].skip_to_key


def test_skipping_is_given_time_to_show() -> None:
    pacer = Pacer(2.0)

    skipped = [
        pacer.step([load(lag_s=2.0)], float(second)).paces["gate"].skip_to_key
        for second in range(7)
    ]

    assert skipped == [True, False, False, True, False, False, True]


def test_a_camera_that_is_off_takes_nothing() -> None:
    off = replace(load("off", cores=5.0), captured_rate=0.0, unit_cost_s=0.0, lag_s=0.0)

    decision = after(Pacer(2.0), [off, load("on", cores=0.8)], 10)

    assert levels(decision) == {"off": "all frames", "on": "all frames"}


def test_a_level_that_a_stream_no_longer_has_is_given_up() -> None:
    pacer = Pacer(2.0)
    after(pacer, [load(structure=WITH_B, wanted=8.0)], 10)

    assert (
        after(pacer, [load(structure=P_ONLY, wanted=8.0)], 1, start=10).paces["gate"]
        == (after(Pacer(2.0), [load()], 1).paces["gate"])
    )


@pytest.mark.parametrize(
    ("taken", "replaced", "rate"), [(10.0, 15.0, 10.0), (25.0, 0.5, math.inf), (0.0, 0.0, math.inf)]
)
def test_what_a_lane_can_use(taken: float, replaced: float, rate: float) -> None:
    assert usable_rate(taken, replaced) == rate


def test_a_shortage_says_no_more_than_is_true() -> None:
    def told(needed: float, budget: float) -> str:
        return str(Shortage(needed, budget, 2.0, 2.0, ["gate"], []))

    assert told(1.7, 1.6).startswith("decoding is short: it takes 1.70 cores and may have 1.60 of")
    assert told(1.1, 1.4) == (
        "decoding is short of time beside what else is computed: it takes 1.10 cores of 2; "
        "1 camera is decoded in part only: gate. A sub-stream, a lower rate or H.264 takes less."
    )


@pytest.mark.parametrize("noise", [0.75, 1.25])
def test_equal_cameras_have_equal_levels_though_one_seems_to_cost_more(noise: float) -> None:
    loads = [load(f"c{number}", cores=0.2) for number in range(15)]
    loads.append(load("other", cores=0.2 * noise))

    decision = after(Pacer(2.0), loads, 30)

    assert set(levels(decision).values()) == {"the first 1/4 of each group"}


def test_a_camera_that_comes_back_goes_on_at_its_level() -> None:
    pacer = Pacer(2.0)
    loads = [load("gate", cores=0.5), *(load(f"c{number}", cores=1.4) for number in range(2))]
    before = levels(after(pacer, loads, 10))
    after(pacer, loads[1:], 5, start=10)

    decision = pacer.step([loads[0], *loads[1:]], 15.0, Processors(2.0, 0.0))

    assert levels(decision) == before
    assert before["gate"] != "all frames" or before["c0"] != "all frames"


def test_no_second_cut_is_made_before_the_first_is_in_force_and_measured() -> None:
    def budget_after(level: Level, seconds: int) -> float:
        pacer = Pacer(2.0)
        for second in range(seconds):
            late = [load(f"c{n}", cores=0.3, lag_s=0.4, level=level) for n in range(4)]
            pacer.step(late, float(second), Processors(2.0, 0.0))
        return pacer._budget.now

    # It is all decoded still: the camera has not come to the next key.
    first = budget_after(ALL, 6)
    assert first == pytest.approx(0.8 * 1.2)
    assert budget_after(ALL, 11) == first
    assert budget_after(ALL, 16) < first


def test_one_camera_of_four_that_lags_is_no_shortage() -> None:
    loads = [load(f"c{number}", cores=0.3) for number in range(4)]
    loads[0] = replace(loads[0], lag_s=0.24)

    assert set(levels(after(Pacer(2.0), loads, 20)).values()) == {"all frames"}


def test_other_processes_are_named_where_decoding_alone_would_have_enough() -> None:
    loads = [load(name, cores=0.3, lag_s=0.2) for name in "ab"]
    decision = after(Pacer(2.0), loads, 10, left=0.5)

    assert str(decision.shortage) == (
        "decoding is short: it takes 0.60 cores and other processes take 1.50 of 2; 2 cameras are "
        "decoded in part only: a, b. Fewer of them beside it, or a sub-stream, would help."
    )


def test_a_light_camera_is_never_cut_for_what_others_take() -> None:
    loads = [load(cores=0.08, lag_s=0.08)]
    pacer = Pacer(2.0)
    for second in range(120):
        decision = pacer.step(loads, float(second), Processors(0.1, 0.0))
        assert decision.paces["gate"].level == ALL
        assert decision.shortage is None


def test_who_is_late_is_named_where_nothing_is_cut() -> None:
    decision = Pacer(2.0).step([load("a", lag_s=0.6), load("b")], 0.0, Processors(1.0, 1.0))

    assert str(decision.shortage) == (
        "decoding is short of time beside what else is computed: it takes 0.20 cores of 2; "
        "1 camera is decoded late: a. A sub-stream, a lower rate or H.264 takes less."
    )


def test_cameras_of_equal_claim_and_cost_get_the_same_level() -> None:
    loads = [load(f"c{n:02}", cores=0.12 + 0.002 * (n % 3)) for n in range(16)]
    pacer = Pacer(2.0)

    for second in range(60):
        decision = after(pacer, loads, 1, start=second)
        assert len(set(levels(decision).values())) == 1


def test_a_camera_that_costs_more_gives_way_before_those_that_cost_little() -> None:
    loads = [load("large", cores=0.8), *(load(f"small{n}", cores=0.2) for n in range(5))]

    decision = after(Pacer(2.0), loads, 3)

    assert decision.paces["large"].level != ALL
    assert {decision.paces[f"small{n}"].level for n in range(5)} == {ALL}
