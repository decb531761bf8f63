"""A loaded model: the one place that calls onnxruntime."""

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

CPU = "CPUExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"
_ERRORS_ONLY = 3
# About a third of the processor time of others that are ready to run.
NICENESS, NICEST = 15, 19

Shape = tuple[int | str, ...]

# Its warnings (of graphs it optimises, of kernels it falls back to) are of no use to a user.
onnxruntime.set_default_logger_severity(_ERRORS_ONLY)


class Session:
    """A model of one input on one provider. Threads may run it at the same time.

    `callers` is how many do: one has all cores for itself, several run beside each other on one
    core each, which gives more results in all.

    Raises:
        Exception: onnxruntime, whose errors have no class in common, cannot load it.
        ValueError: it takes more inputs than one, or none.
    """

    def __init__(self, model: Path, provider: str, callers: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        streams = min(callers, cores())
        options.intra_op_num_threads = max(1, cores() // streams)
        # Threads that spin while they wait take from the decoders, and gain nothing here.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._others = _native_threads()
        self._session = onnxruntime.InferenceSession(
            str(model),
            options,
            providers=[(provider, _options(provider, streams))],
            # What fails shall fail, and not be tried on another provider behind our back.
            enable_fallback=0,
        )
        self.provider = provider
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise ValueError(f"it takes {len(inputs)} inputs, where it is given one image")
        self._input = inputs[0]
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._make_way()
        # Some of its threads are only made by the first run.
        self._new = True

    def _make_way(self) -> None:
        """Let decoders and Python go first: a model's own threads take what is left.

        Decoding is short work, and late frames are of no use; a model that is interrupted loses
        nothing.
        """
        niceness = min(os.getpriority(os.PRIO_PROCESS, 0) + NICENESS, NICEST)
        for thread in _native_threads() - self._others:
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, thread, niceness)

    @property
    def input_shape(self) -> Shape:
        """Of the tensor it takes; an axis of any size is a word."""
        return tuple(self._input.shape)

    @property
    def input_type(self) -> str:
        """Of the numbers it takes, in onnxruntime's words: `tensor(float)` for float32."""
        return str(self._input.type)

    @property
    def output_shapes(self) -> dict[str, Shape]:
        """Of what it gives, by name."""
        return {output.name: tuple(output.shape) for output in self._session.get_outputs()}

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """The outputs of one input, by name."""
        results = self._session.run(self._outputs, {self._input.name: tensor})
        if self._new:
            self._new = False
            self._make_way()
        return dict(zip(self._outputs, results, strict=True))


def _native_threads() -> set[int]:
    """The threads of this process that are not Python's, by their numbers in the system."""
    try:
        found = {int(name) for name in os.listdir("/proc/self/task")}  # noqa: PTH208 - numbers only
    except OSError:
        return set()
    return found - {thread.native_id for thread in threading.enumerate() if thread.native_id}


def cores() -> int:
    """The processor cores this process may use."""
    return len(os.sched_getaffinity(0))


def available_providers() -> list[str]:
    """What this build of onnxruntime can run models on, of what we use; best first."""
    built = onnxruntime.get_available_providers()
    return [provider for provider in (OPENVINO, CPU) if provider in built]


def runtime_version() -> str:
    """The version of onnxruntime."""
    return str(onnxruntime.__version__)


def _options(provider: str, streams: int) -> dict[str, str]:
    if provider == OPENVINO:
        threads = str(cores())
        return {"device_type": "CPU", "num_of_threads": threads, "num_streams": str(streams)}
    return {}
