"""A daemon that runs workflow files on camera streams and acts on what they decide.

In Python: `Workflow` runs a workflow file on pictures, `Pipeline` on a stream (docs/python.md).
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from appliance.errors import ERRORS
    from appliance.pipeline import Pipeline
    from appliance.result import Result, RunError
    from appliance.workflow import Session, Workflow

__version__ = "0.1.0"
__all__ = ["ERRORS", "Pipeline", "Result", "RunError", "Session", "Workflow", "__version__"]

# Loaded when they are asked for: they bring codecs, databases and the runtime of the models.
_HOMES = {
    "ERRORS": "appliance.errors",
    "Pipeline": "appliance.pipeline",
    "Result": "appliance.result",
    "RunError": "appliance.result",
    "Session": "appliance.workflow",
    "Workflow": "appliance.workflow",
}


if not TYPE_CHECKING:
    # Hidden from type checkers: for them any name would be right.
    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
