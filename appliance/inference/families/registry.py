"""The families of models: each by its name, with what it gives and how it is read."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from appliance.inference.families import (
    anomaly,
    blazeface,
    centerface,
    classification,
    detr,
    embedding,
    mmdetection,
    movenet,
    nanodet,
    ocr,
    ocr_lines,
    paddle_detection,
    rf_detr_masks,
    segmentation,
    ssd,
    tf_detection,
    torchvision_detection,
    yolo,
    yolo_masks,
    yolo_oriented,
    yolo_pose,
    yolox,
)
from appliance.inference.families.fitting import Form
from appliance.inference.families.vectors import Shape

Task = Literal[
    "boxes", "masks", "keypoints", "classes", "map", "text", "characters", "vector", "anomaly"
]
"""What a model gives: boxes, those with a mask or keypoints each, one row of scores, a class for
each place, where text is, what it says, a vector, or a distance from good pictures."""


@dataclass(frozen=True, slots=True)
class Family:
    """How models of one kind take an image, and how their outputs are read.

    `form(size)` is the usual form of the input, `size` being (width, height). `mismatch(shapes,
    labels)` says why outputs of these shapes are none of this family, or nothing; `labels` is how
    many there are, None if nobody knows. `decode(outputs, place, labels, confidence)` gives what
    the task says; with boxes it also takes `overlap`.
    """

    name: str
    task: Task
    about: str
    form: Callable[[tuple[int, int]], Form]
    mismatch: Callable[[Mapping[str, Shape], int | None], str]
    decode: Callable[..., Any]
    labels: tuple[str, ...] = ()
    """What all models of this family find, where it is always the same."""


_ROWS: tuple[tuple[str, Task, str, Any], ...] = (
    ("ssd", "boxes", "SSD with boxes decoded in the graph", ssd),
    ("yolo", "boxes", "YOLOv5 to v12, with and without suppression, YOLO-NAS", yolo),
    ("yolox", "boxes", "YOLOX, with boxes decoded in the graph or not", yolox),
    ("nanodet", "boxes", "NanoDet and NanoDet-Plus", nanodet),
    ("detr", "boxes", "RT-DETR, D-FINE, DEIM, with the last step inside or not", detr),
    ("tf_detection", "boxes", "detectors of TensorFlow's Object Detection API", tf_detection),
    (
        "torchvision_detection",
        "boxes",
        "detectors of torchvision: Faster R-CNN, RetinaNet, FCOS, SSD",
        torchvision_detection,
    ),
    (
        "paddle_detection",
        "boxes",
        "PaddleDetection: PP-YOLOE, PicoDet, RT-DETR",
        paddle_detection,
    ),
    ("mmdetection", "boxes", "MMDetection, by MMDeploy", mmdetection),
    ("centerface", "keypoints", "CenterFace: faces with five landmarks", centerface),
    ("blazeface", "keypoints", "BlazeFace: near faces with six landmarks", blazeface),
    ("movenet", "keypoints", "MoveNet: the keypoints of one person, or several", movenet),
    ("yolo_masks", "masks", "YOLO-seg: boxes and masks", yolo_masks),
    ("rf_detr_masks", "masks", "RF-DETR-Seg: boxes and masks of queries", rf_detr_masks),
    ("yolo_pose", "keypoints", "YOLO-pose: boxes and keypoints", yolo_pose),
    ("yolo_oriented", "boxes", "YOLO-OBB: turned boxes", yolo_oriented),
    ("classification", "classes", "a row of scores, one for each label", classification),
    ("segmentation", "map", "a class for each place of the image", segmentation),
    ("ocr", "text", "PP-OCR: where text is", ocr),
    ("embedding", "vector", "a vector of what the image shows", embedding),
    ("anomaly", "anomaly", "distance from good pictures, by their embeddings", anomaly),
)


def _families() -> dict[str, Family]:
    found = {
        name: Family(
            name,
            task,
            about,
            module.form,
            module.mismatch,
            module.decode,
            getattr(module, "LABELS", ()),
        )
        for name, task, about, module in _ROWS
    }
    return found | {
        "rf_detr": Family(
            "rf_detr",
            "boxes",
            "RF-DETR: logits and boxes of queries",
            detr.rf_form,
            detr.rf_mismatch,
            detr.rf_decode,
        ),
        "ocr_lines": Family(
            "ocr_lines",
            "characters",
            "PP-OCR: what a line of text says",
            ocr.form,
            ocr_lines.recognition_mismatch,
            ocr_lines.decode,
        ),
    }


FAMILIES: Mapping[str, Family] = _families()


def family_of(name: str) -> Family:
    """The family of that name.

    Raises:
        ValueError: there is none; the text names the nearest, or all.
    """
    if name in FAMILIES:
        return FAMILIES[name]
    close = difflib.get_close_matches(name, FAMILIES, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(FAMILIES)}"
    raise ValueError(f"there is no family {name!r} ({hint})")
