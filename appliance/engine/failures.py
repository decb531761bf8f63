"""What failed in a turn, and what may be told of it."""

from collections.abc import Collection
from dataclasses import dataclass, field

from appliance.engine.errors import StepError
from appliance.engine.redaction import Redaction
from blocks.data import Frame, Moment


@dataclass(frozen=True, slots=True)
class StepFailure:
    """A step that raised in a turn; what depends on it was left out.

    Of a step that runs once for each `elements` says how many were lost, and `error` is the first.
    `what` is what may be told of it: the error's type and text, without what is secret.
    """

    step: str
    error: Exception = field(repr=False)
    elements: int = 1
    what: str = ""

    def __str__(self) -> str:
        return f"step {self.step}: {self.what or told_plainly(self.error)}"


def told_plainly(error: Exception) -> str:
    """The type of an error, and its text."""
    return f"{type(error).__name__}: {error}"


class Failures:
    """Makes of errors what may be told, without the values that are `hidden`."""

    def __init__(self, hidden: Collection[str] = ()) -> None:
        self._hidden = hidden
        self._redaction: Redaction | None = None

    def text(self, text: str) -> str:
        """A text without the hidden values."""
        if not self._hidden:
            return text
        # Made when something fails: most runs never need it.
        if self._redaction is None:
            self._redaction = Redaction(self._hidden)
        return self._redaction.text(text)

    def skipped(self, step: str, error: Exception, elements: int = 1) -> StepFailure:
        """The failure of a step that is left out."""
        return StepFailure(step, error, elements, self.text(told_plainly(error)))

    def stopping(self, step: str, moment: Moment, error: Exception) -> StepError:
        """The failure of a step that says `on_error: stop`."""
        sequence = moment.sequence if isinstance(moment, Frame) else None
        stopping = StepError(step, moment.camera, sequence, error)
        told = self.text(str(stopping))
        if told == str(stopping):
            stopping.__cause__ = error
        else:
            # A traceback would show the error itself.
            stopping.args = (told,)
            stopping.__suppress_context__ = True
        return stopping
