"""What a model file says of itself: its family, the size it takes, and its labels.

Loading a file may crash the runtime, so that it is done in a program of its own:

    python -m appliance.inference.metadata MODEL

It writes the inputs, the outputs and the metadata as JSON, or ends with the reason as the last line
of its error output. The keys read are those that common exporters write: `names` (a list, or a dict
by number, in JSON or as Python writes it), `imgsz` (height, width), `task`, and `character` of
PP-OCR's recognition models.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import onnxruntime
from pydantic import BaseModel, ConfigDict, ValidationError

import appliance
from appliance.inference.families import (
    classification,
    embedding,
    ocr,
    ocr_lines,
    segmentation,
    yolo,
    yolo_masks,
    yolo_oriented,
    yolo_pose,
)
from appliance.inference.families.fitting import Layout
from appliance.inference.families.registry import family_of
from appliance.inference.families.vectors import described, length
from appliance.inference.session import CPU

READ = (sys.executable, "-m", "appliance.inference.metadata")
TIMEOUT_S = 120
_TOP = Path(appliance.__file__).parents[1]
_ERRORS_ONLY = 3
# Families whose results have no names.
_NAMELESS = ("embedding", "ocr", "anomaly")
Shapes = Mapping[str, tuple[int | str, ...]]
Mismatch = Callable[[Shapes, int | None], str]
_TASKS: Mapping[str, tuple[str, Mismatch]] = {
    "detect": ("yolo", yolo.mismatch),
    "segment": ("yolo_masks", yolo_masks.mismatch),
    "pose": ("yolo_pose", yolo_pose.mismatch),
    "obb": ("yolo_oriented", yolo_oriented.mismatch),
    "classify": ("classification", classification.mismatch),
}


class Facts(BaseModel):
    """What stands in a file: shapes by name, an axis of any size a word; and its metadata."""

    model_config = ConfigDict(frozen=True)

    inputs: dict[str, tuple[int | str, ...]]
    outputs: dict[str, tuple[int | str, ...]]
    metadata: dict[str, str] = {}


class Told(BaseModel):
    """What could be told of a model, and for what could not, a sentence each in `unknown`.

    `size` is (width, height) of the image it takes. `labels` of a text recogniser are its
    characters. What is not known is empty.
    """

    model_config = ConfigDict(frozen=True)

    family: str = ""
    size: tuple[int, int] | None = None
    layout: Layout = "nchw"
    labels: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def read(model: Path, command: Sequence[str] = READ) -> Facts:
    """What stands in a model file; `command` is the child that reads it.

    Raises:
        ValueError: it cannot be read; the reason.
    """
    try:
        child = subprocess.run(
            [*command, str(model.absolute())],
            cwd=_TOP,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"{model} could not be read within {TIMEOUT_S} seconds") from error
    if child.returncode < 0:
        raise ValueError(f"{model} crashes the runtime (signal {-child.returncode})")
    try:
        if child.returncode == 0:
            return Facts.model_validate_json(child.stdout)
    except ValidationError:
        pass
    lines = child.stderr.strip().splitlines()
    reason = lines[-1][:300] if lines else f"the reader ended with status {child.returncode}"
    raise ValueError(f"{model} is no model that can be loaded: {reason}")


def told(
    facts: Facts,
    family: str | None = None,
    labels: tuple[str, ...] = (),
    size: tuple[int, int] | None = None,
) -> Told:
    """Family, size and labels: as said, and what is not said as far as the file tells it.

    Raises:
        ValueError: there is no family of that name.
    """
    unknown: list[str] = []
    if not labels:
        labels, unknown = _labels(facts.metadata)
    count = len(labels) or None
    if family:
        why = family_of(family).mismatch(facts.outputs, count)
    else:
        family, why = _family(facts, count)
    if why:
        unknown.append(why)
    found, layout, why = _size(facts, size)
    if why:
        unknown.append(why)
    if not labels and family not in _NAMELESS and not unknown:
        unknown.append("the file names no labels: say them with `labels`")
    return Told(family=family, size=found, layout=layout, labels=labels, unknown=tuple(unknown))


def _labels(metadata: Mapping[str, str]) -> tuple[tuple[str, ...], list[str]]:
    if "character" in metadata:
        return ocr_lines.characters(metadata["character"]), []
    if "names" not in metadata:
        return (), []
    names = _value(metadata["names"])
    if isinstance(names, dict):
        try:
            numbered = {int(number): name for number, name in names.items()}
        except (TypeError, ValueError):
            numbered = {}
        names = [numbered.get(number) for number in range(len(numbered))]
    if isinstance(names, list | tuple) and names and all(isinstance(n, str) for n in names):
        return tuple(names), []
    return (), ["its metadata `names` is no list of labels: say them with `labels`"]


def _value(text: str) -> object:
    """A value in JSON or as Python writes it; None where it is neither."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _family(facts: Facts, labels: int | None) -> tuple[str, str]:
    """The family, or why it cannot be told."""
    shapes, task = facts.outputs, facts.metadata.get("task", "")
    if task in _TASKS:
        family, mismatch = _TASKS[task]
        why = mismatch(shapes, labels)
        return ("", f"its metadata says `task` {task}, but {why}") if why else (family, "")
    if "character" in facts.metadata:
        why = ocr_lines.recognition_mismatch(shapes, labels)
        return ("", why) if why else ("ocr_lines", "")
    found = _fitting(shapes, labels)
    if len(found) == 1:
        return found[0], ""
    if found:
        return "", f"it may be of the family {' or '.join(found)}: say which with `family`"
    return "", f"its outputs are of no family known: {described(shapes)}"


def _fitting(shapes: Shapes, labels: int | None) -> list[str]:
    """The families that outputs of these shapes may be of."""
    if all(length(shape) is not None for shape in shapes.values()) and shapes:
        # A row of numbers is of a classifier where it has one for each label.
        if labels is not None:
            return [] if classification.mismatch(shapes, labels) else ["classification"]
        single = [] if embedding.mismatch(shapes) else ["embedding"]
        return ["classification", *single]
    if set(shapes) == {"boxes", "scores"} and shapes["boxes"][-1] == 4:
        # Of DETR, the boxes are the same: only an SSD has a column for the background.
        return ["ssd", "detr"]
    if any(len(shape) == 3 for shape in shapes.values()):
        tables = [("yolo_masks", yolo_masks.mismatch), ("yolo", yolo.mismatch)]
        if labels == 1 or labels is None:
            tables.append(("yolo_pose", yolo_pose.mismatch))
        return [name for name, mismatch in tables if not mismatch(shapes, labels)]
    maps = [] if segmentation.mismatch(shapes, labels) else ["segmentation"]
    return maps if labels or ocr.mismatch(shapes) else [*maps, "ocr"]


def _size(facts: Facts, said: tuple[int, int] | None) -> tuple[tuple[int, int] | None, Layout, str]:
    """(width, height) and layout of the input, or why they cannot be told."""
    if len(facts.inputs) != 1:
        names = ", ".join(facts.inputs) or "none"
        return None, "nchw", f"it takes other inputs than one image: {names}"
    name, shape = next(iter(facts.inputs.items()))
    if len(shape) != 4 or 3 not in (shape[1], shape[3]):
        return None, "nchw", f"its input takes no image of three colours: {described(facts.inputs)}"
    layout: Layout = "nchw" if shape[1] == 3 else "nhwc"
    height, width = shape[2:] if layout == "nchw" else shape[1:3]
    if said is not None:
        fits = all(isinstance(n, str) or n == m for n, m in zip((width, height), said, strict=True))
        takes = f"its input takes {width} x {height}, not the {said[0]} x {said[1]} that is said"
        return said, layout, "" if fits else takes
    if isinstance(height, int) and isinstance(width, int):
        return (width, height), layout, ""
    sides = _value(facts.metadata.get("imgsz", ""))
    sides = [sides, sides] if isinstance(sides, int) else sides
    if isinstance(sides, list | tuple) and len(sides) == 2:
        high, wide = sides
        if isinstance(high, int) and isinstance(wide, int) and min(high, wide) > 0:
            return (wide, high), layout, ""
    return None, layout, f"its input {name} takes images of any size: say which with `size`"


def facts_of(model: Path) -> Facts:
    """Load a file and say what stands in it. It may crash, and belongs in a program of its own.

    Raises:
        Exception: onnxruntime, whose errors have no class in common, cannot load it.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(model), options, providers=[CPU])

    def shapes(values: Sequence[onnxruntime.NodeArg]) -> dict[str, tuple[int | str, ...]]:
        # An axis of any size that has no name is None.
        return {v.name: tuple("?" if a is None else a for a in v.shape) for v in values}

    metadata = dict(session.get_modelmeta().custom_metadata_map)
    return Facts(
        inputs=shapes(session.get_inputs()),
        outputs=shapes(session.get_outputs()),
        metadata=metadata,
    )


if __name__ == "__main__":
    sys.stdout.write(facts_of(Path(sys.argv[1])).model_dump_json())
