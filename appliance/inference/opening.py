"""Making a session of a model: its file prepared, its provider chosen, its batches measured."""

import hashlib
import resource
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from appliance.clock import Clock
from appliance.inference.batches import best_batch
from appliance.inference.catalog import ModelCard, ModelError
from appliance.inference.families.fitting import Canvases
from appliance.inference.families.registry import family_of
from appliance.inference.front import prepared
from appliance.inference.loading import BYTES, MayPassError, Opened, Start
from appliance.inference.metadata import Facts
from appliance.inference.providers import Choice, NotNowError, choose_provider
from appliance.inference.quantization import quantized
from appliance.inference.remote import OfflineError, RemoteSession
from appliance.inference.resolution import Resolved, resolve
from appliance.inference.session import Session, runtime_version
from appliance.inference.store import Store

FLOATS = "tensor(float)"
_MIB = 1 << 20


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
        resolved = self._in_int8(resolved)
        path, shape, front = resolved.path, resolved.form.shape, False
        if not raw:
            path = prepared(path, resolved.sha256, resolved.form, self._store.root / "prepared")
            front = path != resolved.path
        if front:
            width, height = resolved.form.size
            shape = (1, height, width, 3)
        choice = self._choice(resolved, path, shape)
        with self._loading:
            before = _resident()
            session = _loaded(resolved, path, choice, callers)
            if not raw:
                session.run(
                    np.zeros(shape, np.uint8 if session.input_type == BYTES else np.float32)
                )
            grown = _resident() - before
        batch = 1 if raw else self._batch(resolved, session, shape)
        notes: dict[str, Any] = {
            "precision": _computes(resolved, choice),
            "memory_mib": max(0, grown) // _MIB,
        }
        if choice.reason:
            notes["reason"] = choice.reason
        canvases = Canvases(resolved.form) if front else None
        return Opened(
            session, resolved.form, session.streams, batch, {**notes, **choice.notes}, canvases
        )

    def _in_int8(self, resolved: Resolved) -> Resolved:
        """The same, or its int8 copy where the card asks for that."""
        name = resolved.card.name
        if resolved.card.precision != "int8":
            return resolved
        try:
            copy = quantized(resolved.sha256, self._store)
        except ModelError as error:
            raise ModelError(f"{name}: {error}") from error
        if copy is None:
            raise ModelError(
                f"{name}: there is no int8 copy of it: make one with `appliance models quantize "
                f"{name} --samples FOLDER{self._store.option}`"
            )
        return replace(resolved, path=copy.path, sha256=copy.sha256)

    def _choice(self, resolved: Resolved, path: Path, shape: tuple[int, ...]) -> Choice:
        card = resolved.card
        try:
            return choose_provider(
                path,
                resolved.sha256,
                shape,
                self._store.probes,
                form=resolved.form,
                order=card.providers,
                precision=card.precision,
            )
        except NotNowError as error:
            raise MayPassError(f"{card.name}: {error}") from error
        except ModelError as error:
            raise ModelError(f"{card.name}: {error}") from error

    def _batch(self, resolved: Resolved, session: Session, shape: tuple[int, ...]) -> int:
        model = (resolved.sha256, resolved.form, session.provider, session.precision)
        said = repr((*model, runtime_version(), session.streams))
        key = hashlib.sha256(said.encode()).hexdigest()[:20]
        return best_batch(session, shape, self._store.probes / f"batch-{key}.json", self._clock)

    def _open_elsewhere(self, resolved: Resolved, start: Start | None) -> Opened:
        session = server_session(resolved.card, self._store, self._clock, start)
        return Opened(session, resolved.form, 1, elsewhere=session)


def server_session(
    card: ModelCard, store: Store, clock: Clock, start: Start | None = None
) -> RemoteSession:
    """The model of a card that says on which server it runs.

    Raises:
        ModelError: the card cannot be used.
    """
    if card.remote is None:
        raise ModelError(f"{card.name} runs on no server")
    kept = store.root / "remote" / f"{card.name}.json"
    return RemoteSession(card.name, card.remote, clock, start, kept)


def resolved_elsewhere(card: ModelCard, store: Store, clock: Clock) -> Resolved:
    """What a model on a server is, all told: by its card, and by the server or what it once said.

    Raises:
        OfflineError: the server cannot be asked, and the card does not say all.
        ModelError: the card does not fit what the server says.
    """
    session = server_session(card, store, clock)
    where = Path(card.remote.address.shown if card.remote is not None else "")
    try:
        return resolve(card, where, "", session.facts)
    except OfflineError:
        if card.family is None or card.input.size is None or not card.labels:
            raise
    finally:
        session.close()
    family = family_of(card.family)
    form = card.input.form(family.form(card.input.size))
    return Resolved(card, where, "", Facts(inputs={}, outputs={}), family, form, card.labels)


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


def _computes(resolved: Resolved, choice: Choice) -> str:
    return "int8" if resolved.card.precision == "int8" else choice.precision


def _resident() -> int:
    """Bytes of memory that this process has now."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * resource.getpagesize()
