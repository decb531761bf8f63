"""The models of the daemon, lent by name: each file is loaded once, for all who use it."""

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from weakref import WeakSet

from appliance.clock import Clock, SystemClock
from appliance.inference.catalog import ModelCard, find
from appliance.inference.hosting import LendingHost
from appliance.inference.lending import LoadedModel
from appliance.inference.loading import Patience, SharedSession, Start
from appliance.inference.opening import Opener, resolved_elsewhere
from appliance.inference.remote_unseen import Unseen
from appliance.inference.resolution import Resolved
from appliance.inference.resolution import resolved as resolved_here
from appliance.inference.session import streams_for
from appliance.inference.store import Store

__all__ = ["Lending", "LoadedModel", "Models"]

Key = tuple[Any, ...]
"""What has one session: one file, in one form, on one provider and in one precision."""


class Models(LendingHost):
    """All models there are, and the sessions of those in use.

    It lends by itself, without ever taking back: for a program that uses a model now and then.
    `lend` is for a daemon: its lanes wait for a model that is loading, each counts as a caller, and
    what they used is given back together. `callers` is how many threads use each model besides.
    Sessions that nobody uses any more are let go if it `unloads`.
    """

    def __init__(
        self,
        store: Store,
        cards: Mapping[str, ModelCard],
        callers: Mapping[str, int] = MappingProxyType({}),
        *,
        clock: Clock | None = None,
        unloads: bool = False,
        opener: Opener | None = None,
    ) -> None:
        super().__init__()
        self.store = store
        self._cards = cards
        self._callers = callers
        self._clock = clock or SystemClock()
        self._unloads = unloads
        self._opener = opener or Opener(store, self._clock)
        self._resolving = threading.Lock()
        self._lock = threading.Lock()
        self._resolved: dict[str, Resolved] = {}
        self._sessions: dict[Key, SharedSession] = {}
        self._unseen: dict[str, Unseen] = {}
        # A daemon that could not be made is not there to give anything back.
        self._users: dict[Key, WeakSet[LendingHost]] = {}

    def lend(self, patience: Patience | None = None) -> "Lending":
        """Models for the lanes of a daemon, which wait for them as `patience` says."""
        return Lending(self, patience or Patience())

    def borrow(self, model: str, *, raw: bool = False) -> tuple[Resolved, SharedSession, Patience]:
        """As LendingHost says."""
        resolved, shared = self.borrowed(self, model, raw=raw)
        return resolved, shared, Patience()

    def waiting(self) -> AbstractContextManager[None]:
        """Nothing: who asks the models themselves holds no permit of a lane."""
        return nullcontext()

    def bank_of(self, resolved: Resolved) -> Path:
        """As LendingHost says."""
        return resolved.card.bank or self.store.banks / f"{resolved.card.name}.npz"

    def status(self) -> dict[str, dict[str, Any]]:
        """How each model in use fares, by its name, as plain data."""
        with self._lock:
            found = {
                name: (self._sessions[key], len(self._users[key]))
                for name, resolved in self._resolved.items()
                for key in (_key(resolved, raw=False), _key(resolved, raw=True))
                if key in self._sessions
            }
            waited = {name: unseen for name, unseen in self._unseen.items() if unseen.users}
        awaited = {
            name: {"state": unseen.state, "provider": "oip", "late": 0, "users": len(unseen.users)}
            for name, unseen in waited.items()
        }
        return awaited | {
            name: shared.status() | {"users": users} for name, (shared, users) in found.items()
        }

    def borrowed(
        self, user: LendingHost, model: str, *, raw: bool = False
    ) -> tuple[Resolved, SharedSession]:
        """The model of that name and its session, which this user has from now on.

        Raises:
            ModelError: it is unknown, not on this machine, damaged, or does not fit its card.
        """
        with self._resolving:
            resolved = self._resolved.get(model) or self._resolve(find(self._cards, model))
        key = _key(resolved, raw=raw)
        with self._lock:
            self._resolved[model] = resolved
            if key not in self._sessions:
                open_ = partial(self._opener.open, resolved, raw=raw)
                self._sessions[key] = SharedSession(model, open_, streams_for, self._clock)
                self._users[key] = WeakSet()
            if user not in self._users[key]:
                self._users[key].add(user)
                self._tell(key)
            return resolved, self._sessions[key]

    def give_back(self, users: "list[LaneHost]") -> None:
        """These use nothing any more."""
        with self._lock:
            for key, having in list(self._users.items()):
                gone = having.intersection(users)
                having -= gone
                if gone and (having or not self._unloads):
                    self._tell(key)
                elif gone:
                    self._forget(key)
            for name, unseen in list(self._unseen.items()):
                unseen.users.difference_update(users)
                if not unseen.users:
                    del self._unseen[name]

    def begin(self, users: "list[LaneHost]") -> None:
        """Load what these use, in the background, as far as it is not loaded."""
        with self._lock:
            for key, having in self._users.items():
                if any(user in having for user in users):
                    self._tell(key)

    def _tell(self, key: Key) -> None:
        """Tell a session who uses it. Locked."""
        lanes = [user for user in self._users[key] if isinstance(user, LaneHost)]
        start = next((lane.start for lane in lanes if lane.start is not None), None)
        besides = self._callers.get(self._sessions[key].name, 1) if self in self._users[key] else 1
        self._sessions[key].wanted(max(len(lanes), besides), start)

    def _forget(self, key: Key) -> None:
        self._sessions.pop(key).close()
        del self._users[key]
        # The file is looked at again if somebody wants it again.
        self._resolved = {
            name: resolved
            for name, resolved in self._resolved.items()
            if _key(resolved, raw=False) in self._sessions
            or _key(resolved, raw=True) in self._sessions
        }

    def _resolve(self, card: ModelCard) -> Resolved:
        if card.remote is None:
            return resolved_here(card, self.store)
        ask = partial(resolved_elsewhere, card, self.store, self._clock)
        with self._lock:
            unseen = self._unseen.setdefault(card.name, Unseen(card, ask, self._clock))
        found = unseen.resolve()
        with self._lock:
            self._unseen.pop(card.name, None)
        return found


class LaneHost(LendingHost):
    """The host of one lane: the Host of `blocks/host.py`."""

    def __init__(self, models: Models, patience: Patience) -> None:
        super().__init__()
        self._models = models
        self._patience = patience

    def borrow(self, model: str, *, raw: bool = False) -> tuple[Resolved, SharedSession, Patience]:
        """As LendingHost says."""
        resolved, shared = self._models.borrowed(self, model, raw=raw)
        return resolved, shared, self._patience

    def bank_of(self, resolved: Resolved) -> Path:
        """As LendingHost says."""
        return self._models.bank_of(resolved)

    def waiting(self) -> AbstractContextManager[None]:
        """Give the lane's permit back for a while."""
        return self._patience.waiting()


class Lending:
    """What one daemon is lent. Used by the thread that makes, starts, stops and closes it."""

    def __init__(self, models: Models, patience: Patience) -> None:
        self._models = models
        self._patience = patience
        self._hosts: list[LaneHost] = []

    def host(self) -> LaneHost:
        """The host for one lane more, which counts as a caller of all models it asks for."""
        host = LaneHost(self._models, self._patience)
        self._hosts.append(host)
        return host

    def begin(self, start: Start) -> None:
        """Load all that was asked for, in the background."""
        for host in self._hosts:
            host.start = start
        self._models.begin(self._hosts)

    def stop(self) -> None:
        """From now on no lane waits for a model to be loaded."""
        self._patience.stopping.set()

    def close(self) -> None:
        """Give all back. To be called once no lane runs any more."""
        for host in self._hosts:
            host.start = None
        self._models.give_back(self._hosts)
        self._hosts = []


def _key(resolved: Resolved, *, raw: bool) -> Key:
    card = resolved.card
    elsewhere = card.name if card.remote is not None else ""
    return (resolved.sha256, resolved.form, card.precision, card.providers, raw, elsewhere)
