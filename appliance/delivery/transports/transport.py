"""What the delivery loop asks of the code of an outside system."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from appliance.delivery.envelope import Row


class Unavailable(Exception):  # noqa: N818  it is a state of the peer, as in HTTP's 503
    """The peer cannot take it now: try again later. The text is a sentence for the user."""


class Refused(Exception):  # noqa: N818  the peer's answer, not a fault of the program
    """The peer will never take this row. The text is a sentence for the user."""


class InvalidConnection(ValueError):  # noqa: N818  names what is invalid
    """The settings of a connection cannot be used. The text is a sentence for the user."""


Outcome = Unavailable | Refused | None
"""What became of one row; None: the peer itself has acknowledged it."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a transport may tell of the box: `cameras` says which of them give pictures now."""

    version: str
    pipelines: tuple[str, ...]
    cameras: Callable[[], Mapping[str, bool]]


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """A configured outside system. `url` and `options` may hold passwords: they are not printed."""

    name: str
    type: str
    url: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    site: Site | None = None


class Transport(Protocol):
    """The code of one kind of outside system, used by one thread at a time.

    It is made without touching the network, and raises InvalidConnection where its settings cannot
    be used. After an `Unavailable` it is closed, and opened again for the next try.
    """

    def open(self) -> None:
        """Connect. Raises Unavailable where the peer does not answer or does not let us in."""
        ...

    def send(self, batch: Sequence[Row]) -> Sequence[Outcome]:
        """Send rows, and wait until the peer has acknowledged them: one outcome for each.

        Raises:
            Unavailable: none of them could be sent.
        """
        ...

    def idle(self) -> None:
        """Called twice a second while nothing is sent. Raises Unavailable if the peer left."""
        ...

    def close(self) -> None:
        """Let the peer go. May be called at any time, more than once, and raises nothing."""
        ...
