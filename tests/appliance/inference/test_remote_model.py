"""One model on a server: how it is asked, and what is said of answers that are none."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.clock import SystemClock
from appliance.inference.remote_address import Remote
from appliance.inference.remote_http import Answer, ServerError
from appliance.inference.remote_model import RemoteModel, refusal
from appliance.inference.remote_tensors import Signature, Tensor
from tests.oip_server import Fault, OipServer

PATIENCE_S = 20.0
IMAGE = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2)
KNOWN = Signature(
    Tensor("image", "FP32", (1, 3, 2, 2)),
    (Tensor("doubled", "FP32", (1, 3, 2, 2)), Tensor("sum", "FP32", ("?",))),
)
Made = Callable[..., RemoteModel]


@pytest.fixture
def oip() -> Iterator[OipServer]:
    with OipServer() as server:
        yield server


@pytest.fixture
def model(oip: OipServer) -> Iterator[Made]:
    made = []

    def make(**settings: str) -> RemoteModel:
        remote = Remote.model_validate({"url": oip.url, "model": "double", **settings})
        made.append(RemoteModel(remote, SystemClock()))
        return made[-1]

    yield make
    for one in made:
        one.close()


def soon() -> float:
    return SystemClock().monotonic() + PATIENCE_S


def is_double(outputs: object, image: NDArray[np.float32] = IMAGE) -> bool:
    assert isinstance(outputs, dict)
    assert outputs["sum"].tolist() == [image.sum() * 2]
    return bool(np.array_equal(outputs["doubled"], image * 2))


def kinds(oip: OipServer) -> list[str]:
    names = {"application/json": "json", "application/octet-stream": "binary"}
    return [names[seen.headers["content-type"]] for seen in oip.inferences]


def test_a_server_that_is_ready_describes_its_model(oip: OipServer, model: Made) -> None:
    assert model().describe(soon()) == KNOWN
    assert [seen.path for seen in oip.seen] == [
        "/v2/health/ready",
        "/v2/models/double",
        "/v2/models/double/ready",
        "/v2",
    ]


def test_a_version_and_a_path_before_the_protocol_are_asked_for(
    oip: OipServer, model: Made
) -> None:
    model(url=f"{oip.url}/site/v2", version="3").describe(soon())
    assert oip.seen[0].path == "/site/v2/health/ready"
    assert oip.seen[1].path == "/site/v2/models/double/versions/3"


def test_the_outputs_come_as_bytes(oip: OipServer, model: Made) -> None:
    one = model()
    one.describe(soon())
    assert is_double(one.infer(IMAGE, KNOWN, soon()))
    assert (kinds(oip), one.tensors) == (["binary"], "binary")


def test_a_server_that_takes_no_bytes_gets_json_and_is_not_tempted_again(
    oip: OipServer, model: Made
) -> None:
    oip.fault, oip.extensions = "no-binary", []
    one = model()
    one.describe(soon())
    for _ in range(3):
        assert is_double(one.infer(IMAGE, KNOWN, soon()))
    assert (kinds(oip), one.tensors) == (["binary", "json", "json", "json"], "json")


def test_a_server_that_says_it_takes_bytes_and_does_not_is_believed(
    oip: OipServer, model: Made
) -> None:
    oip.fault = "no-binary"
    one = model()
    one.describe(soon())
    with pytest.raises(ServerError, match=r"status 500; it says .*codec"):
        one.infer(IMAGE, KNOWN, soon())
    assert kinds(oip) == ["binary"]


def test_a_server_that_does_not_say_so_may_take_bytes(oip: OipServer, model: Made) -> None:
    oip.extensions = []
    one = model()
    one.describe(soon())
    assert one.tensors == ""
    assert is_double(one.infer(IMAGE, KNOWN, soon()))
    assert (kinds(oip), one.tensors) == (["binary"], "binary")


def test_a_server_that_comes_back_is_asked_anew_what_it_takes(oip: OipServer, model: Made) -> None:
    oip.fault, oip.extensions = "no-binary", []
    one = model()
    one.describe(soon())
    one.infer(IMAGE, KNOWN, soon())
    oip.fault, oip.extensions = "", ["binary_tensor_data"]
    one.describe(soon())
    one.infer(IMAGE, KNOWN, soon())
    assert kinds(oip) == ["binary", "json", "binary"]


@pytest.mark.parametrize("datatype", ["FP16", "BF16", "FP64"])
@pytest.mark.parametrize("extension", ["binary_tensor_data", "none"])
def test_floats_of_other_sizes_are_given_and_taken_as_float32(
    oip: OipServer, model: Made, datatype: str, extension: str
) -> None:
    oip.takes = ("image", datatype, [1, 3, 2, 2])
    oip.gives = [("same", datatype, [1, 3, 2, 2])]
    oip.compute = lambda image: [image]
    oip.extensions = [extension]
    one = model()
    known = one.describe(soon())
    found = one.infer(IMAGE, known, soon())["same"]
    assert found.dtype == np.float32
    assert np.array_equal(found, IMAGE)


@pytest.mark.parametrize(("datatype", "kind"), [("UINT8", np.uint8), ("INT64", np.int64)])
@pytest.mark.parametrize("fault", ["", "no-binary"])
def test_whole_numbers_stay_what_they_are(
    oip: OipServer, model: Made, datatype: str, kind: type[np.integer], fault: Fault
) -> None:
    oip.takes, oip.gives = ("image", datatype, [1, 3, 2, 2]), [("same", datatype, [1, 3, 2, 2])]
    oip.compute = lambda image: [image]
    oip.extensions, oip.fault = [], fault
    one = model()
    known = one.describe(soon())
    found = one.infer(IMAGE.astype(kind), known, soon())["same"]
    assert found.dtype == kind
    assert np.array_equal(found, IMAGE.astype(kind))


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("not-ready", r"it is not ready \(503\)"),
        ("model-not-ready", "its model is not ready: it answers with the status 400"),
        ("model-denied", "its model is not ready"),
        ("no-model", r"no such model there \(404\).*; it says 'Request for unknown model'"),
        ("moved", r"sends us elsewhere \(302\): set that address as the url"),
    ],
)
def test_a_server_that_cannot_be_used_says_why(
    oip: OipServer, model: Made, fault: Fault, sentence: str
) -> None:
    oip.fault = fault
    with pytest.raises(ServerError, match=sentence):
        model().describe(soon())


def test_what_a_server_can_do_may_be_left_out(oip: OipServer, model: Made) -> None:
    oip.extensions = None
    one = model()
    assert one.describe(soon()) == KNOWN
    assert one.tensors == ""


def test_a_wrong_token_is_a_sentence(oip: OipServer, model: Made) -> None:
    oip.token = "Bearer right"
    with pytest.raises(ServerError, match=r"token or the password is refused \(401\)"):
        model(token="wrong").describe(soon())
    assert model(token="right").describe(soon()) == KNOWN


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("wrong-shape", "has 12 numbers, not those of its shape"),
        ("wrong-type", "'BYTES', which are no numbers"),
        ("garbage", "its answer is no JSON"),
        ("breaks-off", "breaks off in the middle of its answer"),
        ("closes", "closes the connection instead of answering"),
        ("no-http", "what it answers is no HTTP"),
        ("huge", "is longer than the"),
    ],
)
@pytest.mark.parametrize("binary", [True, False])
def test_an_answer_that_is_none_is_a_sentence(
    oip: OipServer, model: Made, fault: Fault, sentence: str, binary: bool
) -> None:
    one = model()
    oip.gives = [("doubled", "FP32", [1, 3, 2, 2]), ("sum", "FP32", [1])]
    known = one.describe(soon())
    if not binary:
        one.take_json()
    oip.fault = fault
    with pytest.raises(ServerError, match=sentence):
        one.infer(IMAGE, known, soon())


def test_no_number_in_json_is_a_sentence(oip: OipServer, model: Made) -> None:
    one = model()
    one.describe(soon())
    one.take_json()
    oip.fault = "nan"
    with pytest.raises(ServerError, match="has NaN in it, which is no number"):
        one.infer(IMAGE, KNOWN, soon())


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(503, {}, b""), "it is not ready (503)"),
        (Answer(418, {}, b"<html>"), "it answers with the status 418"),
        (Answer(400, {}, b'{"error": "a\\n b"}'), "it answers with the status 400; it says 'a b'"),
        (Answer(422, {}, b'{"detail": "no"}'), "it answers with the status 422; it says 'no'"),
        (Answer(400, {}, b'{"error": 5}'), "it answers with the status 400"),
    ],
)
def test_a_refusal_is_quoted_in_one_line(answer: Answer, sentence: str) -> None:
    assert refusal(answer) == sentence


def test_a_long_refusal_is_cut() -> None:
    assert len(refusal(Answer(400, {}, b'{"error": "%s"}' % (b"a" * 10_000)))) < 300
