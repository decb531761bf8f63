"""Reading a graph that is written here byte by byte."""

import struct

import numpy as np
import pytest

from appliance.inference.convert.frozen_graph import node_name, read_graph


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def attribute(name: str, value: bytes) -> bytes:
    return field(5, field(1, name.encode()) + field(2, value))


def node(name: str, op: str, *rest: bytes) -> bytes:
    return field(1, field(1, name.encode()) + field(2, op.encode()) + b"".join(rest))


def shape(*sizes: int) -> bytes:
    return field(2, b"".join(field(2, field(1, size)) for size in sizes))


def constant(tensor: bytes) -> bytes:
    return node("c", "Const", attribute("value", field(8, tensor)))


def test_nodes_have_names_kinds_and_inputs_without_their_decoration() -> None:
    graph = read_graph(node("a", "Const") + node("b", "Add", field(3, b"a:1"), field(3, b"^a")))
    assert list(graph) == ["a", "b"]
    assert graph["b"].op == "Add"
    assert graph["b"].inputs == ("a",)


def test_a_reference_is_to_a_node() -> None:
    assert node_name("^a") == node_name("a:1") == node_name("a") == "a"


def test_attributes_are_read_as_what_they_are() -> None:
    packed = field(1, field(3, b"".join(varint(n) for n in (1, 2, -2, 1))))
    graph = read_graph(
        node(
            "n",
            "Conv2D",
            attribute("strides", packed),
            attribute("padding", field(2, b"SAME")),
            attribute("epsilon", varint(4 << 3 | 5) + struct.pack("<f", 0.5)),
        )
    )
    assert graph["n"].integers("strides") == [1, 2, -2, 1]
    assert graph["n"].text("padding") == "SAME"
    assert graph["n"].number("epsilon") == 0.5


def test_a_tensor_of_raw_bytes_has_its_shape_and_type() -> None:
    raw = np.arange(6, dtype=np.float32)
    found = read_graph(constant(field(1, 1) + shape(2, 3) + field(4, raw.tobytes())))["c"]
    np.testing.assert_array_equal(found.tensor("value"), raw.reshape(2, 3))


def test_equal_values_at_the_end_of_a_tensor_are_filled_in() -> None:
    floats = field(5, struct.pack("<2f", 1.0, 2.0))
    found = read_graph(constant(field(1, 1) + shape(4) + floats))["c"].tensor("value")
    assert found.tolist() == [1.0, 2.0, 2.0, 2.0]


def test_a_tensor_without_a_shape_is_one_number() -> None:
    found = read_graph(constant(field(1, 3) + shape() + field(7, -1)))["c"].tensor("value")
    assert found.shape == ()
    assert int(found) == -1
    assert found.dtype == np.int32


def test_an_attribute_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match=r"the node c \(Const\) has no usable attribute padding"):
        read_graph(node("c", "Const"))["c"].text("padding")


@pytest.mark.parametrize("data", [b"\x0a\x20short", b"\xff", b"PK\x03\x04 a zip", b"\x0a\x00"])
def test_what_is_no_graph_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a frozen TensorFlow graph"):
        read_graph(data)
