"""A daemon with cameras of all kinds, and faults by chance: `make soak MINUTES=10`.

It ends with 0 if every frame is in a bucket, nothing has grown and every camera runs again.
"""

import argparse
import gc
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.cameras.bad_servers import BadServer, HlsServer, MjpegServer
from tests.cameras.camera import RtspCamera, RtspServer
from tests.cameras.clips import ClipSpec
from tests.cameras.site import Site, open_files

Action = Callable[[], object]

SMALL = ClipSpec(scene="moving")
LARGE = ClipSpec(width=640, height=480, scene="moving")
OTHER = ClipSpec("h265", 640, 480, scene="moving")
SPECS = (SMALL, LARGE, OTHER)
LOOK_S = 2.0
SETTLE_S = 40.0
# Threads and files come and go with connections: in the end there are no more than at the start.
RSS_MB_PER_HOUR = 60.0
RSS_NOISE_MB = 12.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and what ends it."""

    name: str
    begin: Action
    end: Action


@dataclass(frozen=True, slots=True)
class Look:
    """What the process holds at a moment."""

    at_s: float
    rss_mb: float
    threads: int
    files: Counter[str]

    @classmethod
    def now(cls) -> "Look":
        """As the system counts it."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        threads = len(list(Path("/proc/self/task").iterdir()))
        # The servers that run in here have one for each client: it is not the daemon's.
        threads -= sum(thread.name.startswith("Thread-") for thread in threading.enumerate())
        # A camera that does not answer is being opened most of the time, on one thread at most.
        names = {thread.name for thread in threading.enumerate()}
        threads -= sum(name.startswith("open:") for name in names)
        return cls(time.monotonic(), pages * 4096 / 2**20, threads, open_files())


@dataclass
class Parts:
    """All that runs beside the daemon."""

    rtsp: RtspServer
    second: RtspServer
    cameras: Sequence[RtspCamera]
    mjpeg: MjpegServer
    hls: HlsServer
    urls: Mapping[str, Mapping[str, object]]
    # Servers that never send a picture: their cameras are not to run at the end.
    hopeless: frozenset[str] = field(default=frozenset({"mute", "garbage", "closing"}))

    @property
    def hopeful(self) -> list[str]:
        """Cameras that send, but for their faults."""
        return [name for name in self.urls if name not in self.hopeless]


def main() -> int:
    """Run it as the command line says."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="to see the same faults again")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"soak: {given.minutes:g} minutes, --seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, ExitStack() as stack:
        wrong = soak(started(Path(folder), stack), Path(folder), given.minutes * 60, seed)
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    print("soak: " + ("failed" if wrong else "all is well"))
    return 1 if wrong else 0


def started(folder: Path, stack: ExitStack) -> Parts:
    """Cameras of all kinds, with their servers."""
    servers = []
    for name in ("first", "second"):
        (folder / name).mkdir()
        servers.append(stack.enter_context(RtspServer(folder / name)))
    first, second = servers
    cameras = (
        first.add("tcp", SMALL),
        first.add("udp", SMALL),
        first.add("quick", LARGE, mtu=700),
        second.add("alone", ClipSpec(frames=100, b_frames=2, scene="moving")),
    )
    mjpeg = stack.enter_context(MjpegServer(ClipSpec("mjpeg", scene="moving")))
    (folder / "hls").mkdir()
    hls = stack.enter_context(HlsServer(folder / "hls"))
    urls: dict[str, dict[str, object]] = {
        "tcp": {"url": cameras[0].url(), "transport": "tcp"},
        "udp": {"url": cameras[1].url(), "transport": "udp"},
        "quick": {"url": cameras[2].url(), "transport": "tcp", "low_latency": True},
        "alone": {"url": cameras[3].url()},
        "mjpeg": {"url": mjpeg.url},
        "hls": {"url": hls.url},
    }
    faults = {"mute": "mute", "garbage": "garbage", "closing": "hangs-up"}
    for name, fault in faults.items():
        urls[name] = {"url": stack.enter_context(BadServer(fault)).url}  # type: ignore[arg-type]  # its three names
    for options in urls.values():
        options["silence_s"] = 2.0
    return Parts(first, second, cameras, mjpeg, hls, urls)


def soak(parts: Parts, folder: Path, length_s: float, seed: int) -> list[str]:
    """Let faults happen for so long; what is wrong then, as sentences."""
    chance = random.Random(seed)
    site = Site(folder / "site", parts.urls)
    told: Counter[str] = Counter()
    looks: list[Look] = []
    wrong: list[str] = []
    with site:
        wrong += _all_run(site, parts, "at the start")
        base = _quiet()
        ends_s = time.monotonic() + length_s
        while time.monotonic() < ends_s:
            fault = chance.choice(faults_of(parts, chance))
            told[fault.name] += 1
            fault.begin()
            _wait(chance.uniform(0.5, 6.0), looks)
            fault.end()
            _wait(chance.uniform(0.5, 4.0), looks)
            wrong += site.unbalanced()
        wrong += _all_run(site, parts, "at the end")
        after = _quiet()
        wrong += grown(base, after, looks)
        print(summary(site, told, base, after, looks), flush=True)
    wrong += [f"{name}: frames are in no bucket after the stop" for name in site.left_over()]
    wrong += [f"time or numbers ran backwards: {what}" for what in site.backwards]
    return list(dict.fromkeys(wrong))


def faults_of(parts: Parts, chance: random.Random) -> list[Fault]:
    """One of each kind, on a camera that is drawn."""
    camera, mjpeg, hls = chance.choice(parts.cameras), parts.mjpeg, parts.hls
    go_on, name = camera.go_on, camera.name
    spec = chance.choice(SPECS)
    return [
        Fault("stall", camera.stall, go_on),
        Fault("freeze", camera.freeze, go_on),
        Fault("corrupt", lambda: camera.corrupt(flip=0.5), go_on),
        Fault("lost packets", lambda: camera.corrupt(drop=0.05), go_on),
        Fault("pauses in pictures", camera.burst_pause, go_on),
        Fault("time jumps", lambda: camera.jump(chance.choice([-3600.0, 3600.0])), go_on),
        Fault("another rate", lambda: camera.rate(12.5), lambda: camera.rate(25.0)),
        Fault(
            "another stream" if name != "udp" else "hung up on",
            (lambda: camera.switch(spec)) if name != "udp" else camera.close,
            go_on,
        ),
        Fault("hung up on", camera.close, go_on),
        Fault("server refuses", parts.rtsp.refuse, lambda: parts.rtsp.refuse(on=False)),
        Fault("server killed", parts.second.kill, parts.second.start),
        Fault("server stands still", parts.second.stop, parts.second.cont),
        Fault("server restarted", parts.rtsp.restart, lambda: None),
        Fault("MJPEG stalls", mjpeg.stall, mjpeg.go_on),
        Fault("MJPEG hung up on", mjpeg.close, mjpeg.go_on),
        Fault("HLS stalls", hls.stall, hls.go_on),
    ]


# Both ends of a connection to each may be open at one look and not at another.
SERVERS_IN_HERE = 5


def grown(base: Look, after: Look, looks: Sequence[Look]) -> list[str]:
    """What there is more of than before, as sentences."""
    wrong = []
    if after.threads > base.threads:
        wrong.append(f"threads grew from {base.threads} to {after.threads}")
    if after.files.total() > base.files.total() + 2 * SERVERS_IN_HERE:
        more = dict(after.files - base.files)
        wrong.append(f"open files grew from {base.files.total()} to {after.files.total()}: {more}")
    rise = rise_mb(looks)
    hours = (looks[-1].at_s - looks[0].at_s) / 3600 if looks else 0.0
    allowed = RSS_NOISE_MB + RSS_MB_PER_HOUR * hours
    if rise > allowed:
        wrong.append(f"memory grew by {rise:.0f} MB, more than {allowed:.0f}")
    return wrong


def rise_mb(looks: Sequence[Look]) -> float:
    """How much the median of the last quarter is above that of the second: the first warms up."""
    quarter = len(looks) // 4
    if not quarter:
        return 0.0
    second, last = looks[quarter : 2 * quarter], looks[-quarter:]
    return statistics.median(x.rss_mb for x in last) - statistics.median(x.rss_mb for x in second)


def summary(
    site: Site, told: Mapping[str, int], base: Look, after: Look, looks: Sequence[Look]
) -> str:
    """What happened, for people."""
    faults = ", ".join(f"{count} x {name}" for name, count in sorted(told.items()))
    most = max((look.rss_mb for look in looks), default=after.rss_mb)
    lines = [f"faults    {faults}"]
    status = site.daemon.status()
    for lane in status["lanes"]:
        camera = lane["name"].partition(":")[2]
        now = status["cameras"][camera]
        buckets = ", ".join(f"{n} {name}" for name, n in lane["buckets"].items()) or "none"
        lines.append(
            f"{camera:9} {now['state']}, {now['connections']} connections, "
            f"{now['failures']} failures; {lane['captured']} captured: {buckets}"
        )
    lines += [
        f"threads   {base.threads} -> {after.threads}",
        f"files     {_by_kind(base.files)} -> {_by_kind(after.files)}",
        f"memory    {base.rss_mb:.0f} -> {after.rss_mb:.0f} MB, at most {most:.0f} MB, "
        f"{rise_mb(looks):+.1f} MB from the second quarter to the last",
    ]
    return "\n".join(lines)


def _all_run(site: Site, parts: Parts, when: str) -> list[str]:
    """Wait until frames of every camera come; those of which none do, as sentences."""
    since_s = time.monotonic()
    missing = list(parts.hopeful)
    while missing and time.monotonic() < since_s + SETTLE_S:
        time.sleep(0.1)
        missing = [name for name in missing if len(site.notes(name, since_s)) < 5]
    return [f"{name} sends no frames {when}: {site.camera(name)['why']}" for name in missing]


def _quiet() -> Look:
    """The least that is held over some seconds: connections that are tried come and go."""
    gc.collect()
    seen = []
    for _ in range(100):
        seen.append(Look.now())
        time.sleep(0.1)
    return Look(
        seen[-1].at_s,
        statistics.median(x.rss_mb for x in seen),
        min(x.threads for x in seen),
        min((x.files for x in seen), key=Counter.total),
    )


def _by_kind(files: Counter[str]) -> str:
    return f"{files.total()} ({files['socket']} sockets)"


def _wait(seconds: float, looks: list[Look]) -> None:
    threading.Event().wait(seconds)
    if not looks or time.monotonic() - looks[-1].at_s > LOOK_S:
        looks.append(Look.now())


if __name__ == "__main__":
    sys.exit(main())
