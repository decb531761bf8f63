"""Who crosses a line, and in which direction."""

from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from blocks.block import RESETS, ShapeManifest, State, block
from blocks.data import Columns, Detections, Frame
from blocks.geometry import Anchor, Line, Points, crossings, in_pixels, side_of


class LineCountManifest(ShapeManifest):
    """The line, and what counts as having crossed it."""

    line: Annotated[Line, RESETS] = Field(
        description="The two ends of the line. Seen along it from the first end to the second, "
        "`in` is toward the right hand; give the ends in the other order to exchange in and out."
    )
    anchor: Annotated[Anchor, RESETS] = Field(
        default=Anchor.BOTTOM_CENTER, description="Point of a box that must cross the line."
    )
    band: float = Field(
        default=0.1,
        ge=0,
        description="How far past the line a box must get to count, in parts of its longer side: "
        "0.1 is a tenth of a person's height. Boxes tremble in proportion to their size; raise it "
        "if people who stand on the line are counted.",
    )
    forget_s: float = Field(
        default=5.0,
        gt=0,
        description="Seconds after which a track that is not seen is forgotten; not less than the "
        "tracker's `lost_s`.",
    )


class Crossed(NamedTuple):
    """How many crossed in this frame and since counting began, and who did in this frame.

    `detections` have a further column `direction`, which is `in` or `out`.
    """

    crossed_in: int
    crossed_out: int
    total_in: int
    total_out: int
    detections: Annotated[Detections, Columns(direction=str)]


class LineTotals(State):
    """How many have crossed since counting began, over restarts."""

    total_in: int = 0
    total_out: int = 0


@dataclass(frozen=True, slots=True)
class Way:
    """Where a track was last, its side (1 is in, -1 out), and its crossings since it was clear."""

    at: tuple[float, ...]
    side: int
    crossed: int
    seen_s: float


@block("line_count@1", LineCountManifest)
class LineCount:
    """Counts the tracks that cross a line, for each direction.

    A track counts once it is clear of the line on the other side, by a way across it. Its way is
    that of its anchor from sight to sight: one on each side is enough, and a way round the end
    counts nothing. Within the band nothing is decided, so trembling counts nothing.

    Totals go on after a restart. They begin anew where the line, its units or the anchor change.
    """

    state: LineTotals

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
    """

    def __init__(self, manifest: LineCountManifest) -> None:
        self._manifest = manifest
        self._ways: dict[int, Way] = {}
        self.state = LineTotals()

    def run(
        self, frame: Frame, detections: Annotated[Detections, Columns(tracker_id=int)]
    ) -> Crossed:
        """Follow the detections that have a tracker id; the others count nothing."""
        m, now_s = self._manifest, frame.at_s
        found = detections[np.asarray(detections.tracker_id >= 0)]
        line = in_pixels(m.line, m.units, frame.image.frame_size)
        self._ways = {i: w for i, w in self._ways.items() if now_s - w.seen_s <= m.forget_s}
        counted = self._follow(line, found, now_s)
        crossed_in, crossed_out = int((counted > 0).sum()), int((counted < 0).sum())
        if crossed_in or crossed_out:
            self.state = LineTotals(
                total_in=self.state.total_in + crossed_in,
                total_out=self.state.total_out + crossed_out,
            )
        direction = np.where(counted > 0, "in", "out")
        marked = replace(found, data={**found.data, "direction": direction})[counted != 0]
        totals = self.state
        return Crossed(crossed_in, crossed_out, totals.total_in, totals.total_out, marked)

    def _follow(self, line: Points, found: Detections, now_s: float) -> NDArray[np.int64]:
        """For each detection 1 if it has now gone in, -1 if out, 0 if neither."""
        counted = np.zeros(len(found), np.int64)
        anchors = self._manifest.anchor.of(found.xyxy)
        away = side_of(line, anchors)
        sides = np.where(away >= 0, 1, -1)
        sizes = (found.xyxy[:, 2:] - found.xyxy[:, :2]).max(axis=1, initial=0)
        clear = np.abs(away) > self._manifest.band * sizes
        ids = found.tracker_id.tolist()
        fresh = [
            Way(tuple(at), int(side), 0, now_s) for at, side in zip(anchors, sides, strict=True)
        ]
        ways = [self._ways.get(i, way) for i, way in zip(ids, fresh, strict=True)]
        steps = crossings(line, np.array([w.at for w in ways]).reshape(-1, 2), anchors)
        for row, (i, way) in enumerate(zip(ids, ways, strict=True)):
            side, crossed = int(sides[row]), way.crossed + int(steps[row])
            if clear[row]:
                counted[row] = side if side != way.side and crossed * side > 0 else 0
                crossed = 0
            else:
                side = way.side
            self._ways[i] = Way(tuple(anchors[row]), side, crossed, now_s)
        return counted
