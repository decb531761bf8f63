"""How a command is told to end."""

import signal
import threading
from collections.abc import Iterator

import pytest

from appliance.cli.signals import PATIENCE_S, STOP_SIGNALS, stop_on_signals
from appliance.engine.testing import ManualClock


@pytest.fixture(autouse=True)
def _handlers_are_put_back() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_to_stop(number: signal.Signals) -> None:
    stop = threading.Event()
    stop_on_signals(stop, ManualClock())
    signal.raise_signal(number)
    assert stop.is_set()


def test_the_same_signal_twice_at_once_is_one() -> None:
    stop, clock = threading.Event(), ManualClock()
    stop_on_signals(stop, clock)
    signal.raise_signal(signal.SIGINT)
    clock.advance(PATIENCE_S / 2)
    signal.raise_signal(signal.SIGINT)
    assert stop.is_set()


def test_asked_again_the_process_ends_at_once() -> None:
    clock = ManualClock()
    stop_on_signals(threading.Event(), clock)
    signal.raise_signal(signal.SIGINT)
    clock.advance(PATIENCE_S * 2)
    asked: list[int] = []
    real, signal.raise_signal = signal.raise_signal, asked.append
    try:
        real(signal.SIGINT)
    finally:
        signal.raise_signal = real
    assert asked == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
