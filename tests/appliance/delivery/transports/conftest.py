import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from appliance.delivery.envelope import Row


@pytest.fixture
def row() -> Callable[..., Row]:
    """Makes rows as the outbox does, numbered from 1."""
    numbers = count(1)

    def make(data: Any = None, subject: str = "gate", type_: str = "count.crossed") -> Row:
        n = next(numbers)
        event = {"source": "/box/gate", "sequence": f"{n:012d}", "data": data or {"n": n}}
        body = json.dumps(event)
        return Row(n, f"event-{n}", "plant", type_, subject, 1_700_000_000.25, body)

    return make
