from pathlib import Path

import pytest

from appliance.delivery.transports import TRANSPORTS, make_transport
from appliance.delivery.transports.transport import ConnectionSettings, InvalidConnection
from tests.appliance.delivery.conftest import ManualClock

URLS = {"console": "", "mqtt": "mqtt://127.0.0.1"}


@pytest.mark.parametrize("kind", TRANSPORTS)
def test_a_transport_is_made_by_its_type(kind: str, tmp_path: Path, clock: ManualClock) -> None:
    url = URLS.get(kind, f"sqlite:///{tmp_path}/events.db")
    made = make_transport(ConnectionSettings("plant", kind, url), clock)
    assert isinstance(made, type(TRANSPORTS[kind](ConnectionSettings("plant", kind, url), clock)))
    assert not list(tmp_path.iterdir()), "making one touches nothing"
    made.close()


def test_an_unknown_type_is_refused_with_those_there_are(clock: ManualClock) -> None:
    with pytest.raises(InvalidConnection, match="plant: there is no type 'kafka'; there are con"):
        make_transport(ConnectionSettings("plant", "kafka"), clock)


def test_settings_do_not_print_what_may_be_secret() -> None:
    settings = ConnectionSettings("plant", "mqtt", "mqtt://u:geheim@host", {"key": "geheim"})
    assert "geheim" not in repr(settings)
