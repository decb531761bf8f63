"""One chain for all log lines, our own and those of libraries: for people, or as JSON.

A script that uses this program as a library gets them through Python's own `logging`.
"""

import logging
import sys
from typing import Any, Literal

import structlog

Style = Literal["console", "json"]

_CHAIN: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def set_up_logging(style: Style, level: str = "INFO") -> None:
    """Send every record to standard error; `level` is a name such as INFO or DEBUG."""
    # Named, since structlog's own choice depends on what else is installed.
    plain = structlog.dev.plain_traceback
    last: Any = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_CHAIN,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            last,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Else a library's warning is a line of no style on standard error.
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*_CHAIN, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def use_logging_of_python() -> None:
    """Where nobody has set up structlog, send our lines to Python's `logging`, as a library does.

    There a program says what it wants to see; by default these are warnings, on standard error.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"], drop_missing=True),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
