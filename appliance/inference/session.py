"""A loaded model: the one place that calls onnxruntime."""

import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

CPU = "CPUExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
# Best first.
KNOWN = (TENSORRT, CUDA, OPENVINO, CPU)
_ERRORS_ONLY = 3
# About a third of the processor time of others that are ready to run.
NICENESS, NICEST = 15, 19
_TYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}

Shape = tuple[int | str, ...]
Computes = Literal["fp32", "bf16"]
"""What a session computes in where the file says float32. Of bfloat16, 8 bits are exact."""

# Its warnings (of graphs it optimises, of kernels it falls back to) are of no use to a user.
onnxruntime.set_default_logger_severity(_ERRORS_ONLY)


class Session:
    """A model of one input on one provider. Threads may run it at the same time.

    `callers` is how many do: one has all cores for itself, several run beside each other on fewer
    cores each, which gives more results in all. With `precision` bf16, OpenVINO computes in it.

    Raises:
        Exception: onnxruntime, whose errors have no class in common, cannot load it.
        ValueError: it takes more inputs than one, or none; or the provider has no such precision.
    """

    def __init__(
        self, model: Path, provider: str, callers: int = 1, precision: Computes = "fp32"
    ) -> None:
        if precision == "bf16" and provider != OPENVINO:
            raise ValueError(f"{short(provider)} does not compute in bf16 here, only OpenVINO does")
        self.provider, self.precision = provider, precision
        self.streams = streams_on(provider, callers)
        self._model = model
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = max(1, cores() // self.streams)
        # Threads that spin while they wait take from the decoders, and gain nothing here.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._others = _native_threads()
        self._session = onnxruntime.InferenceSession(
            str(model),
            options,
            providers=[(provider, _options(provider, self.streams, precision))],
            # What fails shall fail, and not be tried on another provider behind our back.
            enable_fallback=0,
        )
        if provider not in self._session.get_providers():
            raise ValueError(f"{short(provider)} could not be loaded on this machine")
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise ValueError(f"it takes {len(inputs)} inputs, where it is given one image")
        self._input = inputs[0]
        self._shape, self._dtype = _shape(inputs[0]), _TYPES.get(str(inputs[0].type))
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._make_way()
        # Some of its threads are only made by the first run.
        self._new = True

    def with_callers(self, callers: int) -> Self:
        """The same model once more, for so many at a time; this one goes on as it is."""
        return type(self)(self._model, self.provider, callers, self.precision)

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
    def input_name(self) -> str:
        """What the file calls the tensor it takes."""
        return str(self._input.name)

    @property
    def input_shape(self) -> Shape:
        """Of the tensor it takes; an axis of any size is a word."""
        return self._shape

    @property
    def input_type(self) -> str:
        """Of the numbers it takes, in onnxruntime's words: `tensor(float)` for float32."""
        return str(self._input.type)

    @property
    def output_shapes(self) -> dict[str, Shape]:
        """Of what it gives, by name."""
        return {output.name: _shape(output) for output in self._session.get_outputs()}

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """The outputs of one input, by name.

        Raises:
            ValueError: the input has another shape or type than it takes.
        """
        if tensor.shape != self._shape or tensor.dtype != self._dtype:
            self._check(tensor)
        results = self._session.run(self._outputs, {self._input.name: tensor})
        if self._new:
            self._new = False
            self._make_way()
        return dict(zip(self._outputs, results, strict=True))

    def _check(self, tensor: NDArray[Any]) -> None:
        fits = len(tensor.shape) == len(self._shape) and all(
            isinstance(takes, str) or takes == given
            for takes, given in zip(self._shape, tensor.shape, strict=True)
        )
        if fits and self._dtype in (None, tensor.dtype):
            return
        takes = " x ".join(str(axis) for axis in self._shape)
        given = " x ".join(str(axis) for axis in tensor.shape)
        name = np.dtype(self._dtype).name if self._dtype else self.input_type
        raise ValueError(f"it takes {takes} of {name}, and was given {given} of {tensor.dtype}")


def _shape(value: onnxruntime.NodeArg) -> Shape:
    """The shape of an input or output. An axis of any size that has no name is None there."""
    return tuple("?" if axis is None else axis for axis in value.shape)


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


def streams_for(callers: int) -> int:
    """How many streams a session has that so many use at a time: never more than cores."""
    return max(1, min(callers, cores()))


def streams_on(provider: str, callers: int) -> int:
    """The same on a provider: a graphics card computes one run at a time, with all it has."""
    return streams_for(callers) if provider in (OPENVINO, CPU) else 1


def available_providers() -> list[str]:
    """What this build of onnxruntime can run models on, of what we know; best first."""
    built = onnxruntime.get_available_providers()
    return [provider for provider in KNOWN if provider in built]


def short(provider: str) -> str:
    """The name of a provider without what they all end in."""
    return provider.removesuffix("ExecutionProvider")


def runtime_version() -> str:
    """The version of onnxruntime."""
    return str(onnxruntime.__version__)


def _options(provider: str, streams: int, precision: Computes) -> dict[str, str]:
    if provider != OPENVINO:
        return {}
    threads = str(cores())
    options = {"device_type": "CPU", "num_of_threads": threads, "num_streams": str(streams)}
    if precision == "bf16":
        options["load_config"] = json.dumps({"CPU": {"INFERENCE_PRECISION_HINT": "bf16"}})
    return options
