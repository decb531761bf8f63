"""Levels on real streams: whatever is switched and when, every picture is that of a full decode."""

import random

import pytest

from appliance.video.access_units import UnitMarks
from appliance.video.levels import (
    ALL,
    KEYS,
    REFERENCES,
    Level,
    Skipper,
    Structure,
    StructureMeter,
)
from tests.appliance.video.encoded import STREAMS, Stream, Unit, decode, encode, h264, stream_of

KEY = UnitMarks(key=True, closed=True)
PLAIN = UnitMarks()
SPARE = UnitMarks(disposable=True)
INTRA = UnitMarks(key=True, closed=True, disposable=True)
PARAMETERS = UnitMarks(picture=False)
# A group of 8 with B pictures, as often as needed.
GROUP = [KEY, PLAIN, SPARE, PLAIN, SPARE, PLAIN, SPARE, PLAIN]
WITHOUT_B = [KEY] + [PLAIN] * 7


def admitted(skipper: Skipper, marks: list[UnitMarks], start_s: float = 0.0) -> str:
    """What becomes of units at 25/s: the numbers let through modulo 8, a dot for each other."""
    return "".join(
        str(number % 8) if skipper.admits(mark, start_s + number / 25) else "."
        for number, mark in enumerate(marks)
    )


def at_level(level: Level) -> Skipper:
    skipper = Skipper()
    admitted(skipper, GROUP)
    skipper.want(level)
    return skipper


@pytest.mark.parametrize(
    ("level", "through"),
    [
        (ALL, "0123456701234567"),
        (REFERENCES, "01.3.5.701.3.5.7"),
        (Level("part", 2), "01.3....01.3...."),
        (Level("part", 4), "01......01......"),
        (KEYS, "0.......0......."),
    ],
)
def test_a_level_lets_its_units_through(level: Level, through: str) -> None:
    assert admitted(at_level(level), GROUP * 2) == through


def test_every_nth_of_a_stream_without_references() -> None:
    skipper = at_level(Level("nth", 3))

    assert admitted(skipper, [INTRA] * 16).count(".") == 11


def test_every_nth_of_a_stream_that_turns_out_to_have_references_is_still_safe() -> None:
    skipper = at_level(Level("nth", 2))

    assert admitted(skipper, GROUP * 2) in ("0...............", "........0.......")


def test_what_refers_to_a_key_that_was_left_out_is_left_out_too() -> None:
    skipper = at_level(Level("nth", 2))
    while skipper.admits(KEY, 1.0):
        pass
    skipper.want(ALL)

    assert not skipper.admits(PLAIN, 1.04)
    assert skipper.admits(KEY, 1.08)
    assert skipper.admits(PLAIN, 1.12)


def test_nothing_is_let_through_before_the_first_key() -> None:
    skipper = Skipper()

    assert admitted(skipper, [PLAIN, SPARE, PLAIN]) == "..."
    assert skipper.why == "no key yet"
    assert admitted(skipper, GROUP) == "01234567"


def test_going_down_takes_effect_at_once_and_up_from_a_part_at_the_next_key() -> None:
    skipper = Skipper()
    admitted(skipper, GROUP)

    assert admitted(skipper, GROUP[:3]) == "012"
    skipper.want(KEYS)
    assert admitted(skipper, [PLAIN]) == "."
    assert skipper.level == KEYS
    skipper.want(ALL)
    assert admitted(skipper, [PLAIN, SPARE, PLAIN]) == "..."
    assert skipper.level == KEYS
    assert skipper.why == "level"
    assert admitted(skipper, GROUP) == "01234567"
    assert skipper.level == ALL


def test_disposable_units_may_be_left_out_and_taken_up_anywhere() -> None:
    skipper = at_level(REFERENCES)

    assert admitted(skipper, GROUP[:4]) == "01.3"
    skipper.want(ALL)
    assert admitted(skipper, GROUP[4:]) == "0123"


def test_after_a_loss_all_up_to_the_next_key_is_left_out() -> None:
    skipper = at_level(ALL)
    admitted(skipper, GROUP[:2])
    skipper.lost()

    assert admitted(skipper, GROUP[2:]) == "......"
    assert skipper.why == "loss"
    assert admitted(skipper, GROUP) == "01234567"


def test_decoding_that_is_late_goes_on_at_the_next_key() -> None:
    skipper = at_level(ALL)
    skipper.skip_to_key(1.0)

    assert admitted(skipper, GROUP[1:] + GROUP) == ".......70123456"
    assert skipper.why == ""


def test_a_stream_that_never_sends_a_key_is_decoded_after_a_time() -> None:
    skipper = Skipper(patience_s=10.0)

    through = admitted(skipper, [PLAIN] * 260)

    assert through.count(".") == 250
    skipper.lost()
    assert skipper.admits(PLAIN, 11.0)


def test_of_a_stream_without_keys_what_is_late_is_left_out_all_the_same() -> None:
    skipper = Skipper(patience_s=1.0)
    admitted(skipper, [PLAIN] * 50)

    skipper.skip_to_key(10.0)

    assert not skipper.admits(PLAIN, 9.96)
    assert skipper.why == "behind"
    assert skipper.admits(PLAIN, 10.0)


def test_patience_is_longer_where_keys_are_known_to_be_rare() -> None:
    skipper = Skipper(patience_s=10.0)
    for at_s in (0.0, 16.0):
        skipper.admits(KEY, at_s)
    skipper.lost()

    assert not any(skipper.admits(PLAIN, 16.0 + second) for second in range(1, 32))


def test_a_camera_that_ceases_to_send_keys_is_not_left_blind() -> None:
    skipper = at_level(KEYS)
    admitted(skipper, GROUP, start_s=1.0)
    skipper.want(ALL)

    through = admitted(skipper, [PLAIN] * 300, start_s=2.0)

    assert set(through[:220]) == {"."}
    assert "." not in through[230:]


def test_parameter_sets_are_always_let_through() -> None:
    skipper = at_level(KEYS)
    skipper.lost()

    assert skipper.admits(PARAMETERS, 1.0)


def test_the_decoder_is_drained_where_a_group_ends_early() -> None:
    for level, last in ((KEYS, 0), (Level("part", 2), 3)):
        skipper = at_level(level)
        ends = []
        for mark in GROUP * 2:
            skipper.admits(mark, 1.0)
            ends.append(skipper.ends_group)
        assert ends == [number % 8 == last for number in range(16)]


def test_what_was_drained_is_not_gone_on_with() -> None:
    skipper = at_level(KEYS)
    assert skipper.admits(KEY, 1.0)
    assert skipper.ends_group
    skipper.want(ALL)

    assert not skipper.admits(PLAIN, 1.04)


def run_at_random(stream: Stream, seed: int) -> list[Unit | None]:
    """What gets through while levels change, units are lost and decoding is late, at random."""
    chance = random.Random(seed)
    levels = [ALL, ALL, REFERENCES, Level("part", 2), Level("part", 4), KEYS]
    skipper = Skipper()
    through: list[Unit | None] = []
    for number, unit in enumerate(stream.units):
        if chance.random() < 0.15:
            skipper.want(chance.choice(levels))
        if chance.random() < 0.02:
            skipper.skip_to_key(number / 25)
        if chance.random() < 0.03:
            skipper.lost()
            continue
        if skipper.admits(unit.marks, number / 25, unit.pts):
            through += [None, unit] if skipper.restarts else [unit]
        if skipper.ends_group:
            through.append(None)
    return through


@pytest.mark.parametrize(("codec", "kind"), [s for s in STREAMS if s[1] != "intra-refresh"])
def test_whatever_is_switched_every_picture_is_whole(codec: str, kind: str) -> None:
    stream = stream_of(codec, kind)
    whole = decode(stream, stream.units)
    seen = 0

    for seed in range(25):
        through = run_at_random(stream, seed)
        part = decode(stream, through)
        seen += len(part)
        assert len(part) == sum(unit is not None for unit in through), f"seed {seed}"
        for pts, luma in part.items():
            assert luma == whole[pts], f"seed {seed}, picture {pts}"
    assert 25 * 5 < seen < 25 * 50


@pytest.mark.parametrize(
    ("stream", "kinds"),
    [
        (h264("b-pyramid"), ["all", "references", "keys"]),
        (h264("no-b"), ["all", "part", "part", "part", "keys"]),
        (h264("intra-refresh"), ["all"]),
        (encode("mjpeg", (("q", "5"),)), ["all"] + ["nth"] * 8),
    ],
)
def test_the_levels_of_real_streams(stream: Stream, kinds: list[str]) -> None:
    meter = StructureMeter()
    for number, unit in enumerate(stream.units):
        meter.add(unit.marks, number)

    found = [level.kind for level in meter.structure.levels]

    assert [kind for kind in found if kind != "part"] == [kind for kind in kinds if kind != "part"]
    assert ("part" in found) == ("part" in kinds) or "references" in found
    assert meter.structure.skippable == (len(kinds) > 1)
    assert meter.measured


def meter_of(marks: list[UnitMarks]) -> StructureMeter:
    meter = StructureMeter()
    for number, mark in enumerate(marks):
        meter.add(mark, number / 25)
    return meter


def test_the_structure_is_that_of_the_last_groups() -> None:
    meter = meter_of(GROUP * 3 + ([KEY] + [PLAIN] * 49) * 5)

    assert meter.structure.units_per_key == 50
    assert meter.structure.disposable == 0.0


def test_rates_of_the_levels() -> None:
    structure = meter_of(GROUP * 5).structure

    assert structure.units_per_key == 8
    assert structure.disposable == pytest.approx(3 / 8)
    assert structure.rate(ALL, 25.0) == pytest.approx(25.0)
    assert structure.rate(REFERENCES, 25.0) == pytest.approx(25 * 5 / 8)
    assert structure.rate(KEYS, 25.0) == pytest.approx(25 / 8)


def test_the_rate_of_every_nth() -> None:
    assert meter_of([INTRA] * 30).structure.rate(Level("nth", 4), 24.0) == pytest.approx(6.0)


def test_shares_of_cost_fall_from_level_to_level() -> None:
    for marks in (GROUP * 5, ([KEY] + [PLAIN] * 49) * 3, [INTRA] * 20):
        structure = meter_of(marks).structure
        shares = [structure.share_of_cost(level) for level in structure.levels]
        assert shares[0] == 1.0
        assert shares == sorted(set(shares), reverse=True)


def test_costs_are_measured_for_each_kind_of_unit() -> None:
    meter = meter_of(WITHOUT_B * 5)
    for _ in range(200):
        meter.took(KEY, 0.020)
        meter.took(PLAIN, 0.004)

    structure = meter.structure

    assert structure.key_cost == pytest.approx(5.0)
    assert structure.share_of_cost(KEYS) == pytest.approx(20 / (20 + 7 * 4))
    assert structure.unit_cost(KEYS) == pytest.approx(5.0)


def test_a_new_connection_supposes_what_was_measured_before() -> None:
    before = meter_of([KEY, *[PLAIN] * 9] * 3)
    for marks, cost_s in ((KEY, 0.010), (PLAIN, 0.002)):
        before.took(marks, cost_s)

    again = StructureMeter(before)
    assert (again.structure, again.measured) == (before.structure, False)
    assert again.plain_cost_s == 0.002

    for marks in [KEY, *[PLAIN] * 4] * 3:
        again.add(marks, 0.0)
    assert again.structure.units_per_key == 5.0


def test_the_first_costs_count_alike_so_that_a_cold_start_is_soon_forgotten() -> None:
    meter = StructureMeter()
    for cost_s in (0.020, 0.002, 0.002, 0.002):
        meter.took(PLAIN, cost_s)
    assert meter.plain_cost_s == pytest.approx(0.0065)


def test_where_only_keys_are_decoded_they_show_what_has_become_of_the_processor() -> None:
    meter = StructureMeter()
    for marks, cost_s in ((KEY, 0.008), (PLAIN, 0.002), (KEY, 0.008), *[(KEY, 0.016)] * 200):
        meter.took(marks, cost_s)
    assert meter.plain_cost_s == pytest.approx(0.004, rel=0.1)
    assert meter.structure.key_cost == pytest.approx(4.0, rel=0.1)


def test_of_a_stream_of_keys_only_what_is_late_is_left_out() -> None:
    skipper = Skipper()
    said = [skipper.admits(INTRA, at_s) for at_s in (0.0, 0.1, 0.2)]
    skipper.skip_to_key(0.5)
    said += [skipper.admits(INTRA, at_s) for at_s in (0.3, 0.4, 0.5, 0.6)]
    assert said == [True, True, True, False, False, True, True]


def test_until_two_keys_have_been_seen_their_distance_is_supposed() -> None:
    meter = meter_of([KEY, PLAIN, PLAIN])

    assert not meter.measured
    assert KEYS in meter.structure.levels


def test_a_stream_without_keys_has_no_level_for_them() -> None:
    meter = meter_of([KEY] + [PLAIN] * 800)

    assert meter.structure.units_per_key is None
    assert meter.structure == Structure(None)
    assert meter.structure.levels == (ALL,)
    assert not meter.structure.skippable


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (ALL, "all frames"),
        (REFERENCES, "referenced frames"),
        (Level("part", 4), "the first 1/4 of each group"),
        (KEYS, "key frames"),
        (Level("nth", 3), "1 of 3 frames"),
    ],
)
def test_levels_are_shown_in_words(level: Level, words: str) -> None:
    assert str(level) == words
    assert level.even == (level.kind != "part")
