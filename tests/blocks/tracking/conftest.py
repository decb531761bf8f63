"""Made scenes of people who walk through a picture, and how well a tracker follows them.

Units: pixels and seconds. The truth is drawn once in continuous time, so that one scene can be
looked at with any rhythm of frames.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import lap
import numpy as np
import pytest
from numpy.typing import NDArray

from blocks.data import Detections

SIZE = (1920, 1080)
TICK_S = 1 / 30
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Look:
    """One frame of a scene: what is there, and what a detector says."""

    at_s: float
    truth: dict[int, Floats]
    seen: Detections


@dataclass(slots=True)
class _Walker:
    name: int
    centre: Floats
    velocity: Floats
    size: Floats

    def box(self) -> Floats:
        return np.concatenate([self.centre - self.size / 2, self.centre + self.size / 2])


@pytest.fixture
def scene() -> Callable[[int, int, Sequence[float]], Iterable[Look]]:
    """Makes a scene of a seed, a number of walkers and the times of the frames."""
    return made_scene


@pytest.fixture
def score() -> Callable[[Iterable[tuple[dict[int, Floats], Detections]]], "Score"]:
    """Compares what a tracker said of each frame with the truth."""
    return scored


@pytest.fixture(params=["15 fps", "5 fps", "2.5 fps", "irregular"])
def times(request: pytest.FixtureRequest) -> list[float]:
    """When the frames of ten seconds come, at several rhythms."""
    name = str(request.param)
    return irregular(1) if name == "irregular" else regular(float(name.removesuffix(" fps")))


def regular(rate: float, duration_s: float = 10.0) -> list[float]:
    """Times of frames at a steady rate."""
    return [i / rate for i in range(int(duration_s * rate))]


def irregular(seed: int, duration_s: float = 10.0) -> list[float]:
    """Times of frames as skipping under load leaves them: gaps of 1/15 to 0.5 seconds."""
    gaps = np.random.default_rng(seed).uniform(1 / 15, 0.5, int(duration_s * 15))
    times = np.cumsum(gaps)
    return [float(t) for t in times[times < duration_s]]


def made_scene(seed: int, count: int, times: Sequence[float]) -> Iterable[Look]:
    """Walkers cross the picture, turn and hide each other; who leaves is replaced by another."""
    rng = np.random.default_rng(seed)
    # The detector's luck has a generator of its own: the walks do not depend on the rhythm.
    luck = np.random.default_rng(seed + 1_000_000)
    walkers = [_enter(rng, name, anywhere=True) for name in range(count)]
    names, now = count, 0.0
    for at_s in times:
        while now + TICK_S <= at_s:
            now += TICK_S
            for i, walker in enumerate(walkers):
                _step(rng, walker)
                if _gone(walker):
                    walkers[i] = _enter(rng, names, anywhere=False)
                    names += 1
        yield Look(at_s, {w.name: w.box() for w in walkers}, _detect(luck, walkers))


def _enter(rng: np.random.Generator, name: int, *, anywhere: bool) -> _Walker:
    height = rng.uniform(90, 220)
    size = np.array([height * rng.uniform(0.35, 0.5), height])
    heading = rng.choice([-1.0, 1.0])
    speed = height * rng.uniform(0.4, 1.4)
    angle = rng.normal(0, 0.35)
    velocity = speed * np.array([heading * np.cos(angle), np.sin(angle)])
    x = rng.uniform(0, SIZE[0]) if anywhere else (0.0 if heading > 0 else float(SIZE[0]))
    return _Walker(name, np.array([x, rng.uniform(150, SIZE[1] - 150)]), velocity, size)


def _step(rng: np.random.Generator, walker: _Walker) -> None:
    if rng.random() < TICK_S / 5:  # a new direction about every five seconds
        turn = rng.normal(0, 0.8)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        walker.velocity = rotation @ walker.velocity * rng.uniform(0.7, 1.3)
    walker.centre = walker.centre + walker.velocity * TICK_S
    if not walker.size[1] / 2 < walker.centre[1] < SIZE[1] - walker.size[1] / 2:
        walker.velocity[1] = -walker.velocity[1]
        walker.centre[1] += 2 * walker.velocity[1] * TICK_S


def _gone(walker: _Walker) -> bool:
    return not -0.1 * walker.size[0] <= walker.centre[0] <= SIZE[0] + 0.1 * walker.size[0]


def _detect(luck: np.random.Generator, walkers: list[_Walker]) -> Detections:
    truth = np.array([walker.box() for walker in walkers])
    hidden = _hidden(truth)
    scores = luck.normal(0.85 - 0.75 * hidden, 0.07).clip(0, 1)
    found = (luck.random(len(truth)) >= 0.05) & (scores >= 0.1) & (hidden <= 0.8)
    sizes = np.tile(truth[:, 2:] - truth[:, :2], 2)
    boxes = truth + luck.normal(0, 0.04, truth.shape) * sizes
    ghosts = luck.poisson(0.02 * len(walkers) + 0.1)
    corners, heights = luck.uniform((0, 0), SIZE, (ghosts, 2)), luck.uniform(60, 220, (ghosts, 1))
    ghost_boxes = np.concatenate([corners, corners + heights * (0.4, 1.0)], axis=1)
    all_boxes = np.concatenate([boxes[found], ghost_boxes])
    all_scores = np.concatenate([scores[found], luck.uniform(0.1, 0.75, ghosts)])
    return Detections.of(all_boxes, all_scores, label=["person"] * len(all_boxes))


def _hidden(boxes: Floats) -> Floats:
    """The largest part (N,) of each box that one nearer to the camera covers."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    covered = np.clip(high - low, 0, None).prod(axis=-1) / areas[:, None]
    nearer = boxes[None, :, 3] > boxes[:, None, 3]
    return np.asarray((covered * nearer).max(axis=1))


@dataclass(frozen=True, slots=True)
class Score:
    """IDF1 (0..1) and the number of times a true object changed its tracker id."""

    idf1: float
    switches: int


def scored(looks: Iterable[tuple[dict[int, Floats], Detections]]) -> Score:
    """Compare tracked detections with the truth, at an IoU of 0.5.

    Source: Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera
    Tracking", 2016. Switches are counted on the best matching of each frame.
    """
    together: dict[tuple[int, int], int] = {}
    last: dict[int, int] = {}
    truths = answers = switches = 0
    for truth, tracked in looks:
        truths += len(truth)
        answers += len(tracked)
        for name, tracker_id in _matches(truth, tracked):
            together[name, tracker_id] = together.get((name, tracker_id), 0) + 1
            switches += last.setdefault(name, tracker_id) != tracker_id
            last[name] = tracker_id
    return Score(2 * _most(together) / max(1, truths + answers), switches)


def _matches(truth: dict[int, Floats], tracked: Detections) -> list[tuple[int, int]]:
    if not truth or not len(tracked):
        return []
    a, b = np.array(list(truth.values()))[:, None], tracked.xyxy.astype(np.float64)[None]
    sides = np.clip(np.minimum(a, b)[..., 2:] - np.maximum(a, b)[..., :2], 0, None)
    overlap = sides.prod(axis=-1)
    areas = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)
    _, rows, _ = lap.lapjv(1 - overlap / (areas - overlap), extend_cost=True, cost_limit=0.5)
    names, ids = list(truth), tracked.tracker_id.tolist()
    return [(names[i], ids[j]) for i, j in enumerate(rows) if j >= 0]


def _most(together: dict[tuple[int, int], int]) -> int:
    """The most frames that one tracker id for each name, and one name for each id, can hold."""
    if not together:
        return 0
    names = sorted({name for name, _ in together})
    ids = sorted({tracker_id for _, tracker_id in together})
    frames = np.zeros((len(names), len(ids)))
    for (name, tracker_id), count in together.items():
        frames[names.index(name), ids.index(tracker_id)] = count
    _, rows, _ = lap.lapjv(-frames, extend_cost=True)
    return int(sum(frames[i, j] for i, j in enumerate(rows) if j >= 0))
