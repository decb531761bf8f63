"""Events that come too soon after one of their kind."""

from dataclasses import replace

import pytest

from appliance.delivery import cooldowns
from appliance.delivery.cooldowns import Cooldowns
from blocks.data import Event

EVENT = Event("plant", "people.seen", "gate", 1000.0, {}, cooldown_s=60.0, cooldown_key="gate")


def at(seconds: float, **other: str) -> Event:
    return replace(EVENT, time=1000.0 + seconds, **other)  # type: ignore[arg-type]  # texts


def test_one_is_taken_and_those_of_its_kind_are_left_out_for_so_long() -> None:
    known = Cooldowns()
    assert [known.takes(at(s)) for s in (0, 1, 59.9, 60, 61, 119.9, 120)] == [
        *(True, False, False),
        *(True, False, False),
        True,
    ]
    assert known.suppressed == {"plant": 4}


def test_another_key_type_or_connection_has_a_cooldown_of_its_own() -> None:
    known = Cooldowns()
    assert known.takes(at(0))
    assert known.takes(at(1, cooldown_key="yard"))
    assert known.takes(at(1, type="people.left"))
    assert known.takes(at(1, connection="site"))
    assert known.suppressed == {}


def test_what_has_no_cooldown_is_always_taken() -> None:
    known = Cooldowns()
    assert all(known.takes(replace(at(0), cooldown_s=0.0)) for _ in range(3))


def test_a_clock_that_was_set_back_does_not_silence_for_long() -> None:
    known = Cooldowns()
    assert known.takes(at(86_400))
    assert known.takes(at(0))
    assert not known.takes(at(1))


def test_keys_without_end_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooldowns, "MOST_KEYS", 3)
    known = Cooldowns()
    for number in range(10):
        assert known.takes(at(0, cooldown_key=f"track {number}"))
    assert len(known._taken) == 3
    # The latest are known, the oldest forgotten.
    assert not known.takes(at(1, cooldown_key="track 9"))
    assert known.takes(at(1, cooldown_key="track 0"))
