"""Models on a server, used like local sessions."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from appliance.clock import Clock, SystemClock
from appliance.engine.testing import ManualClock
from appliance.inference.catalog import ModelError
from appliance.inference.metadata import Facts
from appliance.inference.remote import Loop, OfflineError, RemoteSession, Start
from appliance.inference.remote_address import Remote
from blocks.host import LateError
from tests.oip_server import OipServer

IMAGE = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2)
Made = Callable[..., RemoteSession]


@pytest.fixture
def oip() -> Iterator[OipServer]:
    with OipServer() as server:
        yield server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def session(oip: OipServer, clock: ManualClock) -> Iterator[Made]:
    made = []

    def make(
        on: Clock | None = None,
        start: Start | None = None,
        kept: Path | None = None,
        **settings: object,
    ) -> RemoteSession:
        remote = Remote.model_validate({"url": oip.url, "model": "double", **settings})
        made.append(RemoteSession("people", remote, on or clock, start, kept))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Loops:
    """Takes loops instead of a supervisor, to be run by hand."""

    def __init__(self) -> None:
        self.started: list[tuple[str, Loop]] = []

    def __call__(self, name: str, loop: Loop) -> None:
        self.started.append((name, loop))

    def run(self, stop: threading.Event | None = None) -> None:
        self.started.pop()[1](stop or threading.Event())


def refusal(session: RemoteSession) -> str:
    with pytest.raises(OfflineError) as caught:
        session.run(IMAGE)
    return str(caught.value)


def test_it_has_the_shape_of_a_local_session(session: Made) -> None:
    people = session()
    assert people.provider == "oip"
    assert people.input_shape == (1, 3, 2, 2)
    assert people.input_type == "tensor(float)"
    assert people.output_shapes == {"doubled": (1, 3, 2, 2), "sum": ("?",)}
    outputs = people.run(IMAGE)
    assert {name: values.shape for name, values in outputs.items()} == {
        "doubled": (1, 3, 2, 2),
        "sum": (1,),
    }
    assert np.array_equal(outputs["doubled"], IMAGE * 2)
    assert (people.state, people.tensors) == ("online", "binary")


def test_a_server_that_takes_json_only_is_said_to_be_slow(oip: OipServer, session: Made) -> None:
    oip.fault, oip.extensions = "no-binary", []
    people = session()
    assert people.run(IMAGE)["sum"].tolist() == [132.0]
    assert people.state == "online, by JSON, which is slow: it takes no binary tensors"


def test_facts_are_asked_for_once(oip: OipServer, session: Made) -> None:
    people = session()
    assert people.state == "it was not asked yet"
    expected = Facts(
        inputs={"image": (1, 3, 2, 2)}, outputs={"doubled": (1, 3, 2, 2), "sum": ("?",)}
    )
    assert [people.facts, people.facts] == [expected, expected]
    people.run(IMAGE)
    assert [seen.path for seen in oip.seen].count("/v2/models/double") == 1


@pytest.mark.parametrize(
    ("datatype", "word"),
    [("UINT8", "uint8"), ("FP16", "float"), ("BF16", "float"), ("INT64", "int64")],
)
def test_the_type_of_the_input_is_said_in_the_words_of_onnxruntime(
    oip: OipServer, session: Made, datatype: str, word: str
) -> None:
    oip.takes = ("image", datatype, [1, 3, 2, 2])
    assert session().input_type == f"tensor({word})"


def test_a_tensor_that_does_not_fit_is_refused_and_the_server_stays_online(
    oip: OipServer, session: Made
) -> None:
    people = session()
    people.run(IMAGE)
    with pytest.raises(ModelError, match="takes a tensor of 1 x 3 x 2 x 2, and is given one of 4"):
        people.run(np.zeros(4, np.float32))
    with pytest.raises(ModelError, match="takes FP32, and is given uint8"):
        people.run(IMAGE.astype(np.uint8))
    assert len(oip.inferences) == 1
    assert people.state == "online"


def test_a_server_that_fails_is_left_alone_for_a_while_and_used_again_then(
    oip: OipServer, session: Made, clock: ManualClock
) -> None:
    people = session()
    people.run(IMAGE)
    oip.fault = "closes"
    expected = (
        f"people: the model 'double' on {oip.url} cannot be used: "
        "it closes the connection instead of answering"
    )
    assert refusal(people) == expected
    asked = len(oip.seen)
    oip.fault = ""
    clock.advance(0.4)
    assert refusal(people) == expected
    assert (len(oip.seen), people.is_offline, people.failures) == (asked, True, 1)
    assert people.state == (
        "offline for 0 s: it closes the connection instead of answering; asked again in 0.1 s"
    )
    clock.advance(0.1)
    assert not people.is_offline
    assert people.run(IMAGE)["sum"].tolist() == [132.0]
    assert people.state == "online"


def test_a_server_that_is_away_at_first_is_asked_later(
    oip: OipServer, session: Made, clock: ManualClock
) -> None:
    oip.fault = "not-ready"
    people = session()
    with pytest.raises(OfflineError, match=r"cannot be used: it is not ready \(503\)"):
        _ = people.facts
    oip.fault = ""
    with pytest.raises(OfflineError, match="not ready"):
        _ = people.input_shape
    clock.advance(0.5)
    assert people.input_shape == (1, 3, 2, 2)


def test_the_state_names_the_model_that_takes_its_place(oip: OipServer, session: Made) -> None:
    oip.fault = "not-ready"
    people = session(fallback="people-ssdlite")
    refusal(people)
    assert people.state == (
        "offline for 0 s: it is not ready (503); asked again in 0.5 s; "
        "people-ssdlite takes its place"
    )


def test_an_answer_of_another_shape_is_a_failure_in_words(oip: OipServer, session: Made) -> None:
    people = session()
    people.run(IMAGE)
    oip.compute = lambda image: [image[:, :1], image.reshape(-1)]
    assert "the output doubled in its answer has the shape 1 x 1 x 2 x 2, not" in refusal(people)
    assert people.is_offline


def test_a_silent_server_is_a_failure_after_the_time_out(oip: OipServer, session: Made) -> None:
    people = session(on=SystemClock(), timeout_s=5.0)
    people.run(IMAGE)
    oip.fault = "silent"
    people = session(on=SystemClock(), timeout_s=0.1)
    _ = people.facts
    assert "it did not answer within 0.1 s" in refusal(people)
    assert people.is_offline
    assert people.late == 0


def test_what_a_deadline_cuts_short_is_late_and_three_in_a_row_a_failure(
    oip: OipServer, session: Made
) -> None:
    clock = SystemClock()
    people = session(on=clock)
    people.run(IMAGE)
    oip.fault = "silent"
    for _ in range(3):
        assert people.state == "online"
        with pytest.raises(LateError, match="did not answer before it was too late"):
            people.run(IMAGE, clock.monotonic() + 0.12)
    assert people.late == 3
    assert "its answers come too late, the last 3 in a row" in people.state
    assert "come too late" in refusal(people)
    assert len(oip.inferences) == 4


def test_a_server_that_does_not_say_whether_it_is_ready_is_offline(
    oip: OipServer, session: Made
) -> None:
    clock = SystemClock()
    oip.fault = "mute"
    people = session(on=clock)
    with pytest.raises(LateError):
        people.run(IMAGE, clock.monotonic() + 0.1)
    assert "it does not answer in time" in people.state
    other = session(on=clock, timeout_s=0.1)
    assert "it does not answer in time" in refusal(other)
    assert (people.late, other.late) == (1, 0)


def test_who_comes_too_late_himself_does_not_blame_the_server(
    oip: OipServer, session: Made
) -> None:
    clock = SystemClock()
    people = session(on=clock)
    people.run(IMAGE)
    oip.fault = "silent"
    for _ in range(5):
        with pytest.raises(LateError):
            people.run(IMAGE, clock.monotonic() + 0.01)
    assert (people.late, people.state) == (5, "online")


def test_after_the_deadline_nothing_is_asked(
    oip: OipServer, session: Made, clock: ManualClock
) -> None:
    people = session()
    with pytest.raises(LateError):
        people.run(IMAGE, clock.monotonic())
    assert oip.seen == []
    assert people.late == 1
    # A deadline that is far away is none: the time-out is sooner.
    assert people.run(IMAGE, clock.monotonic() + 1000)["sum"].tolist() == [132.0]


def test_a_server_that_trickles_is_late_as_well(
    oip: OipServer, session: Made, clock: ManualClock
) -> None:
    people = session()
    people.run(IMAGE)
    oip.fault, oip.between = "trickle", lambda: clock.advance(0.1)
    began_s = clock.monotonic()
    with pytest.raises(LateError):
        people.run(IMAGE, began_s + 1.0)
    with pytest.raises(OfflineError, match="did not answer within 2 s"):
        people.run(IMAGE)


def test_in_the_background_it_is_asked_again_and_no_request_is_spent_on_that(
    oip: OipServer, session: Made, clock: ManualClock
) -> None:
    loops = Loops()
    people = session(start=loops)
    people.run(IMAGE)
    assert loops.started == []
    oip.fault = "closes"
    refusal(people)
    assert [name for name, _ in loops.started] == ["remote:people"]
    oip.fault = ""
    clock.advance(100.0)
    # It is due, but that is the business of the loop.
    asked = len(oip.seen)
    refusal(people)
    assert (len(oip.seen), people.is_offline) == (asked, True)
    loops.run()
    assert (people.state, people.is_offline, loops.started) == ("online", False, [])
    assert people.run(IMAGE)["sum"].tolist() == [132.0]


def test_the_loop_goes_on_until_the_server_is_back_with_growing_pauses(
    oip: OipServer, session: Made, clock: ManualClock
) -> None:
    class Watched(ManualClock):
        def wait(self, stop: threading.Event, seconds: float) -> bool:
            if len(self.waits) == 4:
                oip.fault = ""
            return super().wait(stop, seconds)

    watched, loops = Watched(), Loops()
    people = session(on=watched, start=loops)
    oip.fault = "not-ready"
    refusal(people)
    loops.run()
    assert watched.waits == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert (people.state, people.failures) == ("online", 5)
    # It was ready, and fails again: it is watched anew, and the pauses go on growing.
    oip.fault = "closes"
    refusal(people)
    assert len(loops.started) == 1
    assert people.state.endswith("asked again in 16.0 s")


def test_the_loop_ends_when_it_is_stopped_or_the_session_is_closed(
    oip: OipServer, session: Made
) -> None:
    stop, loops = threading.Event(), Loops()
    stop.set()
    people = session(start=loops)
    oip.fault = "not-ready"
    refusal(people)
    loops.run(stop)
    other = session(start=loops)
    refusal(other)
    asked = len(oip.seen)
    other.close()
    loops.run()
    assert len(oip.seen) == asked


def test_a_model_that_became_another_one_is_not_used(
    oip: OipServer, session: Made, clock: ManualClock
) -> None:
    people = session()
    people.run(IMAGE)
    oip.fault = "closes"
    refusal(people)
    oip.fault, oip.takes = "", ("image", "UINT8", [1, 3, 2, 2])
    clock.advance(0.5)
    assert "takes or gives other tensors than before; restart to use it" in refusal(people)
    assert people.is_offline


def test_what_it_takes_is_remembered_for_a_start_without_the_server(
    oip: OipServer, session: Made, tmp_path: Path, clock: ManualClock
) -> None:
    kept = tmp_path / "people.json"
    facts = session(kept=kept).facts
    oip.fault = "not-ready"
    people = session(kept=kept)
    assert people.facts == facts
    refusal(people)
    oip.fault = ""
    clock.advance(0.5)
    assert people.run(IMAGE)["sum"].tolist() == [132.0]


def test_what_is_remembered_gives_way_to_what_the_server_says(
    oip: OipServer, session: Made, tmp_path: Path
) -> None:
    kept = tmp_path / "people.json"
    _ = session(kept=kept).facts
    oip.takes = ("image", "FP32", [1, 3, 4, 4])
    assert session(kept=kept).facts.inputs == {"image": (1, 3, 4, 4)}
    oip.fault = "not-ready"
    assert session(kept=kept).facts.inputs == {"image": (1, 3, 4, 4)}


def test_a_model_that_became_another_one_since_it_was_remembered_is_not_used(
    oip: OipServer, session: Made, tmp_path: Path
) -> None:
    kept = tmp_path / "people.json"
    _ = session(kept=kept).facts
    people = session(kept=kept)
    oip.takes = ("image", "UINT8", [1, 3, 2, 2])
    assert "takes or gives other tensors than before; restart to use it" in refusal(people)
    again = session(kept=kept)
    assert again.input_type == "tensor(uint8)"
    assert again.run(IMAGE.astype(np.uint8))["sum"].tolist() == [132.0]


def test_no_token_is_shown_even_if_the_server_repeats_it(oip: OipServer, session: Made) -> None:
    oip.token = "Bearer right"
    people = session(token="hunter2-hunter2")
    with capture_logs() as logs:
        told = refusal(people)
    assert "the token or the password is refused (401); it says 'who is …?'" in told
    assert "hunter2" not in told + people.state + repr(logs) + repr(people.remote)
    assert [row["event"] for row in logs] == ["model server is offline"]


def test_it_is_logged_once_that_a_server_is_away_and_once_that_it_is_back(
    oip: OipServer, session: Made, clock: ManualClock
) -> None:
    people = session()
    people.run(IMAGE)
    # It says that it is ready, and fails.
    oip.fault = "closes"
    with capture_logs() as logs:
        for _ in range(3):
            refusal(people)
            clock.advance(60.0)
        oip.fault = ""
        people.run(IMAGE)
        people.run(IMAGE)
    assert [row["event"] for row in logs] == ["model server is offline", "model server is back"]
    assert logs[0]["reason"] == "it closes the connection instead of answering"


def test_threads_may_share_it(oip: OipServer, session: Made) -> None:
    people = session(on=SystemClock())
    meet = threading.Barrier(4)
    oip.compute = lambda image: [image, np.zeros(meet.wait(20.0) * 0 + 1)]
    people_facts = people.facts
    found: list[bool] = []
    images = [IMAGE + number for number in range(4)]
    threads = [
        threading.Thread(
            target=lambda image=image: found.append(
                np.array_equal(people.run(image)["doubled"], image)
            )
        )
        for image in images
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20.0)
    assert found == [True] * 4
    assert people_facts.inputs == {"image": (1, 3, 2, 2)}


def test_certificates_that_cannot_be_read_are_a_sentence(session: Made, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"people: no certificates can be read from .*no\.pem"):
        session(url="https://box", ca_file=str(tmp_path / "no.pem"))
