"""What a file may take from outside of itself: secrets, environment variables, other files.

The engine opens nothing: whoever reads a file for it hands it the sources it may use.
"""

from typing import Final, NoReturn, Protocol


class Verbatim(str):
    """A text that came from outside: it is neither a selector nor an expression, nor ever shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"


class Sources(Protocol):
    """Where a file's `!secret`, `${NAME}` and `!include` are looked up."""

    def secret(self, name: str) -> str:
        """The text of a secret.

        Raises:
            LookupError: there is none of that name; the message is the sentence for the user.
        """

    def variable(self, name: str) -> str | None:
        """The value of an environment variable, None if it is not set.

        Raises:
            LookupError: the environment is not to be asked; the message is the sentence.
        """

    def file(self, name: str, beside: str) -> tuple[str, str]:
        """The text of a file that is named in the file `beside`, and what to call it in messages.

        Raises:
            LookupError: it cannot be read, or must not; the message is the sentence.
        """


class _Nothing:
    """The sources of a text that comes from nowhere."""

    def secret(self, name: str) -> NoReturn:
        raise LookupError(f"the secret '{name}' is not known here: secrets are read for files only")

    def variable(self, name: str) -> NoReturn:
        what = f"the environment variable {name} is not known here: it is read for files only"
        raise LookupError(what)

    def file(self, name: str, beside: str) -> NoReturn:
        raise LookupError(f"{beside} stands in no folder that '{name}' could be read from")


NOTHING_OUTSIDE: Final[Sources] = _Nothing()
