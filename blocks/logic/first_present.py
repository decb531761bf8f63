"""The first of several values that is there."""

from typing import Any, NamedTuple

from pydantic import Field

from blocks.block import Manifest, block
from blocks.data import Image


class FirstPresentManifest(Manifest):
    """What to give where none of the values is there."""

    default: Any = Field(
        default=None, description="The value where none is there; absent too if not given."
    )


class FirstPresent(NamedTuple):
    """The first value that is there, or the default."""

    value: Any


@block("first_present@1", FirstPresentManifest)
class FirstPresentValue:
    """Takes the first of its values that is there.

    It joins branches of which only some have run: a value is absent where its step did not run, be
    it by its own `when` or for want of another value.
    """

    example = """
        - name: people
          type: object_detection@1
          image: $inputs.image
          model: people-ssdlite
          labels: [person]
        - name: boxes
          type: annotate@1
          when: size(steps.people.detections) > 0
          image: $inputs.image
          detections: $steps.people.detections
        - name: picture
          type: first_present@1
          values: [$steps.boxes.image, $inputs.image]
    """

    def __init__(self, manifest: FirstPresentManifest) -> None:
        self._default = manifest.default

    # `Image` is named since lists of any values, made to be sent, may not have pictures in them.
    def run(self, values: list[Image | Any]) -> FirstPresent | None:
        """`values` is a list of selectors, in the order in which they are preferred."""
        value = next((value for value in values if value is not None), self._default)
        return None if value is None else FirstPresent(value)
