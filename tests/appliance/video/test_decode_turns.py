"""Cameras decode in turns."""

import threading

import pytest

from appliance.video import decode_turns
from appliance.video.decode_turns import DecodeTurns

LIMIT_S = 10.0


def test_no_more_decode_at_once_than_there_are_turns() -> None:
    turns, lock = DecodeTurns(2), threading.Lock()
    inside, most = 0, 0
    together = threading.Barrier(2)

    def decode() -> None:
        nonlocal inside, most
        for _ in range(50):
            with turns:
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1
        with turns:
            # Two are inside at the same time, or this never ends.
            together.wait(LIMIT_S)

    threads = [threading.Thread(target=decode) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    assert most <= 2


def test_a_turn_is_given_back_by_a_decoder_that_raises() -> None:
    turns = DecodeTurns(1)
    with pytest.raises(ValueError, match="broken"), turns:
        raise ValueError("broken")
    done = threading.Event()

    def decode() -> None:
        with turns:
            done.set()

    thread = threading.Thread(target=decode)
    thread.start()
    assert done.wait(decode_turns.PATIENCE_S / 2)
    thread.join(LIMIT_S)


def test_a_decoder_that_hangs_holds_others_up_for_a_while_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decode_turns, "PATIENCE_S", 0.05)
    turns, hangs, done = DecodeTurns(1), threading.Event(), threading.Event()
    inside = threading.Event()

    def hang() -> None:
        with turns:
            inside.set()
            hangs.wait(LIMIT_S)

    def decode() -> None:
        # Twice: who went on without a turn has none to give back.
        for _ in range(2):
            with turns:
                pass
        done.set()

    threads = [threading.Thread(target=hang), threading.Thread(target=decode)]
    threads[0].start()
    assert inside.wait(LIMIT_S)
    threads[1].start()
    assert done.wait(LIMIT_S)
    hangs.set()
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive()
