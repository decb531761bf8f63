"""At most so many cameras decode at once, as there are cores.

More threads than cores that are ready to run fight: each picture then takes longer, in processor
time too, and whoever holds the interpreter's lock is put aside in the middle of it.
"""

import threading
from types import TracebackType

# Who has waited for so long decodes without a turn: behind a decoder that hangs, in the driver of
# its hardware perhaps, or behind others that were quicker to take theirs again. To hand a turn on
# to who has waited longest would cost a change of threads for each picture.
PATIENCE_S = 0.1


class DecodeTurns:
    """Turns to decode, `count` at once.

    Used in a `with` statement by the threads of all cameras.
    """

    def __init__(self, count: int) -> None:
        self._free = threading.Semaphore(count)
        self._mine = threading.local()

    def __enter__(self) -> None:
        self._mine.taken = self._free.acquire(timeout=PATIENCE_S)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._mine.taken:
            self._free.release()
