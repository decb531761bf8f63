"""What Home Assistant is told of a box."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from appliance.delivery.envelope import Row
from appliance.delivery.transports import home_assistant
from appliance.delivery.transports.home_assistant import Box, Discovery

RowOf = Callable[..., Row]
BOX = Box("box-1", "appliance/box-1/status", "1.2")


@pytest.fixture
def event(row: RowOf) -> Callable[..., Row]:
    """Makes rows of the pipeline `count` on the camera `gate`."""

    def make(data: Any, subject: str = "site/gate", type_: str = "people.crossed") -> Row:
        body = {"source": "/box/count/gate", "data": data}
        return replace(row(subject=subject, type_=type_), body=json.dumps(body))

    return make


def discovery(pipelines: tuple[str, ...] = ("count",), cameras: tuple[str, ...] = ()) -> Discovery:
    return Discovery(BOX, "homeassistant", pipelines, cameras)


def components(of: Discovery) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(of.config())["cmps"]
    return found


def test_the_message_names_the_device_and_where_it_says_that_it_is_there() -> None:
    made = discovery()
    assert made.topic == "homeassistant/device/box-1/config"
    assert made.birth_topic == "homeassistant/status"
    message = json.loads(made.config())
    assert message["dev"]["ids"] == ["box-1"]
    assert message["o"] == {"name": "vision-appliance", "sw": "1.2"}
    assert message["avty_t"] == "appliance/box-1/status"


def test_each_camera_is_a_component_that_says_whether_it_is_connected() -> None:
    made = discovery(cameras=("yard.2",))
    component = components(made)["camera_yard_2"]
    assert component["p"] == "binary_sensor"
    assert component["dev_cla"] == "connectivity"
    assert component["stat_t"] == made.camera_topic("yard.2") == "appliance/box-1/cameras/yard_2"


def test_each_value_of_an_event_becomes_a_component(event: RowOf) -> None:
    made = discovery()
    assert made.learn(event({"total": 3, "plate": "AB 1", "open": True, "boxes": [1], "no": None}))
    found = components(made)
    assert list(found) == [
        "count_gate_crossed_site_gate_total",
        "count_gate_crossed_site_gate_plate",
        "count_gate_crossed_site_gate_open",
    ]
    total, plate, is_open = found.values()
    assert (total["p"], total["stat_t"], total["stat_cla"]) == (
        "sensor",
        "site/gate",
        "measurement",
    )
    assert total["val_tpl"] == '{{ value_json.data.get("total", this.state) }}'
    assert total["name"] == "gate crossed total"
    assert "stat_cla" not in plate
    assert is_open["p"] == "binary_sensor"
    assert is_open["val_tpl"] == """{{ 'on' if value_json.data.get("open") else 'off' }}"""


def test_what_is_known_is_not_learnt_again(event: RowOf) -> None:
    made = discovery()
    assert made.learn(event({"total": 3}))
    assert not made.learn(event({"total": 4}))
    assert made.learn(event({"total": 4}, subject="site/yard"))


def test_an_event_without_values_of_a_name_teaches_nothing(event: RowOf) -> None:
    assert not discovery().learn(event([1, 2]))
    assert not discovery().learn(event({}))


def test_what_was_known_before_is_there_at_once_after_a_restart(event: RowOf) -> None:
    before = discovery()
    before.learn(event({"total": 3}))
    after = discovery()
    after.recall(before.config())
    assert components(after) == components(before)


def test_a_component_of_a_pipeline_that_is_gone_is_taken_back(event: RowOf) -> None:
    before = discovery(cameras=("gate",))
    before.learn(event({"total": 3}))
    after = discovery(pipelines=("other",))
    after.recall(before.config())
    assert components(after) == {
        "camera_gate": {"p": "binary_sensor"},
        "count_gate_crossed_site_gate_total": {"p": "sensor"},
    }
    again = discovery(pipelines=("other",))
    again.recall(after.config())
    assert components(again) == {}


def test_a_component_that_comes_back_is_whole_again(event: RowOf) -> None:
    before = discovery()
    before.learn(event({"total": 3}))
    later = discovery(pipelines=("other",))
    later.recall(before.config())
    later.learn(event({"total": 3}))
    assert "unique_id" in components(later)["count_gate_crossed_site_gate_total"]


@pytest.mark.parametrize("kept", [b"", b"{", b"[]", b'{"cmps": 3}', b'{"cmps": {"a": 1}}'])
def test_what_the_broker_keeps_may_be_anything(kept: bytes) -> None:
    made = discovery()
    made.recall(kept)
    assert components(made) == {}


def test_topics_without_end_do_not_fill_the_memory(
    event: RowOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home_assistant, "MOST_COMPONENTS", 5)
    made = discovery()
    for number in range(20):
        made.learn(event({"total": 3}, subject=f"truck/{number}"))
    assert len(components(made)) == 5
