"""The machine's clock. Nothing else in the program reads it; everything else is given one."""

import ctypes
import threading
import time
from typing import Protocol

_LIBC = ctypes.CDLL(None)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class Clock(Protocol):
    """What the program knows of time."""

    def now(self) -> float:
        """UTC, in seconds since 1970. It may jump when the machine's clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds on a line that never goes back. Only differences mean something."""
        ...

    def cpu_s(self) -> float:
        """Processor time of the calling thread, in seconds. Only differences mean something."""
        ...

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait until `stop` is set, `seconds` at most; say whether it is set."""
        ...


class SystemClock:
    """The clock of the machine the program runs on."""

    def now(self) -> float:
        """UTC, in seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds on a line that never goes back."""
        return time.monotonic()

    def cpu_s(self) -> float:
        """Processor time the calling thread has used, in seconds."""
        # The kernel may put a thread aside that asks for this. Unlike time.thread_time(), a call
        # through ctypes does not keep the interpreter's lock meanwhile.
        found = _Timespec()
        _LIBC.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID, ctypes.byref(found))
        return float(found.seconds + found.nanoseconds / 1e9)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait until `stop` is set, `seconds` at most; say whether it is set."""
        return stop.wait(min(max(0.0, seconds), threading.TIMEOUT_MAX))
