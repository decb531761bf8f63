"""What must hold when cameras and steps misbehave, each with its goals.

`python -m benchmarks.video_scenarios NAME SECONDS` runs one, and prints a line of JSON.
"""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from appliance.observe.log import set_up_logging
from benchmarks import video_skipping
from benchmarks.samples import Goal, Rounds, Series, Values
from benchmarks.video_blocks import HANDED, NOTING, SENT, WAITING
from benchmarks.video_clips import RATE, Format, clip_of
from benchmarks.video_load import percentile
from benchmarks.video_site import STATE_DIR, Site, counting, looped
from tests.cameras.camera import RtspServer
from tests.cameras.clips import ClipSpec, read_number

SETTLE_S = 6.0
RETURN_S = 20.0
DAMAGED = (0.40, 0.45)
UNITS = {
    "skipped": "times",
    "saved": "times",
    "of mean": "times",
    "of all": "times",
    "of decode": "times",
    "gate": "ms",
    "kept": "times",
    "slow": "results/s",
    "back": "s",
    "end": "s",
} | dict.fromkeys(("p50", "p95"), "ms")
NEEDED_CLIPS = (Format(), video_skipping.PLAIN, video_skipping.WITH_B_FRAMES)


def _noting(cameras: Sequence[str], *, read: bool = False) -> dict[str, Any]:
    """Settings of a site whose only step notes when frames come."""
    return {
        "pipelines": {"note": {"workflow": "noting.yaml", "cameras": list(cameras)}},
        "workflows": {"noting.yaml": NOTING.replace("READ", str(read).lower())},
    }


def _slow_step(seconds: float, *, gives_back: bool) -> Values:
    cameras = looped(clip_of(Format(), STATE_DIR), 4)
    names = list(cameras)
    slow = {"slow": {"workflow": "waiting.yaml", "cameras": names[2:]}}
    workflows = {"waiting.yaml": WAITING.replace("GIVES", str(gives_back).lower())}
    with Site(cameras, counting(names[:2]) | slow, workflows) as site:
        time.sleep(SETTLE_S)
        span = site.watch(seconds)
    return {
        "kept": min(span.rate(f"count:{name}") for name in names[:2]) / RATE,
        "slow": min(span.rate(f"slow:{name}") for name in names[2:]),
    }


def _latency(seconds: float, *, low: bool) -> Values:
    with _server() as server:
        camera = server.add("gate", ClipSpec(width=1280, height=720, rate=30, scene="moving"))
        cameras = {"gate": {"url": camera.url(), "low_latency": low, "transport": "tcp"}}
        SENT["gate"] = camera.sent_s
        with Site(cameras, **_noting(["gate"], read=True)):
            time.sleep(SETTLE_S)
            since_s = time.monotonic()
            time.sleep(seconds)
        return _ages([(at, sent_s) for at, _, sent_s in HANDED["gate"] if at > since_s])


def _latency_of_opencv(seconds: float) -> Values:
    """The plain loop that one would write."""
    handed: list[tuple[float, float | None]] = []
    with _server() as server:
        camera = server.add("gate", ClipSpec(width=1280, height=720, rate=30, scene="moving"))
        capture = cv2.VideoCapture(camera.url(), cv2.CAP_FFMPEG)
        since_s = time.monotonic() + SETTLE_S
        while time.monotonic() < since_s + seconds:
            fits, pixels = capture.read()
            now = time.monotonic()
            if fits and now > since_s:
                number = read_number(np.asarray(pixels, np.uint8))
                handed.append((now, None if number is None else camera.sent_s(number)))
        capture.release()
        return _ages(handed)


def _ages(handed: Sequence[tuple[float, float | None]]) -> Values:
    ages = [(at - sent_s) * 1000 for at, sent_s in handed if sent_s is not None]
    if not ages:
        raise RuntimeError("no frame came whose number can be read")
    return {"p50": percentile(ages, 0.5), "p95": percentile(ages, 0.95)}


def _delivers(seconds: float, *, rate: float) -> Values:
    """A camera that declares 30 and delivers something else."""
    with _server() as server:
        spec = ClipSpec(width=1280, height=720, rate=30, scene="moving")
        camera = server.add("gate", spec, rate=rate)
        with Site({"gate": {"url": camera.url()}}, **_noting(["gate"])) as site:
            time.sleep(SETTLE_S)
            span = site.watch(seconds)
    return {"kept": span.rate("note:gate") / rate}


def _one_frozen(seconds: float) -> Values:
    with _server() as first, _server() as second:
        cameras = {"frozen": first.add("a").url(), "other": second.add("b").url()}
        with Site(_urls(cameras), **_noting(list(cameras))) as site:
            time.sleep(SETTLE_S)
            first.stop()
            span = site.watch(max(seconds, 8.0))
            first.cont()
    return {"kept": span.rate("note:other") / RATE}


def _killed(seconds: float) -> Values:
    """Both cameras run; one is killed for some seconds, and comes back."""
    with _server() as first, _server() as second:
        cameras = {"killed": first.add("a").url(), "other": second.add("b").url()}
        with Site(_urls(cameras), **_noting(list(cameras))) as site:
            time.sleep(SETTLE_S)
            first.kill()
            span = site.watch(max(seconds, 8.0))
            back_s = _returns(first, "killed")
    return {"kept": span.rate("note:other") / RATE, "back": back_s}


def _down_at_start(seconds: float) -> Values:
    with _server() as first, _server() as second:
        cameras = {"down": first.add("a").url(), "other": second.add("b").url()}
        first.kill()
        with Site(_urls(cameras), **_noting(list(cameras))) as site:
            time.sleep(SETTLE_S)
            span = site.watch(max(seconds, 8.0))
            back_s = _returns(first, "down")
    return {"kept": span.rate("note:other") / RATE, "back": back_s}


def _returns(server: RtspServer, camera: str) -> float:
    """Start a server; how long until a frame of its camera is in the lane's hands."""
    server.start()
    began_s = time.monotonic()
    never = threading.Event()
    while time.monotonic() < began_s + RETURN_S:
        if HANDED[camera] and HANDED[camera][-1][0] > began_s:
            return HANDED[camera][-1][0] - began_s
        never.wait(0.02)
    return RETURN_S


def _damaged(_seconds: float) -> Values:
    """A clip with garbage in its middle: until when, of its twelve seconds, frames come."""
    content = bytearray(clip_of(Format(), STATE_DIR).read_bytes())
    since, until = (int(len(content) * share) for share in DAMAGED)
    content[since:until] = np.random.default_rng(3).bytes(until - since)
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "damaged.mp4"
        clip.write_bytes(content)
        with Site({"c": {"url": str(clip)}}, **_noting(["c"])) as site:
            until_s = time.monotonic() + 30.0
            while not site.daemon.ended and time.monotonic() < until_s:
                time.sleep(0.1)
    return {"end": max((at_s for _, at_s, _ in HANDED["c"]), default=0.0)}


def _urls(cameras: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {name: {"url": url} for name, url in cameras.items()}


def _server() -> RtspServer:
    return RtspServer(Path(tempfile.mkdtemp(prefix="bench-rtsp-")))


Scenario = Callable[[float], Values]
SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "leaving out B frames": video_skipping.left_out,
        "key frames only": video_skipping.keys_only,
        "motion gate": video_skipping.gate,
        "slow step, permit back": lambda s: _slow_step(s, gives_back=True),
        "slow step, permit kept": lambda s: _slow_step(s, gives_back=False),
        "latency": lambda s: _latency(s, low=False),
        "latency, low": lambda s: _latency(s, low=True),
        "latency, opencv": _latency_of_opencv,
        "declares 30, delivers 25": lambda s: _delivers(s, rate=25.0),
        "declares 30, delivers 12.5": lambda s: _delivers(s, rate=12.5),
        "declares 30, delivers 29.5": lambda s: _delivers(s, rate=29.5),
        "one of two frozen": _one_frozen,
        "killed and restarted": _killed,
        "down at start": _down_at_start,
        "damaged file": _damaged,
    }
)


def _of(name: str, metric: str) -> Callable[[Rounds], Series]:
    return lambda rounds: rounds[name, metric]


def _at_least(name: str, what: str, metric: str, limit: float) -> Goal:
    return Goal(f"{name}: {what}", _of(name, metric), "at least", limit)


def _at_most(name: str, what: str, metric: str, limit: float) -> Goal:
    return Goal(f"{name}: {what}", _of(name, metric), "at most", limit)


def _goals() -> dict[str, list[Goal]]:
    others, processed = "rate of the others, of 25", "processed, of those delivered"
    returned = "first frame after the return"
    period_ms = 1000 / 30
    return {name: [] for name in SCENARIOS} | {
        "leaving out B frames": [
            _at_least("leaving out B frames", "saved by each, of its own cost", "saved", 0.60)
        ],
        "key frames only": [_at_most("key frames only", "cost, of all", "of all", 0.12)],
        "motion gate": [_at_most("motion gate", "cost, of decoding", "of decode", 0.12)],
        "latency": [_at_most("latency", "sent to in hand, p95", "p95", period_ms + 10)],
        "latency, low": [_at_most("latency, low", "sent to in hand, p95", "p95", 15.0)],
        "damaged file": [_at_least("damaged file", "last frame, of 12 s", "end", 11.5)],
        **{
            name: [_at_least(name, others, "kept", 0.98)]
            for name in ("slow step, permit back", "one of two frozen")
        },
        **{
            name: [_at_least(name, processed, "kept", 0.98)]
            for name in SCENARIOS
            if name.startswith("declares")
        },
        **{
            name: [
                _at_least(name, others, "kept", 0.98),
                _at_most(name, returned, "back", 5.0),
            ]
            for name in ("killed and restarted", "down at start")
        },
    }


GOALS = _goals()


def main(name: str, seconds: float) -> None:
    """Run one and print what was measured."""
    set_up_logging("console", "CRITICAL")
    print(json.dumps({"values": dict(SCENARIOS[name](seconds)), "told": ""}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
