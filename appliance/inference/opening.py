"""Making a session of a model: its provider chosen, warmed up, its batches measured."""

import hashlib
import resource
import threading
from pathlib import Path
from typing import Any

import numpy as np

from appliance.clock import Clock
from appliance.inference.batches import best_batch
from appliance.inference.catalog import ModelError
from appliance.inference.families.fitting import Canvases
from appliance.inference.loading import BYTES, Opened
from appliance.inference.providers import choose_provider
from appliance.inference.resolution import Resolved
from appliance.inference.session import Session, cores, runtime_version
from appliance.inference.store import Store

FLOATS = "tensor(float)"


def streams_for(callers: int) -> int:
    """How many run beside each other in a session that is made for so many callers."""
    return max(1, min(callers, cores()))


class Opener:
    """Makes sessions. Safe to use from several threads; they are loaded one after the other."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        # Two at once would need the memory of both, and of neither it could be said how much.
        self._loading = threading.Lock()

    def open(self, resolved: Resolved, callers: int, *, raw: bool = False) -> Opened:
        """The session of a model for so many callers at a time.

        A `raw` one takes the numbers that the file takes, and not pixels.

        Raises:
            ModelError: it cannot be run; the sentence.
        """
        path, form = resolved.path, resolved.form
        choice = choose_provider(path, resolved.sha256, form.shape, self._store.probes)
        with self._loading:
            before = _resident()
            session = _loaded(resolved, path, choice.provider, callers)
            if not raw:
                _warm_up(session, form.shape)
            grown = _resident() - before
        batch = 1 if raw else self._batch(resolved, session, callers)
        notes: dict[str, Any] = {"precision": "fp32", "memory_mib": round(max(0, grown) / 2**20, 1)}
        if choice.reason:
            notes["reason"] = choice.reason
        canvases = Canvases(form) if session.input_type == BYTES else None
        return Opened(session, form, streams_for(callers), batch, notes=notes, canvases=canvases)

    def _batch(self, resolved: Resolved, session: Session, callers: int) -> int:
        parts = (resolved.sha256, session.provider, runtime_version(), str(streams_for(callers)))
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]
        kept = self._store.probes / f"batch-{key}.json"
        return best_batch(session, resolved.form.shape, kept, self._clock)


def _loaded(resolved: Resolved, path: Path, provider: str, callers: int) -> Session:
    name = resolved.card.name
    try:
        session = Session(path, provider, callers)
    except Exception as error:
        raise ModelError(f"{name}: onnxruntime cannot load {path}: {error}") from error
    if session.input_type not in (FLOATS, BYTES):
        raise ModelError(
            f"{name}: the model card does not fit {path}: it takes {session.input_type}, "
            f"where images are given as {FLOATS} or {BYTES}"
        )
    return session


def _warm_up(session: Session, shape: tuple[int, ...]) -> None:
    """The first run takes longer: it prepares what the others use."""
    session.run(np.zeros(shape, np.uint8 if session.input_type == BYTES else np.float32))


def _resident() -> int:
    """Bytes of memory that this process has now."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * resource.getpagesize()
