"""What is left out is not missed: streams of real encoders, decoded with and without."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.video.access_units import HEAD, UnitMarks, UnitReader
from tests.appliance.video.encoded import STREAMS, decode, encode, h264, stream_of

START = b"\x00\x00\x01"


@pytest.mark.parametrize(("codec", "kind"), STREAMS)
def test_leaving_out_what_is_disposable_changes_no_other_picture(codec: str, kind: str) -> None:
    stream = stream_of(codec, kind)
    kept = [unit for unit in stream.units if not unit.marks.disposable]

    whole, part = decode(stream, stream.units), decode(stream, kept)

    assert len(whole) == 60
    assert sorted(part) == sorted(unit.pts for unit in kept)
    assert all(part[pts] == whole[pts] for pts in part)


@pytest.mark.parametrize(
    ("codec", "kind", "least", "most"),
    [
        ("h264", "b-pyramid", 0.3, 0.7),
        ("h264", "b-without-pyramid", 0.5, 0.7),
        ("h264", "no-b", 0.0, 0.0),
        ("h264", "slices", 0.3, 0.7),
        ("h264", "intra-refresh", 0.0, 0.0),
        ("hevc", "b-pyramid", 0.3, 0.7),
        ("hevc", "no-b", 0.0, 0.0),
    ],
)
def test_the_share_that_is_disposable(codec: str, kind: str, least: float, most: float) -> None:
    units = stream_of(codec, kind).units

    share = sum(unit.marks.disposable for unit in units) / len(units)

    assert least <= share <= most


@pytest.mark.parametrize(("codec", "kind"), [s for s in STREAMS if s[1] != "intra-refresh"])
def test_decoding_may_begin_at_a_key(codec: str, kind: str) -> None:
    stream = stream_of(codec, kind)
    whole = decode(stream, stream.units)
    keys = [number for number, unit in enumerate(stream.units) if unit.marks.key]

    assert len(keys) >= 3
    for number in keys:
        key = stream.units[number]
        part = decode(stream, stream.units[number:])
        assert all(part[pts] == whole[pts] for pts in range(key.pts, 60)), f"from {key.pts}"


@pytest.mark.parametrize(("codec", "kind"), STREAMS)
def test_pictures_shown_before_a_closed_key_are_all_sent_before_it(codec: str, kind: str) -> None:
    units = stream_of(codec, kind).units

    for number, unit in enumerate(units):
        if unit.marks.closed:
            assert min(later.pts for later in units[number:]) == unit.pts


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_an_open_group_begins_with_a_key_that_is_not_closed(codec: str) -> None:
    marks = [unit.marks for unit in stream_of(codec, "open").units]

    assert [mark.closed for mark in marks if mark.key] == [True, False, False]


def test_a_picture_refreshed_little_by_little_is_no_key() -> None:
    units = h264("intra-refresh").units

    assert [unit.marks.key for unit in units] == [True] + [False] * 59


def test_units_with_lengths_are_read_as_those_with_start_codes_are() -> None:
    plain = h264("b-pyramid")
    avcc = b"\x01\x64\x00\x1f\xff\xe1"
    reader = UnitReader("h264", avcc)

    def with_lengths(data: bytes) -> bytes:
        parts = data.replace(b"\x00" + START, START).split(START)[1:]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    assert [reader.read(with_lengths(unit.data)) for unit in plain.units] == [
        unit.marks for unit in plain.units
    ]


def test_temporal_layers_of_hevc_are_learned_from_the_extradata() -> None:
    lower, higher = bytes([0 << 1, 1]), bytes([0 << 1, 2])
    two_layers = b"\x01" + bytes(20) + bytes([2 << 3 | 3]) + b"\x00"
    reader = UnitReader("hevc", two_layers)

    def unit(nal: bytes) -> bytes:
        return (len(nal) + 4).to_bytes(4, "big") + nal + b"\xff" * 4

    assert not reader.read(unit(lower)).disposable
    assert reader.read(unit(higher)).disposable


def test_the_second_field_of_a_picture_may_be_referred_to() -> None:
    first, second = START + b"\x01" + b"\xe0" * 9000, START + b"\x21" + b"\xe0" * 90
    reader = UnitReader("h264")

    assert reader.read(first).disposable
    assert not reader.read(first + second).disposable


@pytest.mark.parametrize("size", [0, 5, 100, HEAD - 12, HEAD - 5, HEAD, HEAD + 5, 3 * HEAD])
def test_a_slice_is_found_behind_a_long_message(size: int) -> None:
    message = START + b"\x06\x05" + b"\x55" * size
    reader = UnitReader("h264")

    assert reader.read(message + START + b"\x65\x88\x80") == UnitMarks(key=True, closed=True)
    assert reader.read(message) == UnitMarks(picture=False)


def test_parameter_sets_alone_are_no_picture() -> None:
    assert not UnitReader("h264").read(START + b"\x67\x64\x00\x1f" + START + b"\x68\xee").picture


def test_an_i_picture_with_parameter_sets_is_a_key_without_a_recovery_point() -> None:
    sets = START + b"\x67\x64\x00\x1f" + START + b"\x68\xee"
    reader = UnitReader("h264")

    assert reader.read(sets + START + b"\x41\x88" + b"\x80" * 30) == UnitMarks(key=True)
    assert reader.read(sets + START + b"\x41\x9a" + b"\x80" * 30) == UnitMarks()
    assert reader.read(START + b"\x41\x88" + b"\x80" * 30) == UnitMarks()


def test_pictures_of_codecs_without_references_all_stand_for_themselves() -> None:
    stream = encode("mjpeg", (("q", "5"),))

    assert UnitReader("mjpeg").intra_only
    assert {unit.marks for unit in stream.units} == {
        UnitMarks(key=True, closed=True, disposable=True)
    }


def test_of_a_codec_that_is_not_read_the_container_says_what_is_a_key() -> None:
    reader = UnitReader("vp9")

    assert reader.read(b"x", flagged_key=True) == UnitMarks(key=True, closed=True)
    assert reader.read(b"x", flagged_key=False) == UnitMarks()


@given(
    codec=st.sampled_from(["h264", "hevc"]),
    extradata=st.one_of(st.binary(max_size=30), st.binary(max_size=30).map(lambda b: b"\x01" + b)),
    unit=st.one_of(
        st.binary(max_size=60),
        st.lists(st.sampled_from([START, b"\x00", b"\x06", b"\x01\x06", b"\xff", b"\x65"])).map(
            b"".join
        ),
    ),
)
def test_garbage_is_read_without_complaint(codec: str, extradata: bytes, unit: bytes) -> None:
    marks = UnitReader(codec, extradata).read(unit)

    assert isinstance(marks, UnitMarks)
