"""Makes an int8 copy of a model, as a program of its own: `onnx` may only be there for that long.

    python -m appliance.inference.quantizer ORDER

Static quantization as onnxruntime does it: what goes into a convolution is measured on samples and
kept in 8 bits, so are its weights, each channel by itself. Only convolutions: with all operators
OpenVINO is slower. ORDER is an `Order` in JSON. It ends with 0, or with the reason of a failure as
the last line of its error output.
"""

import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from appliance.inference.families.fitting import Form
from appliance.inference.precision import processor_flags
from appliance.inference.sampling import tensor_of
from appliance.inference.session import CPU, Session
from blocks.data import Image

# Without them, x86 adds products of 8 bits in 16, which overflow: weights get 7 bits then.
_EIGHT_BIT = {"avx512_vnni", "avx_vnni"}


class Order(BaseModel):
    """The model, where its copy goes, and the pictures. `tools` is a folder that `onnx` lies in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Path
    target: Path
    form: Form
    samples: tuple[Path, ...]
    tools: Path | None = None


def read_image(path: Path) -> Image | None:
    """The picture in a file, or none if there is no such."""
    found = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return None if found is None else Image.from_bgr(np.asarray(found, np.uint8))


class _Samples:
    """The pictures as the model takes them, one after the other, as onnxruntime asks for them."""

    def __init__(self, name: str, tensors: Iterator[NDArray[Any]]) -> None:
        self._name, self._tensors = name, tensors

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        tensor = next(self._tensors, None)
        return None if tensor is None else {self._name: tensor}


def quantize(order: Order) -> None:
    """Write the copy."""
    # They take onnx, whose place is only known now.
    from onnxruntime.quantization import (  # noqa: PLC0415 - it takes onnx
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415 - too

    session = Session(order.model, CPU)
    with tempfile.TemporaryDirectory(dir=order.target.parent) as folder:
        folded = Path(folder) / "folded.onnx"
        # Convolutions and what is done to their results become one.
        quant_pre_process(str(order.model), str(folded), skip_symbolic_shape=True)
        quantize_static(
            str(folded),
            str(order.target),
            _Samples(session.input_name, _tensors(order.samples, order.form, session)),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            reduce_range=not _computes_in_eight_bits(),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def _tensors(samples: Sequence[Path], form: Form, session: Session) -> Iterator[NDArray[Any]]:
    for path in samples:
        image = read_image(path)
        if image is not None:
            yield tensor_of(image, form, session.input_type, session.input_shape)


def _computes_in_eight_bits() -> bool:
    return platform.machine() != "x86_64" or bool(_EIGHT_BIT & set(processor_flags()))


def main(text: str) -> int:
    """Carry out an order; the exit status."""
    order = Order.model_validate_json(text)
    if order.tools is not None:
        # Last, so that what is installed here goes first.
        sys.path.append(str(order.tools))
    quantize(order)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
