"""What the settings say of an outside system."""

import pytest
from pydantic import ValidationError

from appliance.connection_settings import ConnectionSettings


def plant(**more: object) -> ConnectionSettings:
    return ConnectionSettings.model_validate({"type": "mqtt", "url": "mqtt://host"} | more)


@pytest.mark.parametrize(("said", "prefix"), [(True, "homeassistant"), (False, ""), ("ha", "ha")])
def test_home_assistant_is_told_where_it_is_said(*, said: object, prefix: str) -> None:
    assert plant(home_assistant=said).home_assistant == prefix
    assert plant().home_assistant == ""


def test_a_version_may_be_written_as_a_number() -> None:
    assert plant(version=5).version == "5"
    assert plant(version="3.1.1").version == "3.1.1"
    with pytest.raises(ValidationError, match=r"'5' or '3\.1\.1'"):
        plant(version=4)


def test_a_key_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValidationError, match="clientid"):
        plant(clientid="x")
