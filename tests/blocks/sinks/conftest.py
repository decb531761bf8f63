import pytest

from blocks.block import Origin


@pytest.fixture
def origin() -> Origin:
    """Where a step called `out` stands."""
    return Origin(workflow="gate-count", pipeline="yard-east", camera="gate", step="out")
