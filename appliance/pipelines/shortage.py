"""What a lane is short of, said with the figures of the moment."""

from collections.abc import Mapping

from appliance.observe.ages import AgeFigures


def in_ms(figures: AgeFigures) -> dict[str, float]:
    """The ages of a lane's last results, in milliseconds, and the parts of the p95."""
    worst = figures.worst
    parts = {
        "p50": figures.p50_s,
        "p95": figures.p95_s,
        "lag": worst.lag_s,
        "wait": worst.wait_s,
        "turn": worst.turn_s,
        "commit": worst.commit_s,
    }
    return {name: round(seconds * 1000, 1) for name, seconds in parts.items()}


def shortage(figures: AgeFigures, max_latency_s: float, steps_ms: Mapping[str, float]) -> str:
    """Which resource makes results older than they may be; empty where none does."""
    if figures.p95_s <= max_latency_s:
        return ""
    worst = figures.worst
    late = f"results are {figures.p95_s:.2f} s old, {max_latency_s:g} s are allowed"
    parts = {
        "decoding": worst.lag_s,
        "the processor": worst.wait_s,
        "the workflow": worst.turn_s,
        "the disk": worst.commit_s,
    }
    short = max(parts, key=lambda name: parts[name])
    if short == "the workflow" and steps_ms:
        step = max(steps_ms, key=lambda name: steps_ms[name])
        return f"{late}: the step {step} takes {steps_ms[step]:.0f} ms by itself"
    sentences = {
        "decoding": "a picture is decoded {:.2f} s after it was taken",
        "the processor": "a frame waits {:.2f} s until the lane may compute",
        "the workflow": "a turn takes {:.2f} s",
        "the disk": "a result waits {:.2f} s for the disk",
    }
    return f"{late}: {sentences[short].format(parts[short])}"
