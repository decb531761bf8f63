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
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnxruntime
from pydantic import BaseModel, ConfigDict, ValidationError

import appliance
from appliance.inference.families import (
    detr,
    embedding,
    nanodet,
    ocr,
    ocr_lines,
    paddle_detection,
    segmentation,
    ssd,
    yolo,
    yolox,
)
from appliance.inference.families.fitting import Layout
from appliance.inference.families.grids import number
from appliance.inference.families.registry import FAMILIES, family_of
from appliance.inference.families.vectors import described, length
from appliance.inference.session import CPU

READ = (sys.executable, "-m", "appliance.inference.metadata")
TIMEOUT_S = 120
_TOP = Path(appliance.__file__).parents[1]
_ERRORS_ONLY = 3
# Families whose results have no names.
_NAMELESS = ("embedding", "ocr", "anomaly")
SIZES = ("orig_target_sizes", "im_shape", "scale_factor")
"""What exports with their last steps inside take beside the image: how large it was before it was
resized as (width, height), as RT-DETR and D-FINE call it; how large it is as (height, width), and
how much it was resized, as PaddleDetection calls them. All are known before: boxes are wanted in
pixels of the input."""
Shapes = Mapping[str, tuple[int | str, ...]]
# What exporters of YOLO call the families.
_TASKS = {
    "detect": "yolo",
    "segment": "yolo_masks",
    "pose": "yolo_pose",
    "obb": "yolo_oriented",
    "classify": "classification",
}
# Families of boxes that the graph finishes, told by their outputs alone.
_FINISHED = ("tf_detection", "mmdetection", "torchvision_detection", "paddle_detection")
_YOLO_GRIDS = ((8, 16, 32), (8, 16, 32, 64))
# Families of one table of candidates.
_TABLES = ("yolo_masks", "yolo", "yolox", "nanodet", "yolo_pose")
# Those that give one candidate for each cell of grids.
_GRIDS = {"yolox": yolox.STRIDES, "nanodet": nanodet.STRIDES}


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


def is_size(name: str, shape: Sequence[int | str] | None) -> bool:
    """Whether an input is no image, but how large one is: two numbers under a name in `SIZES`."""
    return name in SIZES and (shape is None or (len(shape) == 2 and shape[1] in (2, "?")))


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
    if (images := _images(facts)) > 1:
        several = f"it takes {images} images at once, where one is given"
        return Told(unknown=(f"{several}: export it with a batch of 1, or of any size",))
    unknown: list[str] = []
    if not labels:
        labels, unknown = _labels(facts.metadata)
    silent = not labels and not unknown
    found, layout, no_size = _size(facts, size)
    if family:
        families, why = [family], family_of(family).mismatch(facts.outputs, len(labels) or None)
    else:
        families, why = _families(facts, len(labels) or None, found)
        family = families[0] if len(families) == 1 else ""
    if silent and family:
        labels = family_of(family).labels
    unknown += [sentence for sentence in (why, no_size) if sentence]
    if silent and not labels and families and not any(name in _NAMELESS for name in families):
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


def _families(
    facts: Facts, labels: int | None, size: tuple[int, int] | None
) -> tuple[list[str], str]:
    """The families it may be of, and why it is not told of which one it is."""
    shapes, task = facts.outputs, facts.metadata.get("task", "")
    if task == "detect" and _is_query_table(shapes, labels, size):
        return ["detr"], ""
    if task in _TASKS:
        why = FAMILIES[_TASKS[task]].mismatch(shapes, labels)
        return ([], f"its metadata says `task` {task}, but {why}") if why else ([_TASKS[task]], "")
    if "character" in facts.metadata:
        why = ocr_lines.recognition_mismatch(shapes, labels)
        return ([], why) if why else (["ocr_lines"], "")
    if any(name in ("im_shape", "scale_factor") for name in facts.inputs):
        why = paddle_detection.mismatch(shapes, labels)
        return ([], why) if why else (["paddle_detection"], "")
    found = _fitting(shapes, labels, size)
    if "names" in facts.metadata:
        # The exporters of the others write nothing.
        found = [name for name in found if name not in _GRIDS] or found
    if len(found) == 1:
        return found, ""
    if found:
        return found, f"it may be of the family {' or '.join(found)}: say which with `family`"
    if labels and (likely := _fitting(shapes, None, size)):
        why = FAMILIES[likely[0]].mismatch(shapes, labels)
        return [], f"its outputs are like those of the family {likely[0]}, but {why}"
    return [], f"its outputs are of no family known: {described(shapes)}"


def _fitting(shapes: Shapes, labels: int | None, size: tuple[int, int] | None) -> list[str]:
    """The families that outputs of these shapes may be of."""
    if finished := _finished(shapes, labels, size):
        return [finished]
    if "flat_predictions" in "".join(shapes) and not yolo.mismatch(shapes, labels):
        return ["yolo"]
    for name in ("centerface", "blazeface", "movenet"):
        if not FAMILIES[name].mismatch(shapes, None):
            return [name] if labels in (None, 1) else []
    if all(length(shape) is not None for shape in shapes.values()) and shapes:
        # A row of numbers is of a classifier where it has one for each label.
        if labels is not None:
            likely = [name for name in ("classification", "yolo") if _fits(name, shapes, labels)]
            return likely[:1]
        single = [] if embedding.mismatch(shapes) else ["embedding"]
        return ["classification", *single]
    if {"pred_boxes", "pred_scores", "pred_classes"} <= set(shapes):
        return [] if yolo.mismatch(shapes, labels) else ["yolo"]
    tables = [shape for shape in shapes.values() if len(shape) == 3]
    if len(tables) == 2:
        return _of_queries(shapes, labels)
    if tables:
        return [name for name in _TABLES if _is_table(name, shapes, tables[0], labels, size)]
    maps = [] if segmentation.mismatch(shapes, labels) else ["segmentation"]
    return maps if labels or ocr.mismatch(shapes) else [*maps, "ocr"]


def _finished(shapes: Shapes, labels: int | None, size: tuple[int, int] | None) -> str:
    """The family of boxes that need no suppression; nothing if there is none."""
    for name in _FINISHED:
        if not FAMILIES[name].mismatch(shapes, labels):
            return name
    if "bboxes" in shapes and not ssd.mismatch(shapes, labels):
        return "ssd"
    ended = detr.is_ended(shapes) and not detr.mismatch(shapes, labels)
    return "detr" if ended or _is_query_table(shapes, labels, size) else ""


def _fits(name: str, shapes: Shapes, labels: int | None) -> bool:
    return not FAMILIES[name].mismatch(shapes, labels)


def _is_query_table(shapes: Shapes, labels: int | None, size: tuple[int, int] | None) -> bool:
    """Whether it is one table of queries, boxes and scores, as of Ultralytics' RT-DETR.

    A YOLO in rows has one for each cell of its grids.
    """
    if len(shapes) != 1 or labels is None or size is None or detr.mismatch(shapes, labels):
        return False
    ((_, count, *_),) = shapes.values()
    cells = [number(size, strides) for strides in _YOLO_GRIDS]
    return isinstance(count, int) and count not in [*cells, *(3 * n for n in cells)]


def _of_queries(shapes: Shapes, labels: int | None) -> list[str]:
    """Of boxes and scores apart."""
    if set(shapes) == {"boxes", "scores"}:
        # Of DETR, the boxes are the same: only an SSD has a column for the background.
        count = shapes["boxes"][1]
        many = isinstance(count, int) and count > detr.MOST_QUERIES
        likely = ("ssd",) if many else ("ssd", "detr")
        return [name for name in likely if not FAMILIES[name].mismatch(shapes, labels)]
    counts = [shape[1] for shape in shapes.values() if isinstance(shape[1], int)]
    if counts and min(counts) > detr.MOST_QUERIES:
        return ["yolo"] if _fits("yolo", shapes, labels) else []
    if "dets" in shapes and _fits("rf_detr_masks", shapes, labels):
        return ["rf_detr_masks"]
    # RF-DETR's own export calls the boxes so.
    likely = ("rf_detr",) if "dets" in shapes else ("detr", "rf_detr")
    return [name for name in likely if not FAMILIES[name].mismatch(shapes, labels)][:1]


def _is_table(
    name: str,
    shapes: Shapes,
    table: tuple[int | str, ...],
    labels: int | None,
    size: tuple[int, int] | None,
) -> bool:
    """Whether it may be a table of candidates of that family."""
    count, columns = table[1:]
    if len(shapes) > 1 and not any(isinstance(axis, int) for axis in table[1:]):
        # Outputs of sizes known only when it runs may mean anything.
        return False
    if name == "yolo_pose" and (labels not in (None, 1) or len(shapes) > 1):
        return False
    grids = _GRIDS.get(name, ()) if size is not None and isinstance(count, int) else ()
    if size is not None and grids and count not in [number(size, strides) for strides in grids]:
        return False
    tried = [labels]
    if name == "yolo" and labels is None and isinstance(columns, int):
        # With an objectness and without: it is a yolo, whatever the number of its labels.
        tried += [more for more in (columns - 4, columns - 5) if more > 0]
    return any(not FAMILIES[name].mismatch(shapes, some) for some in tried)


def _images(facts: Facts) -> int:
    """How many images it takes at once; 1 if as many as it is given."""
    counts = [s[0] for n, s in facts.inputs.items() if len(s) == 4 and not is_size(n, s)]
    return max((count for count in counts if isinstance(count, int)), default=1)


def _size(facts: Facts, said: tuple[int, int] | None) -> tuple[tuple[int, int] | None, Layout, str]:
    """(width, height) and layout of the input, or why they cannot be told."""
    inputs = {n: shape for n, shape in facts.inputs.items() if not is_size(n, shape)}
    if len(inputs) != 1:
        names = ", ".join(facts.inputs) or "none"
        return None, "nchw", f"it takes other inputs than one image: {names}"
    name, shape = next(iter(inputs.items()))
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
