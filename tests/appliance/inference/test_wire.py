"""Protobuf's wire format, against the library that defines it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import onnx
import pytest

from appliance.inference.wire import EndError, Field, fields, message, varint, whole

Listed = Callable[[bytes], list[Field]]


@pytest.fixture
def listed(tmp_path: Path) -> Iterator[Listed]:
    """The fields of a message in a file, which stays open during the test."""
    with ExitStack() as stack:

        def in_file(content: bytes) -> list[Field]:
            (tmp_path / "message").write_bytes(content)
            file = stack.enter_context((tmp_path / "message").open("rb"))
            return list(fields(file.fileno(), 0, len(content)))

        yield in_file


def test_the_fields_of_a_message_are_read_where_they_lie(listed: Listed) -> None:
    tensor = onnx.TensorProto(name="größe", data_type=7, dims=[3, 400], raw_data=b"\0\1")
    found = listed(tensor.SerializeToString())
    by_number = {field.number: field for field in found}
    assert [field.integer for field in found if field.number == 1] == [3, 400]
    assert by_number[2].integer == 7
    assert by_number[8].text == "größe"
    assert by_number[9].data == b"\0\1"
    assert b"".join(field.raw for field in found) == tensor.SerializeToString()


def test_messages_inside_of_messages_are_read(listed: Listed) -> None:
    model = onnx.ModelProto(graph=onnx.GraphProto(name="inner"))
    (graph,) = listed(model.SerializeToString())
    (name,) = graph.fields()
    assert (graph.number, name.number, name.text) == (7, 2, "inner")


def test_numbers_of_a_fixed_size_are_stepped_over(listed: Listed) -> None:
    attribute = onnx.AttributeProto(name="alpha", f=0.5)
    assert [field.number for field in listed(attribute.SerializeToString())] == [1, 2]


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31, -1, -(2**63), 2**63 - 1])
def test_numbers_are_written_as_the_library_writes_them(listed: Listed, number: int) -> None:
    attribute = onnx.AttributeProto(i=number)
    assert whole(3, number) == attribute.SerializeToString()
    (field,) = listed(whole(3, number))
    assert field.integer == number


def test_messages_are_written_as_the_library_writes_them() -> None:
    node = onnx.NodeProto(input=["x" * 200], op_type="Relu")
    assert message(1, "x" * 200) + message(4, "Relu") == node.SerializeToString()
    graph = onnx.GraphProto(node=[node])
    assert message(1, message(1, "x" * 200), message(4, "Relu")) == graph.SerializeToString()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x0a\x05abc", "it breaks off"),
        (b"\x08", "it breaks off"),
        (b"\x08\x80", "it breaks off"),
        (b"\x0d\x00", "it breaks off"),
        (b"\x0b", "no known kind"),
        (b"\x02\x00", "without a number"),
        (b"\x08" + b"\xff" * 11, "more than ten bytes"),
    ],
)
def test_what_is_no_message_is_refused(listed: Listed, content: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        listed(content)


def test_a_number_is_no_message_and_no_text_is_a_number(listed: Listed) -> None:
    number, text = listed(whole(1, 5) + message(2, "five"))
    with pytest.raises(ValueError, match="a number where a message belongs"):
        list(number.fields())
    with pytest.raises(ValueError, match="something else where a number belongs"):
        _ = text.integer


def test_a_file_that_got_shorter_meanwhile_breaks_off(listed: Listed, tmp_path: Path) -> None:
    (text,) = listed(b"\x0a\x03abc")
    assert text.data == b"abc"
    (tmp_path / "message").write_bytes(b"\x0a\x03a")
    with pytest.raises(EndError, match="it breaks off"):
        _ = text.data


def test_a_varint_has_seven_bits_a_byte() -> None:
    assert varint(300) == b"\xac\x02"
