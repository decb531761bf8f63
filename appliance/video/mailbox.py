"""Where a camera leaves its newest frame for one lane: a slot for one."""

import threading

from appliance.observe.buckets import Buckets
from blocks.data import Frame

# How soon a waiting thread sees that its stop event is set; nothing wakes it for that.
STOP_SEEN_AFTER_S = 0.1


class Mailbox:
    """Holds one frame between the thread that reads and the thread that computes.

    `buckets` is the lane's account: a frame that ends here is counted in it.
    """

    def __init__(self, buckets: Buckets) -> None:
        self.buckets = buckets
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._closed = False

    def put(self, frame: Frame) -> None:
        """Leave a frame; one that still lies here is "replaced". After the end it is "stopped"."""
        with self._changed:
            if self._closed:
                self.buckets.put("stopped")
                return
            if self._frame is not None:
                self.buckets.put("replaced")
            self._set(frame)

    def put_waiting(self, frame: Frame, stop: threading.Event) -> bool:
        """Leave a frame once the slot is free: no frame is replaced.

        False if the mailbox ended or `stop` was set before; the frame is then "stopped".
        """
        with self._changed:
            while self._frame is not None and not self._closed and not stop.is_set():
                self._changed.wait(STOP_SEEN_AFTER_S)
            if self._closed or stop.is_set():
                self.buckets.put("stopped")
                return False
            self._set(frame)
            return True

    def take(self, stop: threading.Event, timeout_s: float | None = None) -> Frame | None:
        """Wait for a frame and take it out.

        None if the mailbox has ended, `stop` is set, or none came within `timeout_s`.
        """
        with self._changed:
            while self._frame is None and not self._closed and not stop.is_set():
                if timeout_s is not None and timeout_s <= 0:
                    return None
                wait_s = STOP_SEEN_AFTER_S
                if timeout_s is not None:
                    wait_s = min(wait_s, timeout_s)
                    timeout_s -= wait_s
                self._changed.wait_for(lambda: self._frame is not None or self._closed, wait_s)
            if stop.is_set():
                return None
            frame = self._frame
            self._set(None)
            return frame

    def close(self) -> None:
        """Let nothing more in; what lies here may still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def discard(self) -> None:
        """Close, and count the frame that still lies here as "stopped": the lane takes no more."""
        with self._changed:
            self._closed = True
            if self._frame is not None:
                self.buckets.put("stopped")
            self._set(None)

    @property
    def ended(self) -> bool:
        """Whether it is closed and nothing is left to take."""
        with self._changed:
            return self._closed and self._frame is None

    def _set(self, frame: Frame | None) -> None:
        self._frame = frame
        self._changed.notify_all()
