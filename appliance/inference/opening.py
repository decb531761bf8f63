"""Making a session of a model: here, on what runs it best, or on a server."""

import hashlib
import resource
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from appliance.clock import Clock
from appliance.inference.batches import best_batch
from appliance.inference.catalog import ModelCard, ModelError
from appliance.inference.choosing import File, choose
from appliance.inference.families.fitting import Canvases
from appliance.inference.families.registry import family_of
from appliance.inference.loading import BYTES, MayPassError, Opened, Start
from appliance.inference.metadata import Facts
from appliance.inference.probe import VERSION
from appliance.inference.providers import Choice, NotNowError
from appliance.inference.remote import OfflineError, RemoteSession
from appliance.inference.remote_unseen import lacking
from appliance.inference.resolution import Resolved, resolve
from appliance.inference.session import Session, runtime_version
from appliance.inference.store import Store

FLOATS = "tensor(float)"
_MIB = 1 << 20

log = structlog.get_logger(__name__)


class Opener:
    """Makes sessions. Safe to use from several threads; they are loaded one after the other."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        # Two at once would need the memory of both, and of neither it could be said how much.
        self._loading = threading.Lock()

    def open(
        self, resolved: Resolved, callers: int, start: Start | None = None, *, raw: bool = False
    ) -> Opened:
        """The session of a model for so many callers at a time.

        A `raw` one takes the numbers that the file takes, and not pixels. `start` runs on a thread
        what watches a server.

        Raises:
            MayPassError: it cannot be run now; the sentence.
            ModelError: it cannot be run.
        """
        if resolved.card.remote is not None:
            return self._open_elsewhere(resolved, start)
        try:
            file, choice = choose(resolved, self._store, raw=raw)
        except NotNowError as error:
            raise MayPassError(str(error)) from error
        with self._loading:
            before = _resident()
            session = _loaded(resolved, file.path, choice, callers)
            if not raw:
                self._warm_up(session, file)
            grown = _resident() - before
        batch = 1 if raw else self._batch(resolved, session, file)
        precision = "int8" if resolved.card.precision == "int8" else choice.precision
        notes: dict[str, Any] = {"precision": precision, "memory_mib": max(0, grown) // _MIB}
        if choice.reason:
            notes["reason"] = choice.reason
        if batch > 1:
            notes["batch"] = batch
        canvases = Canvases(resolved.form) if file.front else None
        notes |= choice.notes
        return Opened(session, resolved.form, session.streams, batch, notes, canvases)

    @staticmethod
    def _warm_up(session: Session, file: File, images: int = 1) -> None:
        """The first run takes longer: it makes what the others use."""
        shape = (file.shape[0] * images, *file.shape[1:])
        session.run(np.zeros(shape, np.uint8 if session.input_type == BYTES else np.float32))

    def _batch(self, resolved: Resolved, session: Session, file: File) -> int:
        model = (file.sha256, resolved.form, session.provider, session.precision)
        said = repr((VERSION, *model, runtime_version(), session.streams))
        key = hashlib.sha256(said.encode()).hexdigest()[:20]
        kept = self._store.probes / f"batch-{key}.json"
        again = partial(session.with_callers, session.streams)
        batch = best_batch(session, again, file.shape, kept, self._clock)
        try:
            # Graphics cards look for the best way to compute at the first run of each size, some at
            # once for all that are smaller.
            for images in range(batch, 1, -1):
                self._warm_up(session, file, images)
        except Exception as error:  # noqa: BLE001 - the errors of runtimes have no class in common
            name = resolved.card.name
            log.warning("batches fail, images go one by one", model=name, error=str(error))
            return 1
        return batch

    def _open_elsewhere(self, resolved: Resolved, start: Start | None) -> Opened:
        session = server_session(resolved.card, self._store, self._clock, start)
        return Opened(session, resolved.form, 1, elsewhere=session)


def server_session(
    card: ModelCard, store: Store, clock: Clock, start: Start | None = None, *, tells: bool = True
) -> RemoteSession:
    """The model of a card that says on which server it runs. It `tells` the log of failures.

    Raises:
        ModelError: the card cannot be used.
    """
    if card.remote is None:
        raise ModelError(f"{card.name} runs on no server")
    kept = store.root / "remote" / f"{card.name}.json"
    return RemoteSession(card.name, card.remote, clock, start, kept, tells=tells)


def resolved_elsewhere(card: ModelCard, store: Store, clock: Clock) -> Resolved:
    """What a model on a server is, all told: by its card, and by the server or what it once said.

    Raises:
        OfflineError: the server cannot be asked, and the card does not say all.
        ModelError: the card does not fit what the server says.
    """
    session = server_session(card, store, clock, tells=False)
    where = Path(card.remote.address.shown if card.remote is not None else "")
    try:
        return resolve(card, where, "", session.facts)
    except OfflineError:
        if card.family is None or card.input.size is None or lacking(card):
            raise
    finally:
        session.close()
    family = family_of(card.family)
    form = card.input.form(family.form(card.input.size))
    labels = card.labels or family.labels
    return Resolved(card, where, "", Facts(inputs={}, outputs={}), family, form, labels)


def _loaded(resolved: Resolved, path: Path, choice: Choice, callers: int) -> Session:
    name = resolved.card.name
    try:
        session = Session(path, choice.provider, callers, choice.precision)
    except Exception as error:
        raise ModelError(f"{name}: onnxruntime cannot load {path}: {error}") from error
    if session.input_type not in (FLOATS, BYTES):
        raise ModelError(
            f"{name}: the model card does not fit {path}: it takes {session.input_type}, "
            f"where images are given as {FLOATS} or {BYTES}"
        )
    return session


def _resident() -> int:
    """Bytes of memory that this process has now."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * resource.getpagesize()
