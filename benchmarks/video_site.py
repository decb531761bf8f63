"""A daemon with some cameras, for a measurement: its settings, its start, and its figures."""

import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from appliance.clock import SystemClock
from appliance.daemon import STOP_S, Daemon
from appliance.inference.catalog import load_catalog, model_cards
from appliance.inference.models import LoadedModel, Models
from appliance.inference.store import Store
from appliance.observe.ages import Ages, Way
from appliance.pipelines.planning import plan_pipelines
from appliance.settings import read_settings
from appliance.supervisor import Loop
from benchmarks.machine import ROOT
from benchmarks.video_blocks import blocks_of_bench
from benchmarks.video_clips import KEY_EVERY, RATE
from benchmarks.video_load import Counters, Use
from blocks.loading import load_blocks

STATE_DIR = ROOT / ".appliance"
COUNTING = ROOT / "workflows/people-count.yaml"
MODEL = "people-ssdlite"


class AllAges(Ages):
    """Ages that are all remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[tuple[float, Way]] = []

    def add(self, now: float, way: Way) -> None:
        """As ever, and keep it."""
        super().add(now, way)
        self.all.append((now, way))


def _after(begin_s: float, loop: Loop) -> Loop:
    """The loop of a camera that begins later: real ones do not send their keys all at once."""

    def delayed(stop: threading.Event) -> None:
        stop.wait(begin_s)
        loop(stop)

    return delayed


@dataclass(frozen=True, slots=True)
class Span:
    """What a site did: by lane, how many frames ended where, and ages of results, in ms.

    `decoded` is units/s of all cameras.
    """

    use: Use
    decoded: float
    buckets: Mapping[str, Mapping[str, int]]
    ages_ms: Mapping[str, Sequence[float]]

    def rate(self, lane: str, bucket: str = "processed") -> float:
        """Frames/s of a lane that ended in a bucket."""
        return self.buckets[lane].get(bucket, 0) / self.use.wall_s

    def captured(self, lane: str) -> float:
        """Frames/s that came to a lane and have ended."""
        return sum(self.buckets[lane].values()) / self.use.wall_s

    @property
    def rates(self) -> list[float]:
        """Results/s of each lane."""
        return [self.rate(lane) for lane in self.buckets]


@dataclass
class Site(AbstractContextManager["Site"]):
    """A daemon that runs inside the `with`; cameras and pipelines are those of its settings.

    `workflows` are texts that pipelines name as files.
    """

    cameras: Mapping[str, Mapping[str, Any]]
    pipelines: Mapping[str, Mapping[str, Any]]
    workflows: Mapping[str, str] = field(default_factory=dict)
    ages: dict[str, AllAges] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-video-", dir=STATE_DIR)
        folder = Path(self._folder.name)
        for shared in ("models", "probes"):
            (folder / shared).symlink_to(STATE_DIR / shared)
        document = {"version": 1, "cameras": self.cameras, "pipelines": self.pipelines}
        for name, text in self.workflows.items():
            (folder / name).write_text(text, "utf-8")
        file = folder / "appliance.yaml"
        file.write_text(yaml.safe_dump(document), "utf-8")
        settings, cards = read_settings(file, folder), model_cards(load_catalog())
        plans = plan_pipelines(settings, load_blocks() | blocks_of_bench(), cards)
        self._models = Models(Store(folder), cards)
        self.daemon = Daemon(settings, plans, SystemClock(), models=self._models)
        cameras = list(self.daemon._cameras.values())  # noqa: SLF001 - to begin one after another
        for number, camera in enumerate(cameras):
            begin_s = number * KEY_EVERY / RATE / len(cameras)
            camera.loop = _after(begin_s, camera.loop)  # type: ignore[method-assign, assignment]  # see there
        for lane in self.daemon.lanes:
            lane.ages = self.ages[str(lane.name)] = AllAges()

    def __enter__(self) -> Self:
        self.daemon.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.daemon.stop(STOP_S)
        self.daemon.close()
        self._folder.cleanup()

    @property
    def model(self) -> LoadedModel:
        """The detector that all lanes share."""
        return self._models.detector(MODEL).loaded

    def watch(self, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> Span:
        """What happens from now on for some seconds, the machine's load included."""
        before, decoded, counters = self._buckets(), self._decoded(), Counters.now()
        until_s = time.monotonic() + seconds
        meanwhile()
        time.sleep(max(0.0, until_s - time.monotonic()))
        now, use = self._buckets(), Counters.now().since(counters)
        buckets = {
            lane: {name: count - before[lane].get(name, 0) for name, count in ended.items()}
            for lane, ended in now.items()
        }
        ages = {
            lane: [way.age_s * 1000 for at_s, way in list(ages.all) if at_s >= counters.wall_s]
            for lane, ages in self.ages.items()
        }
        return Span(use, (self._decoded() - decoded) / use.wall_s, buckets, ages)

    def _decoded(self) -> int:
        cameras = self.daemon._cameras.values()  # noqa: SLF001 - of no use but here
        return sum(c.selection.decoded for c in cameras if c.selection is not None)

    def _buckets(self) -> dict[str, dict[str, int]]:
        return {str(lane.name): lane.buckets.snapshot() for lane in self.daemon.lanes}

    def camera(self, name: str) -> Mapping[str, Any]:
        """The status of one camera."""
        found: Mapping[str, Any] = self.daemon.status()["cameras"][name]
        return found


def counting(cameras: Sequence[str], **terms: object) -> dict[str, dict[str, Any]]:
    """One pipeline that counts people on all of them."""
    return {"count": {"workflow": str(COUNTING), "cameras": list(cameras), **terms}}


def looped(clip: Path, count: int) -> dict[str, dict[str, Any]]:
    """Cameras that send a clip again and again, at its own pace."""
    return {f"c{number:02}": {"url": str(clip), "loop": True} for number in range(count)}
