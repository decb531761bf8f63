"""Which cameras have the same claim."""

import pytest

from appliance.video.equals import Claim, Equals, sort_out
from appliance.video.levels import ALL, KEYS, Structure

P_ONLY = Structure(50.0)


def claim(
    name: str, cores: float = 0.1, weight: float = 1.0, structure: Structure = P_ONLY
) -> Claim:
    return Claim(name, weight, structure, cores)


def names(groups: list[Equals]) -> list[tuple[str, ...]]:
    return sorted(tuple(sorted(group.members)) for group in groups)


def test_cameras_of_which_about_the_same_is_measured_are_equal() -> None:
    (group,) = sort_out([], [claim("a", 0.1), claim("b", 0.12), claim("c", 0.11)])

    assert group.members == ("a", "b", "c")
    assert group.cores == pytest.approx(0.11)


@pytest.mark.parametrize(
    "other",
    [
        claim("b", 0.16),
        claim("b", weight=2.0),
        claim("b", structure=Structure(250.0)),
        claim("b", structure=Structure(1.0)),
        claim("b", structure=Structure(None)),
    ],
    ids=["cost", "weight", "distance of keys", "keys only", "no keys"],
)
def test_cameras_that_differ_in_their_claim_are_not(other: Claim) -> None:
    assert names(sort_out([], [claim("a"), other])) == [("a",), ("b",)]


def test_noise_does_not_part_them_and_a_lasting_difference_does() -> None:
    groups = sort_out([], [claim(name) for name in "abcd"])

    groups = sort_out(groups, [claim("a", 0.19), *(claim(name) for name in "bcd")])
    assert names(groups) == [("a", "b", "c", "d")]

    groups = sort_out(groups, [claim("a", 0.3), *(claim(name) for name in "bcd")])
    assert names(groups) == [("a",), ("b", "c", "d")]


def test_one_that_leaves_keeps_the_cap_and_one_that_joins_gets_it() -> None:
    groups = sort_out([], [claim("a"), claim("b")])
    groups[0].cap = KEYS

    groups = sort_out(groups, [claim("a"), claim("b", 0.5), claim("c")])

    assert {group.members: group.cap for group in groups} == {("a", "c"): KEYS, ("b",): KEYS}


def test_a_group_nobody_of_which_is_read_now_waits_for_them() -> None:
    groups = sort_out([], [claim("a")])
    groups[0].cap = KEYS

    groups = sort_out(groups, [claim("b", 0.9)])
    groups = sort_out(groups, [claim("a"), claim("b", 0.9)])

    assert {group.members: group.cap for group in groups} == {("a",): KEYS, ("b",): ALL}
