"""Where a camera leaves its newest frame for one lane: a slot for one."""

import threading

from appliance.observe.ages import Timed, Undecoded
from appliance.observe.buckets import Buckets
from appliance.video.admission import Admission, Luma
from blocks.data import Frame

# How soon a waiting thread sees that its stop event is set; nothing wakes it for that.
STOP_SEEN_AFTER_S = 0.1


class Mailbox:
    """Holds one frame between the thread that reads and the thread that computes.

    `buckets` is the lane's account: a frame that ends here is counted in it. `admission` says which
    frames are let in; it is asked by the thread that reads.
    """

    def __init__(self, buckets: Buckets, admission: Admission | None = None) -> None:
        self.buckets = buckets
        self.admission = admission or Admission()
        self._changed = threading.Condition()
        self._timed: Timed | None = None
        self._closed = False
        # A lane waits for the next frame.
        self.idle = False

    def admits(self, frame: Frame | Undecoded, luma: Luma) -> bool:
        """Whether the lane wants a frame; one that it does not want is counted."""
        refusal = self.admission.refusal(frame, luma)
        if refusal is None:
            return True
        self.buckets.end(frame, *refusal)
        return False

    def put(self, timed: Timed) -> None:
        """Leave a frame; one that still lies here is "replaced". After the end it is "stopped"."""
        with self._changed:
            if self._closed:
                self.buckets.end(timed.frame, "stopped")
                return
            if self._timed is not None:
                age_s = timed.ready_s - self._timed.captured_s
                self.buckets.end(self._timed.frame, "replaced", age_s)
            self._set(timed)

    def put_waiting(self, timed: Timed, stop: threading.Event) -> bool:
        """Leave a frame once the slot is free: no frame is replaced.

        False if the mailbox ended or `stop` was set before; the frame is then "stopped".
        """
        with self._changed:
            while self._timed is not None and not self._closed and not stop.is_set():
                self._changed.wait(STOP_SEEN_AFTER_S)
            if self._closed or stop.is_set():
                self.buckets.end(timed.frame, "stopped")
                return False
            self._set(timed)
            return True

    def wait(self, stop: threading.Event, timeout_s: float | None = None) -> bool:
        """Wait until a frame lies here; it stays here, and a newer one may replace it.

        False if the mailbox has ended, `stop` is set, or none came within `timeout_s`.
        """
        with self._changed:
            self.idle = self._timed is None
            while self._timed is None and not self._closed and not stop.is_set():
                if timeout_s is not None and timeout_s <= 0:
                    return False
                wait_s = STOP_SEEN_AFTER_S
                if timeout_s is not None:
                    wait_s = min(wait_s, timeout_s)
                    timeout_s -= wait_s
                self._changed.wait_for(lambda: self._timed is not None or self._closed, wait_s)
            return self._timed is not None and not stop.is_set()

    def take(self) -> Timed | None:
        """Take the frame that lies here out, if there is one."""
        with self._changed:
            timed = self._timed
            self._set(None)
            return timed

    def close(self) -> None:
        """Let nothing more in; what lies here may still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def discard(self) -> None:
        """Close, and count the frame that still lies here as "stopped": the lane takes no more."""
        with self._changed:
            self._closed = True
            if self._timed is not None:
                self.buckets.end(self._timed.frame, "stopped")
            self._set(None)

    def keep_awake(self, until_s: float) -> None:
        """Let every frame in until then, on the source's line, whether anything moves or not."""
        self.admission.awake_until_s = until_s

    @property
    def ended(self) -> bool:
        """Whether it is closed and nothing is left to take."""
        # Without the lock, as it is asked at each frame: once it is true it stays so.
        return self._closed and self._timed is None

    def _set(self, timed: Timed | None) -> None:
        self._timed, self.idle = timed, False
        self._changed.notify_all()
