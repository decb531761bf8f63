"""The smallest models of some families, as onnx writes them: what they find does not depend on
the picture, or only on how bright it is."""

from pathlib import Path

import onnx
import onnx.parser

from appliance.inference.catalog import ModelCard

SIZE = 16
_NOTHING = (
    "mean = ReduceMean<axes=[1,2,3], keepdims=0>(image) zero = Constant<value = float {0}>() "
)
_NOTHING += "nothing = Mul(mean, zero) "


def write(path: Path, outputs: str, body: str, image: str = f"float[1,3,{SIZE},{SIZE}]") -> Path:
    """A model of onnx's own text form, with one input `image`."""
    head = 'ir_version: 8, opset_import: ["": 17]'
    text = f"<{head}> tiny ({image} image) => ({outputs}) {{ {body} }}"
    onnx.save(onnx.parser.parse_model(text), path)
    return path


def detector(path: Path, image: str = f"float[1,3,{SIZE},{SIZE}]") -> Path:
    """An ssd that always finds one `person` (0.9) in the top left quarter of the picture."""
    body = _NOTHING + (
        "found = Constant<value = float[1,2,4] {0.0,0.0,0.5,0.5, 0.5,0.5,1.0,1.0}>() "
        "sure = Constant<value = float[1,2,2] {0.1,0.9, 0.8,0.2}>() "
        "boxes = Add(found, nothing) scores = Add(sure, nothing)"
    )
    return write(path, "float[1,2,4] boxes, float[1,2,2] scores", body, image)


def classifier(path: Path) -> Path:
    """It is always a `cat` (0.75), and seldom a `dog`."""
    body = _NOTHING + "sure = Constant<value = float[1,2] {0.75,0.25}>() out = Add(sure, nothing)"
    return write(path, "float[1,2] out", body)


def embedder(path: Path) -> Path:
    """A vector of the mean of each colour."""
    return write(
        path, "float[1,3] embedding", "embedding = ReduceMean<axes=[2,3], keepdims=0>(image)"
    )


def segmenter(path: Path, image: str = f"float[1,3,{SIZE},{SIZE}]") -> Path:
    """Each place shows the colour it has most of."""
    return write(path, f"{image} out", "out = Identity(image)", image)


def finder(path: Path) -> Path:
    """A text detector that is sure where it is bright."""
    body = "out = ReduceMean<axes=[1], keepdims=1>(image)"
    return write(path, f"float[1,1,{SIZE},{SIZE}] out", body)


def card(name: str, path: Path, family: str, *labels: str, **more: object) -> ModelCard:
    """A card for a file."""
    told = {"name": name, "file": path, "family": family, "labels": labels, **more}
    return ModelCard.model_validate(told)
