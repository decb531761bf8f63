"""A picture of what was found: boxes, masks, keypoints, names, paths, lines, zones and counts."""

import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from blocks.block import ShapeManifest, block
from blocks.data import Detections, Frame, Image
from blocks.geometry import Anchor, Line, Points, Polygon, in_pixels
from blocks.images.canvas import WHITE, Canvas, Colour, colour_of

ZONE_COLOUR: Colour = (60, 190, 255)
# Of turned boxes: four corners one after the other, in pixels of the frame.
CORNERS = "corners"
SURE_KEYPOINT = 0.3
# Joints of the 17 points of COCO: nose, eyes, ears, then pairs of shoulders, elbows, wrists, hips,
# knees and ankles, the left one first (Lin et al., Microsoft COCO, 2014).
PERSON_KEYPOINTS = 17
LIMBS = (
    *((5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12), (11, 12)),
    *((11, 13), (13, 15), (12, 14), (14, 16), (0, 1), (0, 2), (1, 3), (2, 4)),
)
NOTHING: Mapping[str, Any] = MappingProxyType({})


class AnnotateManifest(ShapeManifest):
    """What to draw besides the boxes; widths and letters follow the height of the picture."""

    lines: tuple[Line, ...] = Field(
        default=(),
        description="Lines to draw, as in `line_count`; an arrow shows where `in` is. None if not "
        "given.",
    )
    zones: tuple[Polygon, ...] = Field(
        default=(), description="Zones to draw, as in `zone_count`. None if not given."
    )
    labels: bool = Field(
        default=True, description="Write the label and the tracker id above each box."
    )
    confidence: bool = Field(
        default=False, description="Write the confidence, in percent, above each box."
    )
    paths_s: float = Field(
        default=0.0,
        ge=0,
        le=60,
        description="Draw the way each track came in the last so many seconds; 0 draws none.",
    )
    anchor: Anchor = Field(
        default=Anchor.BOTTOM_CENTER,
        description="Point of a box that the path follows; take that of the line or zone.",
    )


class Annotated(NamedTuple):
    """The picture with everything on it; the one that was given stays as it is."""

    image: Image


@block("annotate@1", AnnotateManifest, remembers=True)
class Annotate:
    """Draws boxes, names, paths, lines, zones and counts on the image.

    Masks and keypoints are drawn where the boxes have them; boxes that are turned, turned.

    A tracker id keeps its colour; without ids, a label does.
    """

    example = """
        - name: people
          type: object_detection@1
          image: $inputs.image
          model: people-ssdlite
          labels: [person]
        - name: tracks
          type: byte_track@1
          detections: $steps.people.detections
        - name: gate
          type: line_count@1
          detections: $steps.tracks.detections
          line: [[0.1, 0.6], [0.9, 0.6]]
        - name: picture
          type: annotate@1
          image: $inputs.image
          detections: $steps.tracks.detections
          counts: {in: $steps.gate.total_in, out: $steps.gate.total_out}
          lines: [[[0.1, 0.6], [0.9, 0.6]]]
          paths_s: 2.0
    """

    def __init__(self, manifest: AnnotateManifest) -> None:
        self._manifest = manifest
        self._paths: dict[int, list[tuple[float, Points]]] = {}

    def run(
        self,
        frame: Frame,
        image: Image,
        detections: Detections,
        counts: Mapping[str, Any] = NOTHING,
    ) -> Annotated:
        """Draw on a copy of the image; `counts` are written by name in its top left corner."""
        canvas = Canvas(image.bgr)
        found = detections[np.asarray(np.isfinite(detections.xyxy).all(axis=1))]
        self._draw_shapes(canvas, image)
        self._draw_paths(canvas, image, found, frame.at_s)
        self._draw_boxes(canvas, image, found)
        if counts:
            canvas.legend(counts)
        offset, scale, size = image.offset, image.scale, image.frame_size
        return Annotated(Image((canvas.pixels,), offset=offset, scale=scale, frame_size=size))

    def _draw_shapes(self, canvas: Canvas, image: Image) -> None:
        m, size = self._manifest, image.frame_size
        for zone in m.zones:
            canvas.area(image.from_frame(in_pixels(zone, m.units, size)), ZONE_COLOUR)
        for line in m.lines:
            ends = image.from_frame(in_pixels(line, m.units, size))
            along = ends[1] - ends[0]
            # Turned to the right hand; as long as two letters are high.
            inward = np.array([-along[1], along[0]]) / np.hypot(*along) * 2.5 * canvas.text_height
            middle = ends.mean(axis=0)
            canvas.path(ends, WHITE)
            canvas.arrow(middle, middle + inward, WHITE)
            for x, y in ends.tolist():
                canvas.dot(x, y, WHITE)

    def _draw_paths(self, canvas: Canvas, image: Image, found: Detections, now_s: float) -> None:
        m = self._manifest
        if not m.paths_s:
            return
        for i, at in zip(found.tracker_id.tolist(), m.anchor.of(found.xyxy), strict=True):
            if i >= 0:
                self._paths.setdefault(i, []).append((now_s, at))
        for i, path in list(self._paths.items()):
            self._paths[i] = kept = [(s, at) for s, at in path if now_s - s <= m.paths_s]
            if not kept:
                del self._paths[i]
            elif i in found.tracker_id:
                canvas.path(image.from_frame(np.array([at for _, at in kept])), colour_of(i))

    def _draw_boxes(self, canvas: Canvas, image: Image, found: Detections) -> None:
        corners = image.from_frame(found.xyxy.reshape(-1, 2)).reshape(-1, 4)
        # The nearest last, so that its plate is not hidden.
        for row in np.argsort(found.xyxy[:, 3]).tolist():
            x1, y1, x2, y2 = corners[row].tolist()
            label, tracker_id = str(found.label[row]), int(found.tracker_id[row])
            colour = colour_of(tracker_id if tracker_id >= 0 else zlib.crc32(label.encode()))
            if found.mask is not None:
                canvas.tint(_seen(found.mask[row], image), colour)
            if CORNERS in found.data:
                turned = found.data[CORNERS][row].reshape(4, 2)
                canvas.path(image.from_frame(turned), colour, closed=True)
            else:
                canvas.box(x1, y1, x2, y2, colour)
            if found.keypoints is not None:
                _draw_keypoints(canvas, image, found.keypoints[row], colour)
            text = self._text(label, tracker_id, float(found.confidence[row]))
            if text:
                canvas.plate(text, x1, y1, y2, colour)

    def _text(self, label: str, tracker_id: int, confidence: float) -> str:
        words = []
        if self._manifest.labels:
            words = [label] if label else []
            words += [f"#{tracker_id}"] if tracker_id >= 0 else []
        if self._manifest.confidence:
            words.append(f"{confidence:.0%}")
        return " ".join(words)


def _seen(mask: NDArray[np.bool_], image: Image) -> NDArray[np.bool_]:
    """The part of a mask of the frame that an image shows, in the image's pixels."""
    columns = np.arange(image.width) + 0.5, np.arange(image.height) + 0.5
    across, down = (
        np.clip(at * scale + offset, 0, size - 1).astype(np.intp)
        for at, scale, offset, size in zip(
            columns, image.scale, image.offset, mask.shape[::-1], strict=True
        )
    )
    return np.asarray(mask[np.ix_(down, across)])


def _draw_keypoints(
    canvas: Canvas, image: Image, keypoints: NDArray[np.float32], colour: Colour
) -> None:
    """Points (K, 3) of x, y, confidence; a person's are joined by limbs."""
    sure = keypoints[:, 2] >= SURE_KEYPOINT
    places = image.from_frame(keypoints[:, :2])
    for start, end in LIMBS if len(keypoints) == PERSON_KEYPOINTS else ():
        if sure[start] and sure[end]:
            canvas.path(places[[start, end]], colour)
    for x, y in places[sure].tolist():
        canvas.dot(x, y, colour)
