"""How far results in fewer bits are from those in float32, and where bfloat16 is worth trying."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of the spread of an output. Measured on one frame: SSDs lose 0.003 to 0.005 in bf16, and find the
# same; networks that lose 0.07 and more give other classes and keypoints.
TOLERANCE = 0.02
# An output that hardly moves has no spread to compare with.
LEAST_SPREAD = 1e-3
_BF16 = {"avx512_bf16", "amx_bf16"}
# A finished detection: four of its box, score, class; with a batch number before.
_FINISHED = (6, 7)
_CPUINFO = Path("/proc/cpuinfo")

Outputs = Mapping[str, NDArray[Any]]


def has_bf16(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether this processor computes in bfloat16, and not only stores it."""
    return bool(_BF16 & set(processor_flags(cpuinfo)))


def processor_flags(cpuinfo: Path = _CPUINFO) -> list[str]:
    """What the first core of this machine can do, in the kernel's words, sorted."""
    try:
        lines = cpuinfo.read_text("utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        name, _, value = line.partition(":")
        # So ARM calls them.
        if name.strip() in ("flags", "Features"):
            return sorted(value.split())
    return []


def difference(found: Outputs, expected: Outputs) -> tuple[float, str]:
    """How far outputs are from others, and the name of the farthest.

    It is the root of the mean squared error over the spread (standard deviation) of what is
    expected: 0 the same, 1 as far as any value. Infinite where shapes differ or no number is.
    """
    errors = {name: _error(found[name], values) for name, values in expected.items()}
    if not errors:
        return 0.0, ""
    name = max(errors, key=lambda output: errors[output])
    return errors[name], name


def _error(found: NDArray[Any], expected: NDArray[Any]) -> float:
    if found.shape != expected.shape:
        return float("inf")
    if expected.size == 0 or expected.dtype.kind not in "fiub":
        return 0.0 if np.array_equal(found, expected) else float("inf")
    ours, theirs = found.astype(np.float64), expected.astype(np.float64)
    direct = _relative(ours, theirs)
    if expected.ndim >= 2 and expected.shape[-1] in _FINISHED:
        # Where two detections are nearly as sure, their rows change places.
        return min(direct, _relative(np.sort(ours, axis=-2), np.sort(theirs, axis=-2)))
    return direct


def _relative(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    if same.all():
        return 0.0
    off = ours[~same] - theirs[~same]
    if not np.isfinite(off).all():
        return float("inf")
    usual = theirs[np.isfinite(theirs)]
    error = float(np.sqrt(np.square(off).sum() / theirs.size))
    return error / max(float(usual.std()), LEAST_SPREAD)
