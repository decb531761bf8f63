"""The command that says why frames of a camera were skipped."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import click

from appliance.cli.options import CONFIG, STATE_DIR, state_dir_of
from appliance.clock import SystemClock
from appliance.control import RefusedError, request
from appliance.explain import day_and_time, time_of_day
from appliance.sentences import REFUSED, fail, sentences
from appliance.sources import SettingsError

WIDTH = 100

_TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


@click.command()
@click.argument("camera")
@click.option(
    "--at",
    metavar="TIME",
    help="14:02 or 14:02:50, the last such time here; or a day and a time as in ISO 8601. "
    "Without it, the last seconds.",
)
@click.option(
    "--seconds", type=click.FloatRange(1, 600), default=10.0, show_default=True, help="How many."
)
@click.option("--frames", is_flag=True, help="List each frame that is remembered.")
@click.option("--json", "as_json", is_flag=True, help="As JSON; times are UTC, in seconds.")
@CONFIG
@STATE_DIR
def explain(
    camera: str,
    at: str | None,
    seconds: float,
    *,
    frames: bool,
    as_json: bool,
    config: Path | None,
    state_dir: Path | None,
) -> None:
    """Say what became of a camera's frames, and why some were skipped.

    The running daemon knows the last hour, and of the last 3000 frames of each lane where they
    ended.
    """
    with sentences():
        utc = None if at is None else moment(at, SystemClock().now())
        asked = {"camera": camera, "at": utc, "seconds": seconds, "frames": frames}
        try:
            answer = request(state_dir_of(config, state_dir), "explain", **asked)
        except RefusedError as refused:
            fail(str(refused), REFUSED)
        click.echo(json.dumps(answer, indent=2) if as_json else "\n".join(_lines(answer)))


def moment(text: str, now: float) -> float:
    """The moment that is meant, in UTC; a time without a zone is that of the machine's zone.

    Raises:
        SettingsError: it is no time.
    """
    here = datetime.fromtimestamp(now, UTC).astimezone()
    try:
        if found := _TIME_OF_DAY.fullmatch(text.strip()):
            hour, minute, second = (int(part or 0) for part in found.groups())
            wall = datetime.combine(here.date(), time(hour, minute, second))
            if wall.astimezone() > here:
                wall -= timedelta(days=1)
            return wall.timestamp()
        if re.search(r"\d[T ]\d", text):
            return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError):
        pass
    raise SettingsError(
        f"--at {text}: this is no time; write 14:02, 14:02:50 or 2026-05-31T14:02:50"
    )


def _lines(answer: Mapping[str, Any]) -> Iterator[str]:
    begin, end = answer["begin"], answer["end"]
    yield f"{answer['camera']} · {day_and_time(begin)} to {time_of_day(end)}"
    yield f"  camera    {_camera(answer['status'])}"
    for sentence in answer["why"]:
        yield from _wrapped(sentence, 12)
    for lane in answer["lanes"]:
        yield ""
        yield from _lane(lane)


def _camera(status: Mapping[str, Any]) -> str:
    """What is known of it, in one line; figures of a camera that is not read are left out."""
    parts = [status.get("state", "")]
    if status.get("rate"):
        parts.append(f"{status['rate']:.1f} frames/s captured")
    if status.get("level"):
        parts.append(f"decoded: {status['level']}")
    if status.get("decode_ms"):
        parts.append(f"{status['decode_ms']:.1f} ms to decode one")
    if status.get("lag_s"):
        parts.append(f"{status['lag_s'] * 1000:.0f} ms from capture to picture")
    return " · ".join(parts)


def _lane(lane: Mapping[str, Any]) -> Iterator[str]:
    before, after = lane["in_hand"]
    in_hand = f" ({before} in hand before, {after} after)" if before or after else ""
    yield f"{lane['lane']} · {lane['captured']} frames captured, {lane['ended']} ended{in_hand}"
    for row in lane["buckets"]:
        share = f"{row['share'] * 100:.1f} %"
        yield f"  {row['bucket']:13} {row['frames']:6} {share:>8}  {row['meaning']}".rstrip()
    if lane["age_ms"]:
        yield f"  results       {_ages(lane['rate'], lane['age_ms'])}"
    if lane["why"]:
        yield "  why"
        for sentence in lane["why"]:
            yield from _wrapped(sentence, 4)
    for frame in lane.get("frames", ()):
        yield _frame(frame)
    if "frames" in lane and not lane["frames"]:
        yield "  no single frame of that time is remembered"


def _wrapped(sentence: str, indent: int) -> list[str]:
    first, others = " " * indent, " " * (indent + 2)
    return textwrap.wrap(
        sentence, WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False
    )


def _ages(rate: float, age_ms: Mapping[str, float]) -> str:
    parts = (("lag", "to the picture"), ("wait", "waiting"), ("turn", "turn"), ("commit", "disk"))
    ways = ", ".join(f"{what} {age_ms[part]:.0f}" for part, what in parts)
    return (
        f"{rate:.1f} frames/s, {age_ms['p50']:.0f} ms old, {age_ms['p95']:.0f} at p95 ({ways} ms)"
    )


def _frame(frame: Mapping[str, Any]) -> str:
    at, number = frame["captured_at"], frame["number"]
    figure = ""
    if number is not None:
        moved = frame["bucket"] == "no-motion"
        figure = f"{number * 100:.2g} % changed" if moved else f"{number * 1000:.0f} ms old"
    second, ms = divmod(round(at * 1000), 1000)
    when = f"{time_of_day(second)}.{ms:03}"
    return f"  {frame['sequence']:9} {when} {frame['bucket']:13} {figure}".rstrip()
