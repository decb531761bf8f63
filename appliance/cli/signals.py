"""How a command is told to end: Ctrl-C, and systemd's SIGTERM."""

import signal
import threading
from types import FrameType

from appliance.clock import Clock

PATIENCE_S = 0.5
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def stop_on_signals(stop: threading.Event, clock: Clock) -> None:
    """Let Ctrl-C and systemd's SIGTERM set the event; asked again, the process ends at once."""
    asked_at_s: list[float] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.set()
        # One Ctrl-C may come twice: to the group, and passed on by a parent such as make.
        if asked_at_s and clock.monotonic() - asked_at_s[0] > PATIENCE_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        asked_at_s.append(clock.monotonic())

    for number in STOP_SIGNALS:
        signal.signal(number, ask)
