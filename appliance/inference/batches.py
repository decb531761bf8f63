"""Whether a model is faster with several images at once: measured once, and remembered.

On most processors it is not; on graphics cards it is.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.clock import Clock
from appliance.inference.loading import BYTES, Runs

# So many are tried, as long as each is faster than the one before.
SIZES = (4, 8, 16)
ROUNDS = 3
# Less than this is not worth the memory, and may be chance where others compute meanwhile.
GAIN = 1.3
# What a provider may round otherwise with more images.
TOLERANCE = 0.02

log = structlog.get_logger(__name__)


class BatchVerdict(BaseModel):
    """What was found: how many images at once, and milliseconds for each alone and together.

    `reason` says why no more than that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: int = Field(default=1, ge=1, le=SIZES[-1])
    alone_ms: float = 0.0
    together_ms: float = 0.0
    reason: str = ""


def best_batch(
    session: Runs, again: Callable[[], Runs], shape: Sequence[int], kept: Path, clock: Clock
) -> int:
    """How many images to give the session at once; `shape` is that of one, `kept` the verdict.

    It is tried on a session made by `again`: after a run that failed, OpenVINO's fail for ever.
    """
    axes = session.input_shape
    if not axes or isinstance(axes[0], int):
        return 1
    known = _recall(kept)
    if known is None:
        known = measured(again(), shape, clock)
        log.info("batches tried", **known.model_dump())
        _remember(kept, known)
    return known.batch


def measured(session: Runs, shape: Sequence[int], clock: Clock) -> BatchVerdict:
    """Try it: one image after the other, and more and more at once."""
    found = BatchVerdict()
    for size in SIZES:
        images = _images(session, shape, size)
        wrong = _wrong(session, images)
        if wrong:
            return found.model_copy(update={"reason": wrong})
        # In turns, so that what else happens on the machine slows both.
        sizes = (found.batch, size)
        times = [[_ms(session, images, each, clock) for each in sizes] for _ in range(ROUNDS)]
        before_ms, after_ms = (round(min(column), 3) for column in zip(*times, strict=True))
        alone_ms = before_ms if found.batch == 1 else found.alone_ms
        if before_ms < after_ms * GAIN:
            told = {"alone_ms": alone_ms, "together_ms": found.together_ms or after_ms}
            reason = f"{size} at once are not faster"
            return found.model_copy(update={**told, "reason": reason})
        found = BatchVerdict(batch=size, alone_ms=alone_ms, together_ms=after_ms)
    return found


def _wrong(session: Runs, images: NDArray[Any]) -> str:
    """What keeps these from being run at once, if anything does."""
    try:
        outputs = session.run(images)
        single = session.run(images[:1])
    except Exception as error:  # noqa: BLE001 - the errors of runtimes have no class in common
        return f"it takes no {len(images)} images at once: {error}"[:300]
    for name, values in outputs.items():
        if values.shape[:1] != images.shape[:1] or not _alike(values[:1], single[name]):
            return f"its output {name} is not one for each image"
    return ""


def _images(session: Runs, shape: Sequence[int], count: int) -> NDArray[Any]:
    chance = np.random.default_rng(seed=0)
    axes = (count, *shape[1:])
    if session.input_type == BYTES:
        return chance.integers(0, 256, axes, np.uint8)
    return chance.random(axes, np.float32)


def _alike(some: NDArray[Any], others: NDArray[Any]) -> bool:
    return some.shape == others.shape and np.allclose(some, others, TOLERANCE, TOLERANCE)


def _ms(session: Runs, images: NDArray[Any], size: int, clock: Clock) -> float:
    """For each image, with so many at once."""
    parts = [images[begin : begin + size] for begin in range(0, len(images), size)]
    began_s = clock.monotonic()
    for part in parts:
        session.run(part)
    return (clock.monotonic() - began_s) / len(images) * 1000


def _recall(kept: Path) -> BatchVerdict | None:
    try:
        return BatchVerdict.model_validate_json(kept.read_bytes())
    except (OSError, ValidationError):
        return None


def _remember(kept: Path, verdict: BatchVerdict) -> None:
    unfinished = kept.with_suffix(".new")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(verdict.model_dump_json(indent=2), "utf-8")
        unfinished.replace(kept)
    except OSError as error:
        log.warning("cannot keep whether batches pay; it is tried at each start", error=str(error))
