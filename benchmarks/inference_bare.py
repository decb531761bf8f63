"""The runtime by itself: the model's own file, a tensor that is there already, and no more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from appliance.inference.families.fitting import Form, fit
from appliance.inference.session import CPU, OPENVINO, cores
from benchmarks.inference_subjects import fresh, pictures

_ERRORS_ONLY = 3


def tensors(form: Form) -> list[NDArray[np.float32]]:
    """What the model takes, of some pictures."""
    return [fit(fresh(planes), form)[0] for planes in pictures()]


class Bare:
    """A session with the settings that give most, for so many threads that call it."""

    def __init__(
        self, model: Path, form: Form, provider: str, callers: int, *, bf16: bool = False
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = max(1, cores() // callers)
        said: dict[str, str] = {}
        if provider == OPENVINO:
            said = {"num_of_threads": str(cores()), "num_streams": str(callers)}
            said["device_type"] = "CPU"
            if bf16:
                said["load_config"] = '{"CPU":{"INFERENCE_PRECISION_HINT":"bf16"}}'
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=[(provider, said)], enable_fallback=0
        )
        self._name = self._session.get_inputs()[0].name
        self._tensors = tensors(form)

    def run(self, number: int) -> list[Any]:
        """The outputs for one of the pictures."""
        tensor = self._tensors[number % len(self._tensors)]
        found: list[Any] = self._session.run(None, {self._name: tensor})
        return found


def has_bf16() -> bool:
    """Whether the processor computes with bfloat16."""
    flags = Path("/proc/cpuinfo").read_text("utf-8")
    return "avx512_bf16" in flags or "amx_bf16" in flags


def quantized(model: Path, form: Form, target: Path) -> Path:
    """The model with the convolutions in INT8, calibrated with the pictures."""
    name = onnxruntime.InferenceSession(str(model), providers=[CPU]).get_inputs()[0].name
    quantize_static(
        str(model),
        str(target),
        _Samples(name, form),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return target


class _Samples(CalibrationDataReader):  # type: ignore[misc]  # the runtime has no types
    def __init__(self, name: str, form: Form) -> None:
        self._name = name
        self._left: Iterator[NDArray[np.float32]] = iter(tensors(form))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        tensor = next(self._left, None)
        return None if tensor is None else {self._name: tensor}
