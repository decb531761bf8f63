"""What models are to blocks: the stand-ins of tests are hosts."""

import inspect

import pytest

from appliance.engine.testing import FixedDetector, FixedHost
from blocks import host
from blocks.host import Host

LENDING = [name for name in vars(Host) if not name.startswith("_") and name != "waiting"]


@pytest.mark.parametrize("name", LENDING)
def test_a_model_that_nobody_has_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(LookupError, match="there is no model 'x'"):
        getattr(FixedHost(), name)("x")


def test_a_model_that_does_something_else_is_refused() -> None:
    with pytest.raises(LookupError, match="has no method `classify`"):
        FixedHost(people=FixedDetector()).classifier("people")


def test_a_late_answer_is_an_error_of_its_own() -> None:
    assert issubclass(host.LateError, Exception)
    assert inspect.getdoc(host.LateError)
