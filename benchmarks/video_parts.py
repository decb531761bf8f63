"""Where the processor time of a site goes: `python -m benchmarks.video_parts --cameras 8`.

Prints, for each part of the program, ms of processor time in each second, and for each result. That
of threads is the kernel's own account; that of parts of a turn is measured round their calls, which
costs a little itself. A part does not hold what the parts within it hold.
"""

import argparse
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from appliance.observe.log import set_up_logging
from benchmarks.video_cell import MAX_LATENCY_S
from benchmarks.video_clips import Format, clip_of
from benchmarks.video_site import STATE_DIR, Site, counting, looped

LANES = "lanes"
# What is called on the threads of lanes: module, class, method, and what it is called here.
PARTS = (
    ("appliance.video.decoder", "Decoder", "decode", "decoding"),
    ("appliance.inference.lending", "LentModel", "run", "pixels in, and the call of the model"),
    ("blocks.models.object_detection", "ObjectDetection", "run", "boxes out"),
    ("blocks.tracking.byte_track", "ByteTrack", "run", "tracking"),
    ("blocks.zones.line_count", "LineCount", "run", "counting"),
    ("blocks.zones.zone_count", "ZoneCount", "run", "counting"),
    ("appliance.pipelines.lane", "Lane", "_run_turn", "the engine, events"),
    ("appliance.pipelines.permits", "Permits", "_take", "permits"),
    ("appliance.pipelines.permits", "Permits", "_give_back", "permits"),
)


class Account:
    """Processor time of parts, in ns, each without those that were called inside of it."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._inner = threading.local()

    def around(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, with its time noted."""

        def noted(*given: Any, **named: Any) -> Any:
            outer = getattr(self._inner, "ns", 0)
            self._inner.ns = 0
            began = time.thread_time_ns()
            try:
                return call(*given, **named)
            finally:
                took = time.thread_time_ns() - began
                if threading.current_thread().name.startswith("lane:"):
                    with self._lock:
                        self.spent[part] += took - self._inner.ns
                self._inner.ns = outer + took

        return noted


@contextmanager
def measured(account: Account) -> Iterator[None]:
    """Inside, the calls of all parts are noted."""
    with ExitStack() as stack:
        for module, owner, method, part in PARTS:
            found = getattr(import_module(module), owner)
            stack.callback(setattr, found, method, getattr(found, method))
            setattr(found, method, account.around(part, getattr(found, method)))
        yield


def threads() -> Counter[str]:
    """What the threads have used so far, in ns, by what they are for."""
    names = {each.native_id: each.name for each in threading.enumerate()}
    spent: Counter[str] = Counter()
    for task in Path("/proc/self/task").iterdir():
        name = names.get(int(task.name), "the model's own threads")
        kind = {"lane": LANES, "camera": "cameras: reading"}.get(name.split(":")[0], name)
        spent[kind] += int((task / "schedstat").read_text().split()[0])
    return spent


def lines(spent: Counter[str], parts: Counter[str], results: int, wall_s: float) -> Iterator[str]:
    """The table: threads, and below the lanes their parts."""
    yield f"{results / wall_s:.1f} results/s; processor time in ms, each second and for each result"
    rest = spent[LANES] - sum(parts.values())
    for name, ns in spent.most_common():
        yield f"{ns / 1e6 / wall_s:8.1f} {ns / 1e6 / results:7.2f}  {name}"
        if name == LANES:
            for part, took in [*parts.most_common(), ("everything else", rest)]:
                yield f"{took / 1e6 / wall_s:12.1f} {took / 1e6 / results:7.2f}    {part}"


def main() -> None:
    """Run a site, and print where its time goes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.video_parts", description=__doc__)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--settle", type=float, default=8.0, help="seconds before that")
    given = parser.parse_args()
    set_up_logging("console", "ERROR")
    cameras = looped(clip_of(Format("h264", 720), STATE_DIR), given.cameras)
    account = Account()
    with (
        measured(account),
        Site(cameras, counting(list(cameras), max_latency_s=MAX_LATENCY_S)) as site,
    ):
        time.sleep(given.settle)
        before, parts = threads(), account.spent.copy()
        span = site.watch(given.seconds)
        spent, parts = threads() - before, account.spent - parts
    results = sum(counts.get("processed", 0) for counts in span.buckets.values())
    print("\n".join(lines(spent, parts, max(1, results), span.use.wall_s)))


if __name__ == "__main__":
    main()
