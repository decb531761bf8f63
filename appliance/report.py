"""What a person sees of a run: progress while it goes on, and a summary at its end."""

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from appliance.clock import Clock
from appliance.engine.turn import Turn
from appliance.video.source import StreamInfo
from blocks.data import Detections, Frame, Image

EVERY_S = 2.0
EVERY_ON_TERMINAL_S = 0.2


@dataclass(slots=True)
class RunReport:
    """Collects what a run of one workflow does; `seen` is called on the lane's thread."""

    workflow: str
    source: str
    info: StreamInfo
    clock: Clock
    events: Counter[str] = field(default_factory=Counter)
    outputs: dict[str, Any] = field(default_factory=dict)
    processed: int = 0
    at_s: float = 0.0
    _began_s: float = 0.0
    _told_s: float = 0.0
    _elapsed_s: float = 1e-9

    def begin(self) -> None:
        """The run starts now."""
        self._began_s = self._told_s = self.clock.monotonic()

    def seen(self, turn: Turn) -> None:
        """Take note of one turn: of a frame that was processed, or without a frame."""
        self.processed += isinstance(turn.moment, Frame)
        self.at_s = turn.moment.at_s
        self.events.update(event.type for event in turn.events)
        self.outputs.update({n: v for n, v in turn.outputs.items() if _is_plain(v)})

    def progress(self, stream: TextIO = sys.stderr) -> None:
        """Say how far it is: on a terminal in one line that is rewritten, else now and then."""
        terminal = stream.isatty()
        now = self.clock.monotonic()
        if now - self._told_s < (EVERY_ON_TERMINAL_S if terminal else EVERY_S):
            return
        self._told_s = now
        end = "\x1b[K\r" if terminal else "\n"
        stream.write(f"  {self._position()}{end}")
        stream.flush()

    def end(self) -> None:
        """The last frame is done: what follows is delivery."""
        self._elapsed_s = max(1e-9, self.clock.monotonic() - self._began_s)
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[K")

    def summary(
        self,
        status: dict[str, Any],
        results: dict[str, Path],
        video_error: str,
        stopped_by: str = "",
    ) -> str:
        """The whole run in a few lines: frames, events, outputs, and where the results lie.

        `stopped_by` is what has ended it before its source.
        """
        elapsed_s = self._elapsed_s
        (lane,) = status["lanes"]
        skipped = dict(lane["buckets"])
        processed = skipped.pop("processed", 0)
        # Those that a lane which did not stop in time still has in its hands.
        unfinished = lane["captured"] - sum(lane["buckets"].values())
        skipped |= {"unfinished": unfinished} if unfinished else {}
        why = ", ".join(f"{count} {reason}" for reason, count in skipped.items())
        times = " · ".join(f"{step} {ms:.1f}" for step, ms in lane["steps_ms"].items())
        lines = [
            f"{self.workflow} on {self.source}",
            f"  frames    {lane['captured']} captured = {processed} processed + "
            f"{sum(skipped.values())} skipped{f' ({why})' if why else ''}",
            f"  speed     {self.processed / elapsed_s:.1f} frames/s, {self.at_s:.1f} s of video "
            f"in {elapsed_s:.1f} s",
            f"  emitted   {_counts(self.events) or 'no events'}",
        ]
        if times:
            lines.insert(3, f"  steps     ms a frame: {times}")
        if self.outputs:
            lines.append(
                "  outputs   " + " · ".join(f"{n} {_short(v)}" for n, v in self.outputs.items())
            )
        for step, count in lane["failures"].items():
            times_told = "once" if count == 1 else f"{count} times; last"
            lines.append(f"  failed    {step} {times_told}: {lane['last_failures'][step]}")
        if stopped_by:
            lines.append(f"  stopped   {stopped_by}")
        for name, connection in status["connections"].items():
            lines.append(f"  delivery  {_delivery(name, connection)}")
        if status["outbox"]["uncommitted"]:
            outbox = status["outbox"]
            lines.append(
                f"  lost      {outbox['uncommitted']} events, never written: {outbox['last_error']}"
            )
        lines += [f"  {what:9} {_from_here(path)}" for what, path in results.items()]
        if video_error:
            lines.append(f"  video     not whole: {video_error}")
        return "\n".join(lines)

    def _position(self) -> str:
        elapsed_s = max(1e-9, self.clock.monotonic() - self._began_s)
        of = f" of {self.info.frames}" if self.info.frames else ""
        return (
            f"{self.at_s:.1f} s of video · {self.processed}{of} frames · "
            f"{self.processed / elapsed_s:.1f} frames/s · events: {self.events.total()}"
        )


def _from_here(path: Path) -> Path:
    """The path as it is written in the folder in which the user stands."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _is_plain(value: Any) -> bool:
    return not isinstance(value, Image) and not (
        isinstance(value, tuple) and any(not _is_plain(part) for part in value)
    )


def _short(value: Any) -> str:
    if isinstance(value, Detections):
        return f"{len(value)} boxes"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common())


def _delivery(name: str, status: dict[str, Any]) -> str:
    parts = [f"{status.get(key, 0)} {key}" for key in ("delivered", "pending", "dead")]
    error = f" ({status['last_error']})" if status.get("last_error") else ""
    return f"{name}: {', '.join(parts)} since it was made{error}"
