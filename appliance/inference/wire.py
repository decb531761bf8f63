"""The wire format of protobuf, in which ONNX files are written: fields read where they lie.

A model's weights are most of its file, and nobody here needs them: a field is a place in the file,
and only small ones are ever read. The file is not mapped into memory: one that is cut short
meanwhile would then kill the process. The format is that of "Encoding" in the documentation of
Protocol Buffers (protobuf.dev).
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5
_FIXED = {FIXED_64: 8, FIXED_32: 4}
_LONGEST_VARINT = 10
# Two varints: the key of a field and its length, or its number.
_LONGEST_HEAD = 2 * _LONGEST_VARINT
_SIGN, _RANGE = 1 << 63, 1 << 64


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message in the open file `handle`: from `start` to `end`.

    `number` is what it is called by. Its content begins at `content`; `value` is it as a number,
    where it is one.
    """

    handle: int
    number: int
    start: int
    content: int
    end: int
    value: int | None = None

    @property
    def data(self) -> bytes:
        """The content."""
        return read(self.handle, self.content, self.end)

    @property
    def raw(self) -> bytes:
        """The whole field: its key, its length and its content."""
        return read(self.handle, self.start, self.end)

    @property
    def text(self) -> str:
        """The content as a text; what is none is replaced."""
        return self.data.decode("utf-8", "replace")

    @property
    def integer(self) -> int:
        """The content as a number, which may be below zero.

        Raises:
            ValueError: it is none.
        """
        if self.value is None:
            raise ValueError("there is something else where a number belongs")
        return self.value - _RANGE if self.value & _SIGN else self.value

    def fields(self) -> Iterator["Field"]:
        """The fields of the message that the content is, in their order.

        Raises:
            ValueError: it is no message, or breaks off.
        """
        if self.value is not None:
            raise ValueError("there is a number where a message belongs")
        return fields(self.handle, self.content, self.end)


def fields(handle: int, start: int, end: int) -> Iterator[Field]:
    """The fields of the message between two places of an open file, in their order.

    Raises:
        ValueError: it is no message, or breaks off.
    """
    at = start
    while at < end:
        head = os.pread(handle, min(_LONGEST_HEAD, end - at), at)
        key, used = _varint(head, 0)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("there is a field without a number in it")
        value, content = None, at + used
        if kind == VARINT:
            value, used = _varint(head, used)
            after = at + used
        elif kind == LENGTH:
            length, used = _varint(head, used)
            content, after = at + used, at + used + length
        elif kind in _FIXED:
            after = content + _FIXED[kind]
        else:
            raise ValueError("there is a field of no known kind in it")
        if after > end:
            raise EndError("it breaks off")
        yield Field(handle, number, at, content, after, value)
        at = after


class EndError(ValueError):
    """A message breaks off."""


def read(handle: int, start: int, end: int) -> bytes:
    """What stands between two places of an open file.

    Raises:
        ValueError: the file ends before.
    """
    parts, at = [], start
    while at < end:
        part = os.pread(handle, end - at, at)
        if not part:
            raise EndError("it breaks off")
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def _varint(head: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place behind it."""
    number = 0
    for i, byte in enumerate(head[at : at + _LONGEST_VARINT]):
        number |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return number, at + i + 1
    if len(head) < at + _LONGEST_VARINT:
        raise EndError("it breaks off")
    raise ValueError("there is a number of more than ten bytes in it")


def varint(number: int) -> bytes:
    """A number, as it is written."""
    number &= _RANGE - 1
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def head(number: int, length: int) -> bytes:
    """What a field begins with whose content is as many bytes."""
    return varint(number << 3 | LENGTH) + varint(length)


def whole(number: int, value: int) -> bytes:
    """A field that is a number."""
    return varint(number << 3 | VARINT) + varint(value)


def message(number: int, *parts: bytes | str) -> bytes:
    """A field that is a text, or bytes, or a message of such fields."""
    content = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return head(number, len(content)) + content
