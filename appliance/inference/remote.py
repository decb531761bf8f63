"""Models on a server that speaks the Open Inference Protocol, version 2, used like local sessions.

Triton, MLServer, KServe and OpenVINO Model Server speak it. A server that does not answer is left
alone for a while, so that frames do not each wait for the time-out.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import structlog
from numpy.typing import NDArray

from appliance.clock import Clock
from appliance.engine.redaction import Redaction
from appliance.inference.catalog import ModelError
from appliance.inference.metadata import Facts
from appliance.inference.remote_address import Remote
from appliance.inference.remote_circuit import Circuit
from appliance.inference.remote_http import ServerError
from appliance.inference.remote_memory import recall, remember
from appliance.inference.remote_model import RemoteModel
from appliance.inference.remote_tensors import Shape, Signature, numpy_type
from blocks.host import LateError

# Who has less time than this is late by himself, and not by the server.
FAIR_S = 0.1
_WORDS = {"float32": "float", "float64": "double"}

Loop = Callable[[threading.Event], None]
Start = Callable[[str, Loop], object]
"""Runs a loop once, on a thread of that name."""

log = structlog.get_logger(__name__)


class OfflineError(ModelError):
    """A model on another machine cannot be used now. Its text is a sentence for the user."""


class RemoteSession:
    """A model of one input on a server, with the shape of a local session. Threads may share it.

    `name` is what the model is called here. `start` runs a loop on a thread: with it, a server that
    failed is asked again in the background, and without it by the next request that is due. `kept`
    is a file that remembers what the model takes and gives, for starts while the server is away.
    It `tells` the log of failures, unless who made it does.

    Raises:
        ModelError: the file of certificates cannot be read.
    """

    provider = "oip"

    def __init__(
        self,
        name: str,
        remote: Remote,
        clock: Clock,
        start: Start | None = None,
        kept: Path | None = None,
        *,
        tells: bool = True,
    ) -> None:
        self.remote = remote
        self._name = name
        self._clock = clock
        self._start = start
        self._kept = kept
        self._tells = tells
        self._redaction = Redaction(remote.hidden)
        self._where = f"{name}: the model {remote.model!r} on {remote.address.shown}"
        try:
            self._model = RemoteModel(remote, clock)
        except ServerError as error:
            raise ModelError(f"{name}: {error}") from error
        self._circuit = Circuit(clock)
        self._lock = threading.Lock()
        self._watched = False
        self._closed = False
        self._signature = recall(kept, remote)
        # Whether somebody may rely on what it was said to take and give, here or before.
        self._told = self._signature is not None
        # What the log said last of why it is offline.
        self._told_of = ""
        self._late = 0

    @property
    def facts(self) -> Facts:
        """What the model takes and gives: the server is asked once, or else it is remembered.

        Raises:
            OfflineError: it cannot be asked, and nothing is remembered.
        """
        if not self._circuit.failures and self._circuit.is_open:
            # What was remembered is only relied on if there is nothing newer.
            self._told = False
            with suppress(OfflineError):
                self._admit(_Time(self._clock, self.remote.timeout_s))
        takes, gives = self._known()
        return Facts(
            inputs={takes.name: takes.shape},
            outputs={tensor.name: tensor.shape for tensor in gives},
        )

    @property
    def input_shape(self) -> Shape:
        """Of the tensor it takes; an axis of any size is a word. Raises as `facts` does."""
        return self._known().takes.shape

    @property
    def input_type(self) -> str:
        """Of the numbers it takes, in onnxruntime's words: `tensor(float)` for all floats."""
        name = numpy_type(self._known().takes.datatype).name
        return f"tensor({_WORDS.get(name, name)})"

    @property
    def output_shapes(self) -> dict[str, Shape]:
        """Of what it gives, by name. Raises as `facts` does."""
        return {tensor.name: tensor.shape for tensor in self._known().gives}

    @property
    def is_offline(self) -> bool:
        """Whether a request now would fail without being sent."""
        return self._circuit.is_open and (self._watched or not self._circuit.is_due)

    @property
    def state(self) -> str:
        """How the server fares, in words: what is wrong, and when it is asked again."""
        circuit = self._circuit
        if not circuit.is_open:
            slow = self._model.tensors == "json"
            return (
                "online, by JSON, which is slow: it takes no binary tensors" if slow else "online"
            )
        if not circuit.failures:
            return circuit.reason
        retry_s = circuit.retry_in_s
        again = f"asked again in {retry_s:.1f} s" if retry_s else "asked again now"
        here = self.remote.fallback
        place = f"; {here} takes its place" if here else ""
        return f"offline for {circuit.open_for_s:.0f} s: {circuit.reason}; {again}{place}"

    @property
    def tensors(self) -> str:
        """How tensors are sent: `binary`, `json`, or nothing while that is not known."""
        return self._model.tensors

    @property
    def failures(self) -> int:
        """How often the server has failed so far."""
        return self._circuit.failures

    @property
    def late(self) -> int:
        """How many requests were given up because it was too late for them."""
        return self._late

    def run(
        self, tensor: NDArray[Any], deadline_s: float | None = None
    ) -> Mapping[str, NDArray[Any]]:
        """The outputs of one input, by name, read-only; floats of any kind as float32.

        `deadline_s` is on the clock's monotonic line: by when the answer has to be there.

        Raises:
            LateError: it was not there by then.
            OfflineError: the server or its model cannot be used now.
            ModelError: the model takes other tensors.
        """
        request = _Time(self._clock, self.remote.timeout_s, deadline_s)
        if request.is_over:
            raise self._too_late()
        self._admit(request)
        known = self._known()
        self._check(tensor, known)
        try:
            outputs = self._model.infer(tensor, known, request.until_s)
        except TimeoutError as error:
            self._out_of_time(request, error)
        except ServerError as error:
            self._failed(str(error))
            raise self._offline() from error
        self._circuit.answered()
        if self._told_of:
            log.info("model server is back", model=self._name)
            self._told_of = ""
        return outputs

    def close(self) -> None:
        """Ask the server nothing more by itself, and close the connections."""
        self._closed = True
        self._model.close()

    def _known(self) -> Signature:
        if self._signature is None:
            self._admit(_Time(self._clock, self.remote.timeout_s))
        if self._signature is None:
            raise self._offline()
        self._told = True
        return self._signature

    def _check(self, tensor: NDArray[Any], known: Signature) -> None:
        takes = known.takes
        if not takes.fits(tensor.shape):
            given, wanted = (" x ".join(map(str, axes)) for axes in (tensor.shape, takes.shape))
            what = f"takes a tensor of {wanted}, and is given one of {given}: check the card's size"
            raise ModelError(f"{self._where} {what}")
        if tensor.dtype != numpy_type(takes.datatype):
            raise ModelError(f"{self._where} takes {takes.datatype}, and is given {tensor.dtype}")

    def _admit(self, request: "_Time") -> None:
        """Let a request through; if it is the first or due, find out whether the server is there.

        Raises:
            LateError, OfflineError: as `run` does.
        """
        if not self._circuit.is_open:
            return
        if self._watched or not self._circuit.try_it():
            raise self._offline()
        try:
            self._try(request.until_s)
        except TimeoutError as error:
            if request.has_deadline:
                raise self._too_late() from error
            raise self._offline() from error
        except ServerError as error:
            raise self._offline() from error

    def _try(self, until_s: float) -> None:
        """Find out whether the server has the model; the circuit is told in any case.

        Raises:
            TimeoutError, ServerError: it has not.
        """
        reason = "it could not be asked"
        try:
            self._take(self._model.describe(until_s))
            reason = ""
        except TimeoutError:
            reason = "it does not answer in time"
            raise
        except ServerError as error:
            reason = str(error)
            raise
        finally:
            if reason:
                self._failed(reason)
            else:
                self._circuit.passed()

    def _take(self, found: Signature) -> None:
        remember(self._kept, self.remote, found)
        if not self._told:
            self._signature = found
        elif self._signature != found:
            raise ServerError(
                "the model there takes or gives other tensors than before; restart to use it"
            )

    def _out_of_time(self, request: "_Time", error: TimeoutError) -> NoReturn:
        if not request.has_deadline:
            self._failed(f"it did not answer within {self.remote.timeout_s:g} s")
            raise self._offline() from error
        if request.had_s >= FAIR_S:
            self._circuit.late()
            self._watch()
        raise self._too_late() from error

    def _too_late(self) -> LateError:
        with self._lock:
            self._late += 1
        return LateError(f"{self._where} did not answer before it was too late")

    def _offline(self) -> OfflineError:
        return OfflineError(f"{self._where} cannot be used: {self._circuit.reason}")

    def _failed(self, reason: str) -> None:
        reason = self._redaction.text(reason)
        # One that is ready and fails with each request is told of once.
        if self._tells and reason != self._told_of:
            log.warning("model server is offline", model=self._name, reason=reason)
            self._told_of = reason
        self._circuit.failed(reason)
        self._watch()

    def _watch(self) -> None:
        """Have the server asked again in the background, if that can be and is not done yet."""
        with self._lock:
            if self._start is None or self._watched or self._closed or not self._circuit.is_open:
                return
            self._watched = True
        self._start(f"remote:{self._name}", self._watching)

    def _watching(self, stop: threading.Event) -> None:
        """Ask again, with longer and longer pauses, until the server is ready."""
        while not self._clock.wait(stop, self._circuit.retry_in_s):
            if not self._closed and self._circuit.try_it():
                with suppress(TimeoutError, ServerError):
                    self._try(self._clock.monotonic() + self.remote.timeout_s)
            with self._lock:
                if self._closed or not self._circuit.is_open:
                    self._watched = False
                    return


class _Time:
    """By when a request has to be answered: its own deadline, or the time-out if that is sooner."""

    def __init__(self, clock: Clock, timeout_s: float, deadline_s: float | None = None) -> None:
        now = clock.monotonic()
        self.until_s = now + timeout_s
        self.has_deadline = deadline_s is not None and deadline_s < self.until_s
        if deadline_s is not None and self.has_deadline:
            self.until_s = deadline_s
        self.had_s = self.until_s - now
        self.is_over = self.had_s <= 0
