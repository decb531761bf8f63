"""Models on servers that did not answer yet, and of which too little is known without them."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import structlog

from appliance.clock import Clock
from appliance.inference.catalog import ModelCard, ModelError
from appliance.inference.families.registry import family_of
from appliance.inference.remote import OfflineError, Start
from appliance.inference.remote_circuit import Circuit
from appliance.inference.resolution import Resolved

# What has no names of classes.
_NAMELESS = ("vector", "anomaly", "text")

log = structlog.get_logger(__name__)


class UnseenError(OfflineError):
    """A model is on a server that was never seen, and its card does not say all."""

    def __init__(self, unseen: "Unseen", text: str) -> None:
        super().__init__(text)
        self.unseen = unseen


class Unseen:
    """A model on a server, until it is known what it is. Threads may share it.

    `ask` finds out, and raises ModelError while it cannot. `users` are those who wait for it.
    """

    def __init__(self, card: ModelCard, ask: Callable[[], Resolved], clock: Clock) -> None:
        self.card = card
        self.users: WeakSet[Any] = WeakSet()
        self._ask_it = ask
        self._clock = clock
        self._circuit = Circuit(clock)
        self._lock = threading.Lock()
        self._watched = False
        self._resolved: Resolved | None = None
        # If not, it was there and could not be used.
        self._is_away = True

    @property
    def state(self) -> str:
        """How the server fares, in words, as `RemoteSession.state`."""
        if not self._circuit.is_open:
            return "online"
        retry_s = self._circuit.retry_in_s
        again = f"asked again in {retry_s:.1f} s" if retry_s else "asked again now"
        here = self.card.remote.fallback if self.card.remote is not None else ""
        place = f"; {here} takes its place" if here else ""
        return f"not seen yet: {self._circuit.reason}; {again}{place}"

    def resolve(self) -> Resolved:
        """What it is. The server is asked, if it is due.

        Raises:
            UnseenError: it does not answer.
            ModelError: the card does not fit what it says.
        """
        if self._resolved is None and self._circuit.try_it():
            self._ask()
        if self._resolved is not None:
            return self._resolved
        if not self._is_away:
            raise ModelError(self._circuit.reason)
        *lacks, last = lacking(self.card) or ["all"]
        said = f"{', '.join(lacks)} and {last}" if lacks else last
        more = f"say {said} on its card, or start when the server is up"
        raise UnseenError(self, f"{self._circuit.reason}; {more}")

    def seen(self, start: Start | None) -> Resolved | None:
        """What it is, if that is known by now.

        The server is asked whenever it is due: by a loop that is begun here with `start`, or else
        by the caller.
        """
        if self._resolved is None and self._circuit.is_due:
            if start is not None:
                self._watch(start)
            elif self._circuit.try_it():
                with suppress(ModelError):
                    self._ask()
        return self._resolved

    def refuse(self, reason: str) -> None:
        """It cannot be used as what it is: it is asked again later, for it may be another then."""
        with self._lock:
            self._resolved = None
            self._note(reason)

    def _ask(self) -> None:
        """Ask the server; only after `try_it`. Raises ModelError if it does answer, but wrongly."""
        reason, self._is_away = f"{self.card.name}: it could not be asked", True
        try:
            self._resolved = self._ask_it()
            reason = ""
        except ModelError as error:
            reason = str(error)
            self._is_away = isinstance(error, OfflineError)
            if not self._is_away:
                raise
        finally:
            if reason:
                self._note(reason)
            else:
                self._circuit.passed()
            if not reason and self._circuit.failures:
                log.info("model server is seen", model=self.card.name)

    def _note(self, reason: str) -> None:
        if reason != self._circuit.reason:
            log.warning("model server is not used", model=self.card.name, reason=reason)
        self._circuit.failed(reason)

    def _watch(self, start: Start) -> None:
        with self._lock:
            if self._watched:
                return
            self._watched = True
        try:
            start(f"remote:{self.card.name}", self._watching)
        except Exception as error:  # noqa: BLE001 - of what starts threads, nothing is known
            log.warning("model server is not asked", model=self.card.name, error=str(error))
            self._watched = False

    def _watching(self, stop: threading.Event) -> None:
        """Ask until it is known what it is, with longer and longer pauses."""
        try:
            while self._resolved is None and self.users:
                if self._clock.wait(stop, self._circuit.retry_in_s):
                    return
                if self._circuit.try_it():
                    with suppress(ModelError):
                        self._ask()
        finally:
            self._watched = False


def lacking(card: ModelCard) -> list[str]:
    """What the card of a model on a server does not say, without which it is not known."""
    family = family_of(card.family) if card.family else None
    named = card.labels or (family and (family.labels or family.task in _NAMELESS))
    said = {"family": family, "input size": card.input.size, "labels": named}
    return [what for what, there in said.items() if not there]
