"""Many values in one list, with their sum and their extremes."""

from typing import Any, NamedTuple

from blocks.block import Manifest, block


class GatherManifest(Manifest):
    """Nothing can be set."""


class Gathered(NamedTuple):
    """All values in their order, and of the numbers among them sum, extremes and mean.

    Where there is no number, the sum is 0, and the others are absent.
    """

    values: list[Any]
    sum: float
    smallest: float | None
    largest: float | None
    mean: float | None


@block("gather@1", GatherManifest)
class Gather:
    """Gathers what a step gives that runs once for each, or a list, into one."""

    example = """
        - name: people
          type: object_detection@1
          image: $inputs.image
          model: people-ssdlite
        - name: crops
          type: crop@1
          image: $inputs.image
          detections: $steps.people.detections
        - name: helmets
          type: object_detection@1
          image: $steps.crops.images
          model: helmets
        - name: sized
          type: first_present@1
          values: ["= size(steps.helmets.detections)"]
        - name: helmets_per_person
          type: gather@1
          values: $steps.sized.value
    """

    def __init__(self, manifest: GatherManifest) -> None:
        del manifest

    def run(self, values: tuple[Any, ...]) -> Gathered:
        """Take the values; those that are absent are left out."""
        numbers = [float(v) for v in values if isinstance(v, int | float) and type(v) is not bool]
        total = sum(numbers)
        if not numbers:
            return Gathered(list(values), 0.0, None, None, None)
        mean = total / len(numbers)
        return Gathered(list(values), total, min(numbers), max(numbers), mean)
