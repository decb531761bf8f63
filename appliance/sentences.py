"""What a command says when it cannot do what it was asked: a sentence, and an exit status."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from appliance.control import ControlError, NoDaemonError
from appliance.delivery.store import OutboxError
from appliance.delivery.transports.transport import InvalidConnection
from appliance.engine.errors import DefinitionError, InputError
from appliance.inference.catalog import ModelError
from appliance.inference.packages import FetchError
from appliance.sources import SettingsError
from appliance.video.errors import VideoError
from blocks.loading import LoadingError

FAILED, REFUSED, NO_DAEMON = 1, 2, 3

_REFUSALS = (
    DefinitionError,
    FetchError,
    InputError,
    InvalidConnection,
    LoadingError,
    ModelError,
    OutboxError,
    SettingsError,
    VideoError,
)


@contextmanager
def sentences() -> Iterator[None]:
    """A refusal is a sentence on standard error and an exit status, never a traceback."""
    try:
        yield
    except _REFUSALS as error:
        fail(str(error), REFUSED)
    except NoDaemonError as error:
        fail(str(error), NO_DAEMON)
    except ControlError as error:
        fail(str(error), FAILED)


def fail(sentence: str, status: int) -> NoReturn:
    """End the command with a sentence on standard error."""
    click.echo(sentence, err=True)
    raise SystemExit(status)


def say(sentence: str) -> None:
    """Tell something beside the result, on standard error."""
    click.echo(sentence, err=True)
