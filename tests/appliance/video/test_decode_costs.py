"""What decoding takes, of which only some units are weighed."""

import pytest

from appliance.engine.testing import ManualClock
from appliance.video.access_units import UnitMarks
from appliance.video.decode_costs import WEIGH_EVERY, DecodeCosts

KEY, PLAIN, DISPOSABLE = UnitMarks(key=True), UnitMarks(), UnitMarks(disposable=True)


class Processor(ManualClock):
    """A clock that counts how often a thread's processor time is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.used_s = 0.0
        self.asked = 0

    def cpu_s(self) -> float:
        self.asked += 1
        return self.used_s


def costs_of(units: list[tuple[UnitMarks, float]]) -> tuple[list[float], int]:
    clock = Processor()
    costs, found = DecodeCosts(clock), []
    for marks, takes_s in units:
        costs.begin(marks)
        clock.used_s += takes_s
        found.append(costs.end(marks))
    return found, clock.asked


def test_keys_are_all_weighed() -> None:
    assert costs_of([(KEY, 0.01), (KEY, 0.03), (KEY, 0.02)])[0] == pytest.approx([0.01, 0.03, 0.02])


def test_of_plain_units_a_few_are_weighed_and_the_others_take_as_much() -> None:
    found, asked = costs_of([(PLAIN, 0.002)] * 100)
    assert found == pytest.approx([0.002] * 100)
    assert asked == 2 * (1 + 100 // WEIGH_EVERY)


def test_a_key_makes_no_plain_unit_dearer() -> None:
    found, _ = costs_of([(KEY, 0.012), *[(PLAIN, 0.002)] * 9] * 3)
    assert found == pytest.approx(([0.012] + [0.002] * 9) * 3)


def test_disposable_units_are_weighed_by_themselves() -> None:
    found, _ = costs_of([(PLAIN, 0.004), (DISPOSABLE, 0.001)] * 10)
    assert found == pytest.approx([0.004, 0.001] * 10)


def test_what_takes_longer_from_now_on_is_followed() -> None:
    found, _ = costs_of([(PLAIN, 0.002)] * 20 + [(PLAIN, 0.01)] * 400)
    assert found[-1] == pytest.approx(0.01, rel=0.01)
