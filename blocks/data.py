"""What flows through a workflow: images, frames, detections and events. All of it is frozen.

Units: pixels of the frame for coordinates, x to the right and y downward; seconds for time.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from blocks.colour import Matrix, Pixels, as_bgr, as_rgb, yuv_to_rgb

__all__ = [
    "ClockState",
    "Columns",
    "Detections",
    "Event",
    "Frame",
    "Image",
    "Matrix",
    "Moment",
    "PixelFormat",
    "Pixels",
    "yuv_to_rgb",
]

PixelFormat = Literal["bgr24", "yuv420p"]
ClockState = Literal["synchronised", "unsynchronised"]


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """Pixels, and where they lie in the frame.

    `planes` are read-only arrays: one of (height, width, 3) for `bgr24`; Y of (height, width) and
    U, V of half that size, rounded up, for `yuv420p`. What is asked for is made on demand and kept.

    `offset` is the place of the top left corner in the frame, and `scale` the frame pixels for each
    pixel here, both as (x, y); `frame_size` is (width, height) of the frame it was cut from.
    """

    planes: tuple[Pixels, ...]
    pixel_format: PixelFormat = "bgr24"
    matrix: Matrix = "bt601"
    full_range: bool = False
    offset: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    frame_size: tuple[int, int] = (0, 0)
    _made: dict[tuple[str, int, int], Pixels] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "planes", tuple(_read_only(plane) for plane in self.planes))
        if self.frame_size == (0, 0):
            object.__setattr__(self, "frame_size", (self.width, self.height))

    @classmethod
    def from_bgr(cls, pixels: Pixels) -> Self:
        """An image of an array of (height, width, 3) in OpenCV's order of colours."""
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
            raise ValueError(
                "an image is an array of (height, width, 3) of uint8, "
                f"not {pixels.shape} of {pixels.dtype}"
            )
        return cls((pixels,))

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return int(self.planes[0].shape[0])

    @property
    def bgr(self) -> Pixels:
        """All pixels, (height, width, 3), read-only."""
        if self.pixel_format == "bgr24":
            return self.planes[0]
        return self._keep(
            ("bgr", 0, 0), lambda: as_bgr(self.planes, self.matrix, full_range=self.full_range)
        )

    def rgb(self, width: int, height: int) -> Pixels:
        """The image resized to (height, width, 3), red first, read-only."""
        return self._keep(("rgb", width, height), lambda: self._resized_rgb(width, height))

    def luma(self, height: int) -> Pixels:
        """Brightness only, (height, width), the width following the image's own proportions."""
        width = max(1, round(self.width * height / self.height))
        return self._keep(("luma", width, height), lambda: self._resized_luma(width, height))

    def crop(self, xyxy: NDArray[np.float32] | tuple[float, float, float, float]) -> "Image":
        """The part inside a box given in frame coordinates; clipped, but never empty.

        It costs what the part does. The part of a `yuv420p` image is one, too, unless it begins in
        the middle of a pixel of colour: then it is `bgr24`.
        """
        (left, top), (sx, sy) = self.offset, self.scale
        x1, y1, x2, y2 = (float(v) for v in xyxy)
        x1, x2 = _span((x1 - left) / sx, (x2 - left) / sx, self.width)
        y1, y2 = _span((y1 - top) / sy, (y2 - top) / sy, self.height)
        part = self._part(int(x1), int(y1), int(x2), int(y2))
        return replace(part, offset=(left + x1 * sx, top + y1 * sy))

    def to_frame(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes (N, 4) given in pixels of this image, in pixels of the frame."""
        factor = np.array([*self.scale, *self.scale], np.float32)
        shift = np.array([*self.offset, *self.offset], np.float32)
        return np.asarray(xyxy * factor + shift, np.float32)

    def from_frame(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Points (…, 2) given in pixels of the frame, in pixels of this image."""
        return (np.asarray(points, np.float64) - self.offset) / self.scale

    def _part(self, x1: int, y1: int, x2: int, y2: int) -> "Image":
        """The pixels from (x1, y1) to before (x2, y2), which are inside; at no place yet."""
        if self.pixel_format == "bgr24":
            return replace(self, planes=(self.planes[0][y1:y2, x1:x2],))
        y, u, v = self.planes
        # Colour is for two by two pixels.
        left, top = x1 // 2, y1 // 2
        wide = (slice(2 * top, y2), slice(2 * left, x2))
        half = (slice(top, (y2 + 1) // 2), slice(left, (x2 + 1) // 2))
        part = replace(self, planes=(y[wide], u[half], v[half]))
        if x1 % 2 == y1 % 2 == 0:
            return part
        pixels = part.bgr[y1 % 2 :, x1 % 2 :]
        return replace(part, planes=(pixels,), pixel_format="bgr24")

    def _keep(self, key: tuple[str, int, int], make: Callable[[], Pixels]) -> Pixels:
        found = self._made.get(key)
        # Two threads may make it twice; setdefault lets both use the same one.
        return found if found is not None else self._made.setdefault(key, _read_only(make()))

    def _resized_rgb(self, width: int, height: int) -> Pixels:
        if self.pixel_format == "bgr24":
            small = cv2.resize(self.planes[0], (width, height))
            return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)
        half = ((width + 1) // 2, (height + 1) // 2)
        sizes = ((width, height), half, half)
        small_planes = tuple(
            np.asarray(cv2.resize(plane, size), np.uint8)
            for plane, size in zip(self.planes, sizes, strict=True)
        )
        return as_rgb(small_planes, self.matrix, full_range=self.full_range)

    def _resized_luma(self, width: int, height: int) -> Pixels:
        full = self.planes[0]
        if self.pixel_format == "bgr24":
            full = np.asarray(cv2.cvtColor(full, cv2.COLOR_BGR2GRAY), np.uint8)
        return np.asarray(cv2.resize(full, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """An array that nobody else has, or a view of one that is read-only."""
    array.flags.writeable = False
    return array


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _column(name: str, column: NDArray[Any], count: int) -> NDArray[Any]:
    if len(column) != count:
        raise ValueError(f"{name} has {len(column)} rows where xyxy has {count}")
    return _read_only(column)


def _span(low: float, high: float, size: int) -> tuple[float, float]:
    start = min(max(np.floor(low), 0), size - 1)
    return float(start), float(min(max(np.ceil(high), start + 1), size))


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """When a turn takes place, and on which camera; a frame is a moment with a picture.

    `at_s` are seconds on the source's own line, never going back: all durations use it.
    `captured_at` is UTC in seconds since 1970: the label of events. `clock` says whether the
    machine knew the time then.
    """

    camera: str
    at_s: float
    captured_at: float
    clock: ClockState = "synchronised"


@dataclass(frozen=True, slots=True, eq=False)
class Frame(Moment):
    """One picture of a camera, and when it was taken: the one thing that enters a workflow.

    `sequence` counts the frames of a camera.
    """

    _: KW_ONLY
    sequence: int
    image: Image


class Columns:
    """Says of detections which further columns their `data` has, and of what type their values are.

    `Annotated[Detections, Columns(direction=str)]` as an output of a block lets conditions ask for
    `d.direction`. Columns of the detections that come in need not be named: they are passed on.
    As an input it lets the block be wired only to detections that have them: `tracker_id` says that
    they are tracked.
    """

    __slots__ = ("types",)

    def __init__(self, **types: type) -> None:
        self.types: Mapping[str, type] = MappingProxyType(types)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Columns) and self.types == other.types

    def __hash__(self) -> int:
        return hash(frozenset(self.types.items()))

    def __repr__(self) -> str:
        return f"Columns({', '.join(f'{n}={kind.__name__}' for n, kind in self.types.items())})"


_COLUMNS = ("xyxy", "confidence", "class_id", "tracker_id", "mask", "keypoints")


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """N boxes found in a frame, as parallel arrays, in the frame's pixels.

    xyxy: (N, 4) float32. confidence: (N,) float32. class_id: (N,) int64. tracker_id: (N,) int64,
    -1 where there is none. mask: (N, H, W) bool. keypoints: (N, K, 3) float32 of x, y, confidence.
    data: arrays of N under names of their own; `label` is the class name.

    Raises:
        ValueError: the boxes are not (N, 4), or the arrays not equally long.
    """

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int64]
    tracker_id: NDArray[np.int64]
    mask: NDArray[np.bool_] | None = None
    keypoints: NDArray[np.float32] | None = None
    data: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.xyxy.ndim != 2 or self.xyxy.shape[1] != 4:
            raise ValueError(f"boxes are an array of (N, 4), not {self.xyxy.shape}")
        count = len(self.xyxy)
        for name in _COLUMNS:
            column = getattr(self, name)
            if column is not None:
                object.__setattr__(self, name, _column(name, column, count))
        data = {name: _column(name, column, count) for name, column in self.data.items()}
        object.__setattr__(self, "data", MappingProxyType(data))

    @classmethod
    def of(
        cls,
        xyxy: Any,
        confidence: Any = None,
        class_id: Any = None,
        tracker_id: Any = None,
        label: Any = None,
    ) -> Self:
        """Detections of lists or arrays; what is left out is 1.0, 0, -1 and the empty name."""
        boxes = np.asarray(xyxy, np.float32)
        boxes = boxes.reshape(0, 4) if not boxes.size else boxes
        count = len(boxes)
        labels = np.full(count, "", np.str_) if label is None else np.asarray(label, np.str_)
        return cls(
            boxes,
            np.ones(count, np.float32)
            if confidence is None
            else np.asarray(confidence, np.float32),
            np.zeros(count, np.int64) if class_id is None else np.asarray(class_id, np.int64),
            np.full(count, -1, np.int64)
            if tracker_id is None
            else np.asarray(tracker_id, np.int64),
            data={"label": labels},
        )

    @classmethod
    def empty(cls) -> Self:
        """No detections."""
        return cls.of(())

    @property
    def label(self) -> NDArray[np.str_]:
        """The class names, (N,)."""
        found = self.data.get("label")
        return np.full(len(self), "", np.str_) if found is None else found

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, rows: NDArray[Any] | slice | list[int]) -> Self:
        columns = {
            name: None if column is None else _frozen(column[rows])
            for name, column in self._columns()
        }
        data = {name: _frozen(column[rows]) for name, column in self.data.items()}
        return self._of(columns | {"data": MappingProxyType(data)})

    def with_tracker_id(self, tracker_id: NDArray[np.int64]) -> Self:
        """The same boxes with other tracker ids, (N,)."""
        column = _column("tracker_id", tracker_id, len(self))
        return self._of(dict(self._columns()) | {"tracker_id": column, "data": self.data})

    def _columns(self) -> Iterator[tuple[str, NDArray[Any] | None]]:
        return ((name, getattr(self, name)) for name in _COLUMNS)

    @classmethod
    def _of(cls, values: Mapping[str, Any]) -> Self:
        """Of columns that are right already: those of detections that were checked when made."""
        made = object.__new__(cls)
        for name, value in values.items():
            object.__setattr__(made, name, value)
        return made

    def seen_from(self, image: Image) -> Self:
        """The same finds, boxes and keypoints, in the pixels of an image cut from the frame.

        Masks stay those of the frame, and the finds stay all, also those outside of the image.
        """
        corners = image.from_frame(self.xyxy.reshape(-1, 2)).reshape(-1, 4)
        keypoints = self.keypoints
        if keypoints is not None:
            keypoints = keypoints.astype(np.float32)
            keypoints[..., :2] = image.from_frame(keypoints[..., :2])
        return replace(self, xyxy=np.asarray(corners, np.float32), keypoints=keypoints)

    def as_rows(self) -> list[dict[str, Any]]:
        """A plain dict for each box: label, confidence, box, tracker_id where there is one.

        Columns of `data` that hold one value for each box follow under their own names.
        """
        columns = {name: c.tolist() for name, c in self.data.items() if c.ndim == 1}
        rows = []
        for i, label in enumerate(self.label.tolist()):
            row: dict[str, Any] = {
                "label": label,
                "confidence": round(float(self.confidence[i]), 4),
                "box": [round(float(v), 1) for v in self.xyxy[i]],
            }
            if self.tracker_id[i] >= 0:
                row["tracker_id"] = int(self.tracker_id[i])
            for name, values in columns.items():
                row.setdefault(name, values[i])
            rows.append(row)
        return rows


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for one outside system. The names are those of CloudEvents 1.0.

    `connection` is the configured system it goes to; `subject` says where in it: a topic, a table.
    `time` is UTC in seconds since 1970. Its id, source and sequence are stamped by the outbox.
    Of the events of one connection, type and `cooldown_key` the outbox takes one in `cooldown_s`
    seconds. `options` are for the transport alone, such as `retain` of MQTT.
    """

    connection: str
    type: str
    subject: str
    time: float
    data: Mapping[str, Any]
    clock: ClockState = "synchronised"
    _: KW_ONLY
    cooldown_s: float = 0.0
    cooldown_key: str = ""
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)
