"""Tries a model on a provider, as a program of its own, because a provider may crash on a model.

    python -m appliance.inference.probe MODEL PROVIDER 1,3,300,300

It ends with 0 if the provider loads the model, runs it on an input of that shape and gives what
onnxruntime's own provider gives; else with the reason as the last line of its error output.
"""

import resource
import sys
from pathlib import Path

import numpy as np

from appliance.inference.session import CPU, Session

# Providers may round otherwise (bfloat16 keeps 8 bits), but not find other things.
TOLERANCE = 0.02


def try_provider(model: Path, provider: str, shape: tuple[int, ...]) -> str:
    """Run the model once on both providers: why `provider` should not be used, or nothing."""
    tried, trusted = Session(model, provider), Session(model, CPU)
    tensor = np.random.default_rng(seed=0).random(shape, np.float32)
    found, expected = tried.run(tensor), trusted.run(tensor)
    for name, values in expected.items():
        if values.shape != found[name].shape:
            return f"the output {name} has another shape than on {CPU}"
        if not np.allclose(values, found[name], rtol=TOLERANCE, atol=TOLERANCE):
            return f"the output {name} differs from that on {CPU}"
    return ""


def main(model: str, provider: str, shape: str) -> int:
    """Try one provider; the exit status."""
    # A crash is expected here, and its memory image is of no use to anybody.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    reason = try_provider(Path(model), provider, tuple(int(n) for n in shape.split(",")))
    if reason:
        sys.stderr.write(reason + "\n")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
