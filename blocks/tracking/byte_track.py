"""Which box is whom: ByteTrack, in seconds where the original counts frames.

Source: Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV
2022. Here frames may come at any interval: motion is predicted over the real time that passed, and
a box fits a track by its overlap and by its distance, measured in the track's own uncertainty;
after a long gap boxes no longer overlap, and the distance still tells.
"""

from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple, Self

import lap
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from blocks.block import Manifest, block
from blocks.data import Columns, Detections, Frame
from blocks.tracking.kalman import Motion, Values

# Tuned on made scenes of walkers at 15, 5 and 2.5 frames a second (tests/blocks/tracking). Beyond
# `GATE` a box is never the track's; of a match's worth, overlap is this part and distance the rest.
GATE = 16.0
OVERLAP_PART = 0.6
WORST_MATCH = 0.9
NEVER = 1e3
UNCONFIRMED = 0


class ByteTrackManifest(Manifest):
    """How sure a detection must be, and how long a track lives unseen."""

    high: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Confidence (0..1) of detections that may begin a track. They are matched "
        "first; those between `low` and `high` may only carry on a track.",
    )
    low: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Detections below this confidence (0..1) are ignored. The detector must let "
        "such weak boxes through for this to have an effect.",
    )
    start: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="Confidence (0..1) at which one sight is enough to begin a track. Between "
        "`high` and `start` the next frame must see it again; 1.0 asks that of nearly all.",
    )
    lost_s: float = Field(
        default=1.5,
        gt=0,
        description="Seconds that a track survives unseen. Choose it longer than the longest pause "
        "between two frames.",
    )
    speed: float = Field(
        default=1.5,
        gt=0,
        description="How fast things usually move, in box sizes (root of the area) a second: about "
        "1.5 for people who walk. More for vehicles near the camera and for things on a belt.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low <= self.high <= self.start:
            raise ValueError(
                f"low ({self.low:g}), high ({self.high:g}) and start ({self.start:g}) "
                "must not be given in falling order: low <= high <= start"
            )
        return self


class Tracked(NamedTuple):
    """The detections that belong to a track, each with its `tracker_id`; the others are left out.

    Boxes are those of the detector, in its order; a track that is not seen gives none.
    """

    detections: Annotated[Detections, Columns(tracker_id=int)]


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """N tracks. `tracker_id` (N,) is `UNCONFIRMED` after one unsure sight; `seen_s` (N,) when."""

    motion: Motion
    label: NDArray[np.str_]
    tracker_id: NDArray[np.int64]
    seen_s: Values

    @classmethod
    def begun(cls, found: Detections, now_s: float, usual_speed: float) -> Self:
        """One track for each detection, with its tracker id."""
        motion = Motion.of(found.xyxy, usual_speed)
        return cls(motion, found.label, found.tracker_id, np.full(len(found), now_s))

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        return type(self)(
            self.motion[rows], self.label[rows], self.tracker_id[rows], self.seen_s[rows]
        )

    def joined(self, other: Self) -> Self:
        """The tracks of both, these first."""
        return type(self)(
            self.motion.joined(other.motion),
            np.concatenate([self.label, other.label]),
            np.concatenate([self.tracker_id, other.tracker_id]),
            np.concatenate([self.seen_s, other.seen_s]),
        )

    def seen(self, xyxy: NDArray[np.float32], tracker_id: NDArray[np.int64], now_s: float) -> Self:
        """The tracks, each seen at the box (N, 4) of its row, with the tracker id it has now."""
        seen_s = np.full(len(xyxy), now_s)
        return type(self)(self.motion.seen(xyxy), self.label, tracker_id, seen_s)


@block("byte_track@1", ByteTrackManifest, remembers=True)
class ByteTrack:
    """Follows each thing from frame to frame and gives it a `tracker_id` of its own.

    Ids count from 1 and are never given twice; one is only spent on a confirmed track.
    """

    example = """
        - name: people
          type: object_detection@1
          image: $inputs.image
          model: people-ssdlite
          confidence: 0.1
          labels: [person]
        - name: tracks
          type: byte_track@1
          detections: $steps.people.detections
          lost_s: 2.0
    """

    def __init__(self, manifest: ByteTrackManifest) -> None:
        self._manifest = manifest
        self._tracks = Tracks.begun(Detections.empty(), 0.0, manifest.speed)
        self._now_s = 0.0
        self._last_id = 0

    def run(self, frame: Frame, detections: Detections) -> Tracked:
        """Match detections with the tracks of the same label, and begin tracks with the rest."""
        m = self._manifest
        # A box that is not a number would spoil the assignment of all others.
        finite = np.isfinite(detections.xyxy)
        if not finite.all():
            detections = detections[np.asarray(finite.all(axis=1))]
        tracks = self._expected(frame.at_s)
        match = self._match(tracks, detections)
        seen = match >= 0
        tracker_id = self._identify(tracks.tracker_id[seen], match[seen], detections)
        found = detections.with_tracker_id(tracker_id)
        fresh = tracker_id >= UNCONFIRMED
        fresh[match[seen]] = False
        rows = match[seen]
        after = tracks[seen].seen(found.xyxy[rows], tracker_id[rows], frame.at_s)
        # An unconfirmed track that is not seen again at once was a flicker.
        missed = ~seen & (tracks.tracker_id > UNCONFIRMED)
        if missed.any():
            after = after.joined(tracks[missed])
        if fresh.any():
            after = after.joined(Tracks.begun(found[fresh], frame.at_s, m.speed))
        self._tracks, self._now_s = after, frame.at_s
        return Tracked(found[tracker_id > UNCONFIRMED])

    @property
    def awake_until(self) -> float | None:
        """Until when some confirmed track is not forgotten, in `at_s`; None without one."""
        seen_s = self._tracks.seen_s[self._tracks.tracker_id > UNCONFIRMED]
        return float(seen_s.max()) + self._manifest.lost_s if len(seen_s) else None

    def _expected(self, now_s: float) -> Tracks:
        """The tracks that are not forgotten, where they should be by now."""
        tracks = self._tracks
        kept = now_s - tracks.seen_s <= self._manifest.lost_s
        if not kept.all():
            tracks = tracks[kept]
        motion = tracks.motion.after(max(0.0, now_s - self._now_s), self._manifest.speed)
        return replace(tracks, motion=motion)

    def _match(self, tracks: Tracks, detections: Detections) -> NDArray[np.intp]:
        """The row of its detection for each track, or -1: sure boxes first, then weak ones."""
        match = np.full(len(tracks), -1, np.intp)
        if not len(tracks) or not len(detections):
            return match
        costs = _costs(tracks, detections)
        free = np.ones(len(detections), np.bool_)
        confirmed = tracks.tracker_id > UNCONFIRMED
        high = detections.confidence >= self._manifest.high
        low = (detections.confidence >= self._manifest.low) & ~high
        for of, among in ((confirmed, high), (confirmed, low), (~confirmed, high)):
            rows, columns = np.flatnonzero(of & (match < 0)), np.flatnonzero(among & free)
            if not len(rows) or not len(columns):
                continue
            chosen = _assign(costs[np.ix_(rows, columns)])
            taken = chosen >= 0
            match[rows[taken]] = columns[chosen[taken]]
            free[columns[chosen[taken]]] = False
        return match

    def _identify(
        self, known: NDArray[np.int64], rows: NDArray[np.intp], detections: Detections
    ) -> NDArray[np.int64]:
        """A tracker id, UNCONFIRMED or -1 for each detection; those of `rows` are matched."""
        m, confidence = self._manifest, detections.confidence
        ids = np.where(confidence >= m.high, UNCONFIRMED, -1).astype(np.int64)
        named = np.asarray(confidence >= m.start)
        named[rows] = known == UNCONFIRMED
        ids[rows] = known
        ids[named] = self._last_id + 1 + np.arange(named.sum())
        self._last_id += int(named.sum())
        return ids


def _costs(tracks: Tracks, detections: Detections) -> Values:
    """What it costs, 0..1, to take each detection for each track (N, M); NEVER for what cannot be.

    Overlap and distance both count: either alone loses tracks, the first when frames are rare, the
    second when people pass close by each other.
    """
    surprises = tracks.motion.surprises(detections.xyxy)
    overlap = tracks.motion.overlaps(detections.xyxy)
    worth = OVERLAP_PART * overlap + (1 - OVERLAP_PART) * np.exp(-surprises / 4)
    possible = (surprises < GATE) & (tracks.label[:, None] == detections.label[None])
    return np.where(possible, 1 - worth, NEVER)


def _assign(costs: Values) -> NDArray[np.intp]:
    """The column (N,) for each row that makes the sum of the costs least; -1 for none."""
    _, columns, _ = lap.lapjv(costs, extend_cost=True, cost_limit=WORST_MATCH)
    return np.asarray(columns, np.intp)
