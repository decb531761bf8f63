"""One model on a server that speaks the Open Inference Protocol, version 2: what it asks of it.

Bytes are sent after the JSON, and where a server takes none, numbers in the JSON. Nothing is kept
but which of both it takes.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from numpy.typing import NDArray

from appliance.clock import Clock
from appliance.inference.remote_address import Remote
from appliance.inference.remote_http import Answer, Server, ServerError
from appliance.inference.remote_tensors import Signature, decoded, encoded, parsed, signature

OK, NOT_FOUND = 200, 404
# How servers refuse bytes after the JSON: MLServer with 500, others that they cannot read them.
_REFUSES_BINARY = (400, 406, 415, 422, 500, 501)
_SENTENCES = {
    401: "the token or the password is refused (401)",
    403: "access is forbidden (403)",
    404: "there is no such model there (404); check its name, its version and the url",
    413: "the tensor is too long for it (413); raise its limit on requests",
    429: "it has too much to do (429)",
    503: "it is not ready (503)",
}
_BINARY = "binary_tensor_data"
_LONGEST_DESCRIPTION = 1 << 20
_LONGEST_QUOTE = 200


class RemoteModel:
    """A model on a server. Safe to use from several threads.

    Raises:
        ServerError: the file of certificates cannot be read.
    """

    def __init__(self, remote: Remote, clock: Clock) -> None:
        self._path = remote.path
        self._server = Server(remote.address, clock, remote.sent, remote.ca_file)
        # Whether it takes bytes after the JSON; None while nobody knows.
        self._binary: bool | None = None

    @property
    def tensors(self) -> str:
        """How tensors are sent: `binary`, `json`, or nothing while that is not known."""
        return {None: "", True: "binary", False: "json"}[self._binary]

    def describe(self, until_s: float) -> Signature:
        """What the model takes and gives, of a server that is ready.

        Raises:
            TimeoutError: there was no answer by then.
            ServerError: it or its model is not ready, or none that can be used; the reason.
        """
        ready = self._get("/v2/health/ready", until_s)
        # Some that stand between a server and us pass on only what is of the model.
        if ready.status not in (OK, NOT_FOUND):
            raise ServerError(refusal(ready))
        told = self._get(self._path, until_s)
        if told.status != OK:
            raise ServerError(refusal(told))
        model = self._get(f"{self._path}/ready", until_s)
        if model.status not in (OK, NOT_FOUND):
            raise ServerError(f"its model is not ready: {refusal(model)}")
        if model.status == OK and _says_no(model):
            raise ServerError("its model is not ready")
        # It may be another server than before, or one that can do more now.
        self._binary = True if self._says_binary(until_s) else None
        return signature(told.body)

    def infer(
        self, tensor: NDArray[Any], known: Signature, until_s: float
    ) -> Mapping[str, NDArray[Any]]:
        """The outputs of one tensor, by name.

        Raises:
            TimeoutError: there was no answer by then.
            ServerError: the answer is none that was asked for; the reason.
        """
        if self._binary is False:
            return _outputs(self._post(tensor, known, until_s, binary=False), known)
        answer = self._post(tensor, known, until_s, binary=True)
        if self._binary is None and answer.status in _REFUSES_BINARY:
            outputs = _outputs(self._post(tensor, known, until_s, binary=False), known)
            self.take_json()
            return outputs
        outputs = _outputs(answer, known)
        self._binary = True
        return outputs

    def take_json(self) -> None:
        """Send no bytes after the JSON, until the server is asked again what it takes."""
        self._binary = False

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def _post(
        self, tensor: NDArray[Any], known: Signature, until_s: float, *, binary: bool
    ) -> Answer:
        request = encoded(tensor, known.takes, binary=binary)
        path, limit = f"{self._path}/infer", known.longest_answer
        return self._server.ask("POST", path, until_s, limit, request.content, request.headers)

    def _get(self, path: str, until_s: float) -> Answer:
        return self._server.ask("GET", path, until_s, _LONGEST_DESCRIPTION)

    def _says_binary(self, until_s: float) -> bool:
        answer = self._get("/v2", until_s)
        with suppress(ServerError):
            extensions = parsed(answer.body).get("extensions")
            return isinstance(extensions, list) and _BINARY in extensions
        return False


def refusal(answer: Answer) -> str:
    """Why an answer is not what was asked for, with what the server says of it."""
    if 300 <= answer.status < 400:
        return f"it sends us elsewhere ({answer.status}): set that address as the url"
    what = _SENTENCES.get(answer.status, f"it answers with the status {answer.status}")
    with suppress(ServerError):
        content = parsed(answer.body)
        said = content.get("error", content.get("detail"))
        if isinstance(said, str) and said.strip():
            what += f"; it says {' '.join(said.split())[:_LONGEST_QUOTE]!r}"
    return what


def _says_no(answer: Answer) -> bool:
    """Whether the content denies what the status says: some servers do so."""
    with suppress(ServerError):
        return parsed(answer.body).get("ready") is False
    return False


def _outputs(answer: Answer, known: Signature) -> Mapping[str, NDArray[Any]]:
    if answer.status != OK:
        raise ServerError(refusal(answer))
    return decoded(answer, known.gives)
