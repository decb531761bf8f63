"""Nobody there for too long."""

from typing import NamedTuple

from pydantic import Field

from blocks.block import Manifest, block
from blocks.data import Detections, Moment


class AbsenceManifest(Manifest):
    """How long is too long."""

    after_s: float = Field(
        gt=0, description="Seconds without any detection after which it is an absence."
    )


class Absent(NamedTuple):
    """Whether nothing was there for `after_s`, and for how many seconds nothing has been there."""

    absent: bool
    for_s: float


@block("absence@1", AbsenceManifest, remembers=True)
class Absence:
    """Says when nothing has been there for some time, also while no frame comes.

    It is said once when the time is up, and then with every frame until something is there again.
    Time runs from the last frame with a detection; at the start, and after a restart, from the
    first frame. A frame in which the step does not run counts like one with nothing in it.
    """

    example = """
        - name: people
          type: object_detection@1
          image: $inputs.image
          model: people-ssdlite
          labels: [person]
        - name: desk
          type: absence@1
          detections: $steps.people.detections
          after_s: 120
        - name: deserted
          type: console@1
          when: steps.desk.absent
          text: nobody at {camera}
          data: {for_s: $steps.desk.for_s}
    """

    def __init__(self, manifest: AbsenceManifest) -> None:
        self._after_s = manifest.after_s
        self._since_s: float | None = None
        self._said = False

    @property
    def awake_until(self) -> float | None:
        """Until it is said, every frame counts: who stands still would seem to be gone."""
        return None if self._since_s is None or self._said else self._since_s + self._after_s

    def run(self, moment: Moment, detections: Detections) -> Absent:
        """Look whether anything is there."""
        if self._since_s is None or len(detections):
            self._since_s, self._said = moment.at_s, False
        return self._at(moment.at_s, self._since_s)

    def next_at(self, now: Moment) -> float | None:  # noqa: ARG002 - asked of all blocks alike
        """When it is to be said; never before the first frame, and not twice."""
        return self.awake_until

    def tick(self, now: Moment) -> Absent | None:
        """Say it if it is time."""
        if self._since_s is None or self._said or now.at_s < self._since_s + self._after_s:
            return None
        return self._at(now.at_s, self._since_s)

    def _at(self, at_s: float, since_s: float) -> Absent:
        # The same sum as that of `awake_until`, so that both agree to the last bit.
        absent = at_s >= since_s + self._after_s
        self._said = self._said or absent
        return Absent(absent, max(0.0, at_s - since_s))
