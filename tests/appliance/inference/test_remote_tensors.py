"""Tensors as the Open Inference Protocol writes them."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from appliance.inference.remote_http import Answer
from appliance.inference.remote_tensors import (
    ProtocolError,
    Request,
    Signature,
    Tensor,
    decoded,
    encoded,
    signature,
)

FLOATS = Tensor("image", "FP32", (1, 2))
OUT = Tensor("out", "FP32", ("?", 2))


def body(request: Request) -> tuple[dict[str, Any], bytes]:
    whole = b"".join(bytes(part) for part in request.content)
    length = int(request.headers.get("Inference-Header-Content-Length", len(whole)))
    return json.loads(whole[:length]), whole[length:]


def answer(*outputs: dict[str, Any], raw: bytes = b"", length: str | None = None) -> Answer:
    head = json.dumps({"outputs": outputs}).encode()
    headers = {"inference-header-content-length": length or str(len(head))} if raw or length else {}
    return Answer(200, headers, head + raw)


def output(**changes: Any) -> dict[str, Any]:
    return {"name": "out", "datatype": "FP32", "shape": [1, 2], "data": [1, 2], **changes}


def reason(*outputs: dict[str, Any], **more: Any) -> str:
    with pytest.raises(ProtocolError) as caught:
        decoded(answer(*outputs, **more), [OUT])
    return str(caught.value)


def test_bytes_follow_the_json_little_end_first() -> None:
    request = encoded(np.array([[1.0, -2.0]], np.float32), FLOATS, binary=True)
    head, raw = body(request)
    described = {"name": "image", "shape": [1, 2], "datatype": "FP32"}
    assert head == {
        "inputs": [{**described, "parameters": {"binary_data_size": 8}}],
        "parameters": {"binary_data_output": True},
    }
    assert raw == bytes.fromhex("0000803f 000000c0")
    assert request.headers["Content-Type"] == "application/octet-stream"


def test_json_has_the_numbers_in_one_row() -> None:
    head, raw = body(encoded(np.array([[1.5], [-2]], np.float32), FLOATS, binary=False))
    described = {"name": "image", "shape": [2, 1], "datatype": "FP32"}
    assert head == {"inputs": [{**described, "data": [1.5, -2.0]}]}
    assert raw == b""


@pytest.mark.parametrize(
    ("datatype", "values", "expected"),
    [
        ("UINT8", np.array([1, 255], np.uint8), "01ff"),
        ("INT64", np.array([-2], np.int64), "feffffffffffffff"),
        ("FP16", np.array([1.0, -2.0], np.float32), "003c00c0"),
        ("FP64", np.array([1.0], np.float32), "000000000000f03f"),
        # 1 + 2^-8 lies between two, and goes to the even one; a little more goes up.
        ("BF16", np.array([1.0, -2.0, 1.00390625, 1.004], np.float32), "803f00c0803f813f"),
    ],
)
def test_numbers_are_written_as_the_model_takes_them(
    datatype: str, values: NDArray[Any], expected: str
) -> None:
    request = encoded(values, Tensor("image", datatype, ("?",)), binary=True)
    assert body(request)[1].hex() == expected


def test_a_tensor_that_lies_otherwise_in_memory_is_written_in_order() -> None:
    turned = np.arange(6, dtype=np.uint8).reshape(2, 3).T
    raw = body(encoded(turned, Tensor("image", "UINT8", (3, 2)), binary=True))[1]
    assert raw == bytes([0, 3, 1, 4, 2, 5])


def test_a_tensor_of_other_numbers_is_refused() -> None:
    with pytest.raises(ProtocolError, match="given uint8, where the server's model takes FP32"):
        encoded(np.zeros((1, 2), np.uint8), FLOATS, binary=True)


@pytest.mark.parametrize(
    ("datatype", "raw", "expected"),
    [
        ("FP32", "0000803f000000c0", np.array([1, -2], np.float32)),
        ("FP16", "003c00c0", np.array([1, -2], np.float32)),
        ("BF16", "803f00c0", np.array([1, -2], np.float32)),
        ("FP64", "000000000000f03f00000000000000c0", np.array([1, -2], np.float32)),
        ("INT64", "0100000000000000feffffffffffffff", np.array([1, -2], np.int64)),
        ("UINT8", "01ff", np.array([1, 255], np.uint8)),
        ("BOOL", "0100", np.array([True, False])),
    ],
)
def test_bytes_are_read_and_all_floats_are_float32(
    datatype: str, raw: str, expected: NDArray[Any]
) -> None:
    found = output(datatype=datatype, parameters={"binary_data_size": len(raw) // 2})
    del found["data"]
    values = decoded(answer(found, raw=bytes.fromhex(raw)), [OUT])["out"]
    assert values.dtype == expected.dtype
    assert values.tolist() == [expected.tolist()]


def test_outputs_in_bytes_and_in_json_may_stand_in_one_answer() -> None:
    rows: list[dict[str, Any]] = [
        {"name": "a", "datatype": "UINT8", "shape": [2], "parameters": {"binary_data_size": 2}},
        {"name": "b", "datatype": "FP32", "shape": [2], "data": [0.5, 1.5]},
        {"name": "c", "datatype": "UINT8", "shape": [1], "parameters": {"binary_data_size": 1}},
    ]
    wanted = [Tensor("c", "UINT8", (1,)), Tensor("a", "UINT8", (2,)), Tensor("b", "FP32", (2,))]
    found = decoded(answer(*rows, raw=bytes([7, 8, 9])), wanted)
    assert {name: values.tolist() for name, values in found.items()} == {
        "c": [9],
        "a": [7, 8],
        "b": [0.5, 1.5],
    }


def test_lists_in_lists_are_read_too() -> None:
    values = decoded(answer(output(data=[[1, 2]])), [OUT])["out"]
    assert values.tolist() == [[1.0, 2.0]]
    assert not values.flags.writeable


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"shape": [1, 3]}, "has 2 numbers, not those of its shape [1, 3]"),
        ({"shape": [2]}, "has the shape 2, not ? x 2 as the server says of the model"),
        ({"shape": [-1, -2]}, "has a shape that is none"),
        ({"shape": [1.0, 2]}, "has a shape that is none"),
        ({"shape": [True, 2]}, "has a shape that is none"),
        ({"shape": [0, 10**30]}, "has a shape that is none"),
        ({"shape": [1] * 17 + [2]}, "has a shape that is none"),
        ({"shape": "1"}, "is not of the protocol"),
        ({"datatype": "BYTES"}, "values of the type 'BYTES', which are no numbers"),
        ({"datatype": 5}, "is not of the protocol"),
        ({"name": None}, "is not of the protocol"),
        ({"name": "other"}, "its answer lacks the output out"),
        ({"data": [1, None]}, "has data that are no numbers"),
        ({"data": ["1", "2"]}, "has data that are no numbers"),
        ({"data": [[1], [2, 3]]}, "has data that are no numbers"),
        ({"data": [10**30, 1]}, "has data that are no numbers"),
        ({"data": "12"}, "has data that are no numbers"),
        ({"data": [1, float("nan")]}, "its answer has NaN in it, which is no number"),
        ({"data": [1, float("-inf")]}, "its answer has -Infinity in it, which is no number"),
    ],
)
def test_an_output_that_is_none_is_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in reason(output(**changes))


def test_numbers_too_large_for_a_float32_are_infinite() -> None:
    assert decoded(answer(output(data=[1e39, 1.0])), [OUT])["out"].tolist() == [[np.inf, 1.0]]


@pytest.mark.parametrize("size", [9, -1, 7, "8", 8.0, True, [8]])
def test_bytes_that_are_not_there_are_a_sentence(size: object) -> None:
    cut = output(parameters={"binary_data_size": size})
    assert "is cut short" in reason(cut, raw=bytes(8))


@pytest.mark.parametrize("length", ["x", "-1", "99999", "1e3"])
def test_a_wrong_length_of_the_head_is_a_sentence(length: str) -> None:
    assert "wrong Inference-Header-Content-Length" in reason(output(), length=length)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "its answer is no JSON"),
        (b"<html>", "its answer is no JSON"),
        (b"\xff\xfe", "its answer is no JSON"),
        (b"[]", "is JSON, but no object"),
        (b"{}", "has no outputs"),
        (b'{"outputs": [1]}', "an output in its answer is not of the protocol"),
        (b'{"outputs":' + b"[" * 100_000, "its answer is no JSON"),
    ],
)
def test_what_is_no_answer_is_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        decoded(Answer(200, {}, content), [OUT])


def metadata(**changes: Any) -> bytes:
    tensor = {"name": "image", "datatype": "UINT8", "shape": [-1, 480, 640, 3]}
    given = {"name": "out", "datatype": "FP32", "shape": [-1, 2]}
    return json.dumps({"inputs": [tensor], "outputs": [given], **changes}).encode()


def test_the_metadata_say_what_a_model_takes_and_gives() -> None:
    expected = Signature(Tensor("image", "UINT8", ("?", 480, 640, 3)), (OUT,))
    assert signature(metadata()) == expected


ROW = {"name": "a", "datatype": "FP32", "shape": [1]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"inputs": [ROW, {**ROW, "name": "b"}]}, "takes 2 inputs, where it is given one image: a"),
        ({"inputs": []}, "does not say the inputs of the model"),
        ({"outputs": None}, "does not say the outputs of the model"),
        ({"outputs": ["a"]}, "of the model's outputs is not of the protocol"),
        ({"outputs": [{**ROW, "shape": ["a"]}]}, "of the shape of a are no numbers"),
        ({"outputs": [{**ROW, "datatype": "BYTES"}]}, "'BYTES', which are no numbers"),
    ],
)
def test_metadata_that_cannot_be_used_are_a_sentence(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        signature(metadata(**changes))


def test_an_answer_has_a_longest_length_that_fits_its_json() -> None:
    known = Signature(FLOATS, (Tensor("a", "FP64", (10, 100)), Tensor("b", "INT64", (7,))))
    numbers = [-1.2345678901234567e-300] * 1000, [-(2**63)] * 7
    assert len(json.dumps(numbers)) < known.longest_answer < 100_000
    assert Signature(FLOATS, (OUT,)).longest_answer == 64 << 20


@given(arrays(np.float32, (2, 3), elements=st.floats(-1e6, 1e6, width=32)), st.booleans())
def test_floats_come_back_as_they_were_sent(values: NDArray[np.float32], binary: bool) -> None:
    head, raw = body(encoded(values, Tensor("image", "FP32", (2, 3)), binary=binary))
    row = {**head["inputs"][0], "name": "out"}
    found = decoded(answer(row, raw=raw), [Tensor("out", "FP32", (2, 3))])["out"]
    assert np.array_equal(found, values)


@given(arrays(np.float32, 5, elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_bf16_keeps_eight_bits(values: NDArray[np.float32]) -> None:
    raw = body(encoded(values, Tensor("image", "BF16", (5,)), binary=True))[1]
    parameters = {"binary_data_size": 10}
    row = {"name": "out", "datatype": "BF16", "shape": [5], "parameters": parameters}
    found = decoded(answer(row, raw=raw), [Tensor("out", "BF16", (5,))])["out"]
    assert np.allclose(found, values, rtol=2**-8, atol=1e-37)


@given(st.binary(max_size=200), st.sampled_from([{}, {"inference-header-content-length": "20"}]))
def test_whatever_comes_is_an_answer_or_a_sentence(content: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(ProtocolError):
        decoded(Answer(200, headers, content), [OUT])
