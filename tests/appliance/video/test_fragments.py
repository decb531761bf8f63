"""A camera that cuts its pictures for RTP and pauses anywhere, and what is joined of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.video.fragments import AccessUnit, Fragment, Joiner
from tests.appliance.video.encoded import decode, stream_of

START = b"\0\0\0\1"
FULL = 40
PERIOD_S = 0.04
Piece = tuple[bytes, float]  # and how long the camera pauses before it
Cutter = Callable[[bytes], list[bytes]]


@dataclass(frozen=True)
class Syntax:
    """How the NAL units of a codec begin."""

    codec: str
    parameters: bytes
    message: bytes
    trailer: bytes
    key: bytes
    plain: bytes


H264 = Syntax("h264", b"\x67", b"\x06", b"\x0c", b"\x65", b"\x41")
HEVC = Syntax("hevc", b"\x42\x01", b"\x4e\x01", b"\x50\x01", b"\x26\x01", b"\x02\x01")
SYNTAXES = pytest.mark.parametrize("syntax", [H264, HEVC], ids=["h264", "hevc"])


def nal(header: bytes, size: int, first: bool = False) -> bytes:
    """A NAL unit with so many bytes behind its header."""
    body = bytes([0xB5 if first else 0x35]) + bytes(1 + i * 7 % 250 for i in range(size - 1))
    return header + body


def picture(syntax: Syntax, sizes: Sequence[int], key: bool = False) -> list[bytes]:
    """The slices of a picture."""
    header = syntax.key if key else syntax.plain
    return [nal(header, size, first=not i) for i, size in enumerate(sizes)]


def cut_full(syntax: Syntax, full: int = FULL) -> Cutter:
    """Cuts as RFC 6184 and 7798 do, into pieces of full size, with what libav puts before."""
    header = len(syntax.plain)

    def cut(unit: bytes) -> list[bytes]:
        if len(unit) <= full + header:
            return [START + unit]
        bodies = [unit[i : i + full] for i in range(header, len(unit), full)]
        return [START + unit[:header] + bodies[0], *bodies[1:]]

    return cut


def cut_evenly(syntax: Syntax, most: int = FULL) -> Cutter:
    """Cuts into the fewest pieces of one size, the last a little shorter."""

    def cut(unit: bytes) -> list[bytes]:
        pieces = -(-len(unit) // most)
        return cut_full(syntax, -(-len(unit) // pieces))(unit) if pieces > 1 else [START + unit]

    return cut


class Line:
    """The fragments of a camera, in time, given to a joiner that looks out for silence."""

    def __init__(self, syntax: Syntax, cut: Cutter | None = None) -> None:
        self.joiner = Joiner(syntax.codec)
        self.now_s = 0.0
        self.pts = 0
        self.units: list[AccessUnit] = []
        self._cut = cut or cut_full(syntax)

    def send(self, nals: Sequence[bytes], pauses_s: Sequence[float] = ()) -> None:
        """Send one access unit, with a pause before each of the first fragments; then the next."""
        pieces = [piece for each in nals for piece in self._cut(each)]
        self.fragments(pieces, pauses_s)
        self.next()

    def fragments(self, pieces: Sequence[bytes], pauses_s: Sequence[float] = ()) -> None:
        for i, piece in enumerate(pieces):
            self.wait(pauses_s[i] if i < len(pauses_s) else 0.0001)
            self.keep(self.joiner.add(Fragment(piece, self.pts, self.now_s, tag=self.pts)))

    def next(self) -> None:
        self.wait(PERIOD_S)
        self.pts += 3600

    def wait(self, seconds: float) -> None:
        """Let time pass, in which silence may be noticed."""
        self.now_s += seconds
        self.keep(self.joiner.silence(self.now_s))

    def keep(self, unit: AccessUnit | None) -> None:
        if unit is not None:
            self.units.append(unit)

    def learn(self, syntax: Syntax, slices: int = 1) -> list[bytes]:
        """Send a key picture and what is needed for silence to count; give what was sent."""
        sent = []
        for number in range(4):
            head = [nal(syntax.parameters, 9)] if not number else []
            nals = head + picture(syntax, [95] * slices, key=not number)
            self.send(nals)
            sent.append(joined(nals))
        assert self.data == sent[:3] or self.data == sent
        return sent

    @property
    def data(self) -> list[bytes]:
        return [unit.data for unit in self.units]


def joined(nals: Sequence[bytes]) -> bytes:
    return b"".join(START + each for each in nals)


@SYNTAXES
def test_at_first_a_unit_ends_where_the_next_begins(syntax: Syntax) -> None:
    line = Line(syntax)
    line.send(picture(syntax, [95]))
    assert line.joiner.due_s is None
    assert line.units == []
    line.send(picture(syntax, [60]))
    assert line.data == [joined(picture(syntax, [95]))]
    assert (line.units[0].pts, line.units[0].tag) == (0, 0)
    assert line.units[0].arrived_s == pytest.approx(0.0003)


@SYNTAXES
def test_once_the_sizes_are_known_three_milliseconds_of_silence_end_a_unit(syntax: Syntax) -> None:
    line = Line(syntax)
    sent = line.learn(syntax)
    sent.append(joined(picture(syntax, [130])))
    line.fragments([p for each in picture(syntax, [130]) for p in cut_full(syntax)(each)])
    line.wait(0.0029)
    before = len(line.units)
    line.wait(0.0002)
    assert (before, len(line.units)) == (4, 5)
    assert line.data == sent
    assert line.units[-1].arrived_s == pytest.approx(line.now_s - 0.0031)


@SYNTAXES
def test_a_pause_after_a_full_piece_ends_nothing(syntax: Syntax) -> None:
    line = Line(syntax)
    sent = line.learn(syntax)
    line.send(picture(syntax, [130]), [0, 0.02, 0.02, 0.02])
    assert line.data == [*sent, joined(picture(syntax, [130]))]
    assert line.joiner.cut == 0


@SYNTAXES
def test_a_pause_between_two_slices_ends_nothing(syntax: Syntax) -> None:
    line = Line(syntax)
    sent = line.learn(syntax, slices=2)
    line.send(picture(syntax, [10, 12]), [0, 0.02])
    assert line.data == [*sent, joined(picture(syntax, [10, 12]))]
    assert line.joiner.cut == 0


@SYNTAXES
def test_a_last_piece_of_full_size_waits_for_the_next_picture(syntax: Syntax) -> None:
    line = Line(syntax)
    sent = line.learn(syntax)
    line.send(picture(syntax, [2 * FULL]))
    assert line.data == sent
    line.send(picture(syntax, [95]))
    assert line.data[4:] == [joined(picture(syntax, size)) for size in ([2 * FULL], [95])]


@SYNTAXES
def test_parameter_sets_and_messages_alone_are_no_unit(syntax: Syntax) -> None:
    line = Line(syntax)
    line.learn(syntax)
    line.send([nal(syntax.parameters, 9), nal(syntax.message, 30)])
    line.send(picture(syntax, [95], key=True))
    line.send(picture(syntax, [95]))
    nals = [nal(syntax.parameters, 9), nal(syntax.message, 30), *picture(syntax, [95], key=True)]
    assert line.data[4] == joined(nals)
    assert (line.units[4].pts, line.units[4].tag, line.units[4].key) == (5 * 3600, 5 * 3600, True)


@SYNTAXES
def test_what_trails_a_picture_after_silence_goes_with_the_next(syntax: Syntax) -> None:
    line = Line(syntax)
    line.learn(syntax)
    line.send([*picture(syntax, [10]), nal(syntax.trailer, 8)], [0, 0.02])
    line.send(picture(syntax, [12]))
    assert line.data[4:] == [
        joined(picture(syntax, [10])),
        joined([nal(syntax.trailer, 8), *picture(syntax, [12])]),
    ]
    assert [unit.pts for unit in line.units[4:]] == [4 * 3600, 5 * 3600]
    assert (line.joiner.cut, line.joiner.dropped) == (0, 0)


@SYNTAXES
def test_pictures_of_the_same_time_stamp_are_units_of_their_own(syntax: Syntax) -> None:
    line = Line(syntax)
    sent = [picture(syntax, [95]), [nal(syntax.parameters, 9), *picture(syntax, [95], key=True)]]
    for nals in [*sent, picture(syntax, [95])]:
        line.send(nals)
        line.pts = 0
    assert line.data == [joined(nals) for nals in sent]


@SYNTAXES
def test_parameter_sets_before_each_slice_do_not_divide_the_picture(syntax: Syntax) -> None:
    line = Line(syntax)
    first, second = picture(syntax, [95, 70], key=True)
    nals = [nal(syntax.parameters, 9), first, nal(syntax.parameters, 9), second]
    line.send(nals)
    line.send(picture(syntax, [95]))
    assert line.data == [joined(nals)]


@SYNTAXES
def test_a_time_that_is_put_right_amid_a_picture_does_not_divide_it(syntax: Syntax) -> None:
    line = Line(syntax)
    pieces = [p for each in picture(syntax, [95, 70]) for p in cut_full(syntax)(each)]
    for piece in pieces:
        line.fragments([piece])
        line.pts += 7
    line.next()
    line.send(picture(syntax, [95]))
    assert line.data == [joined(picture(syntax, [95, 70]))]
    assert line.units[0].pts == 0


@SYNTAXES
def test_new_parameter_sets_make_silence_count_for_nothing(syntax: Syntax) -> None:
    line = Line(syntax)
    sent = line.learn(syntax)
    nals = [nal(syntax.parameters, 11), *picture(syntax, [10, 12], key=True)]
    line.send(nals, [0, 0.02, 0.02])
    line.send(picture(syntax, [10, 12]), [0, 0.02])
    line.send(picture(syntax, [10]))
    assert line.data == [*sent, joined(nals), joined(picture(syntax, [10, 12]))]
    assert line.joiner.cut == 0


@SYNTAXES
def test_a_picture_that_was_closed_too_early_is_counted_and_teaches(syntax: Syntax) -> None:
    line = Line(syntax)
    line.learn(syntax)
    # No camera has told of it: two slices, where there has been one.
    line.send(picture(syntax, [10, 95]), [0, 0.02])
    assert line.data[4:] == [joined(picture(syntax, [10]))]
    assert (line.joiner.cut, line.joiner.dropped) == (1, 3)
    for _ in range(6):
        line.send(picture(syntax, [10, 95]), [0, 0.02])
    assert line.data[5:] == [joined(picture(syntax, [10, 95]))] * 5
    assert line.joiner.cut == 1


@SYNTAXES
def test_a_piece_whose_beginning_was_lost_is_left_out(syntax: Syntax) -> None:
    line = Line(syntax)
    sent = line.learn(syntax)
    line.fragments(cut_full(syntax)(picture(syntax, [95])[0])[1:])
    line.next()
    line.send(picture(syntax, [95]))
    assert line.data == [*sent, joined(picture(syntax, [95]))]
    assert line.joiner.dropped == 2


@SYNTAXES
def test_at_the_end_what_is_known_to_be_cut_short_is_not_given(syntax: Syntax) -> None:
    line = Line(syntax)
    line.learn(syntax)
    line.fragments(cut_full(syntax)(picture(syntax, [95])[0])[:2])
    assert line.joiner.end() is None
    fresh = Line(syntax)
    fresh.send(picture(syntax, [95]))
    last = fresh.joiner.end()
    assert last is not None
    assert last.data == joined(picture(syntax, [95]))
    assert fresh.joiner.end() is None


@SYNTAXES
def test_the_slices_of_one_packet_are_whole(syntax: Syntax) -> None:
    line = Line(syntax)
    line.learn(syntax, slices=2)
    line.fragments([joined(picture(syntax, [10, FULL]))])
    line.wait(0.0031)
    assert line.data[4:] == [joined(picture(syntax, [10, FULL]))]


@SYNTAXES
def test_a_camera_that_takes_a_whole_picture_for_one_nal_unit_is_read(syntax: Syntax) -> None:
    nals = [nal(syntax.parameters, 9), nal(syntax.message, 7), *picture(syntax, [95], key=True)]
    line = Line(syntax)
    for _ in range(4):
        line.send([b"\0\0\1".join(nals)])
        line.send(picture(syntax, [95]))
    line.send([b"\0\0\1".join(nals)], [0, 0.02, 0.02, 0.02])
    line.send(picture(syntax, [95]))
    line.send(picture(syntax, [95]))
    assert line.data[:10:2] == [START + b"\0\0\1".join(nals)] * 5
    assert line.data[1:10:2] == [joined(picture(syntax, [95]))] * 5
    assert line.joiner.cut == 0


PAUSES = st.lists(st.sampled_from([0.0, 0.001, 0.003, 0.005, 0.02]), max_size=12)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Syntax, list[tuple[list[bytes], list[float]]]]:
    """Pictures with pauses; slices in a number that changes with the parameter sets only."""
    syntax = draw(st.sampled_from([H264, HEVC]))
    sent = []
    for scene in range(draw(st.integers(1, 3))):
        key_slices, slices = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        for number in range(draw(st.integers(4, 12))):
            key = number % 4 == 0
            count = key_slices if key else slices
            sizes = draw(st.lists(st.integers(3, 4 * FULL), min_size=count, max_size=count))
            head = [nal(syntax.parameters, 9 + scene)] if key else []
            if draw(st.booleans()):
                head.append(nal(syntax.message, draw(st.integers(2, 3 * FULL))))
            sent.append((head + picture(syntax, sizes, key), draw(PAUSES)))
    return syntax, sent


@settings(max_examples=150)
@given(scenes(), st.integers(12, 60))
def test_whatever_the_pauses_the_units_are_those_that_were_sent(
    sent: tuple[Syntax, list[tuple[list[bytes], list[float]]]], full: int
) -> None:
    syntax, units = sent
    line = Line(syntax, cut_full(syntax, full))
    for nals, pauses_s in units:
        line.send(nals, pauses_s)
    line.keep(line.joiner.end())
    whole = [joined(nals) for nals, _ in units]
    # The last one may be known to lack its end: a last piece of full size looks like that.
    assert line.data in (whole, whole[:-1])
    assert (line.joiner.cut, line.joiner.dropped) == (0, 0)


@SYNTAXES
def test_pieces_of_equal_size_prove_nothing(syntax: Syntax) -> None:
    line = Line(syntax, cut_evenly(syntax))
    for _ in range(6):
        line.send(picture(syntax, [100]))
    line.send(picture(syntax, [50]), [0, 0.02])
    line.send(picture(syntax, [100]))
    assert line.data == [joined(picture(syntax, [size])) for size in [100] * 6 + [50]]


@SYNTAXES
def test_parameter_sets_that_are_sent_again_change_nothing(syntax: Syntax) -> None:
    line = Line(syntax)
    head = [nal(syntax.parameters, 9), nal(syntax.parameters, 12)]
    sent = [[*head, *picture(syntax, [95], key=True)] for _ in range(5)]
    for nals in sent:
        line.send(nals)
    assert line.data == [joined(nals) for nals in sent]


@settings(max_examples=100)
@given(
    st.sampled_from([H264, HEVC]),
    st.lists(st.tuples(st.integers(3, 6 * FULL), PAUSES), min_size=5, max_size=40),
)
def test_a_camera_that_cuts_evenly_is_never_cut_short(
    syntax: Syntax, sent: list[tuple[int, list[float]]]
) -> None:
    line = Line(syntax, cut_evenly(syntax))
    for size, pauses_s in sent:
        line.send(picture(syntax, [size]), pauses_s)
    whole = [joined(picture(syntax, [size])) for size, _ in sent]
    # By chance all pieces may have been of one size: then silence closes the last one, too.
    assert line.data in (whole[:-1], whole)
    assert line.joiner.cut == 0


@settings(max_examples=100)
@given(st.sampled_from(["h264", "hevc"]), st.lists(st.binary(max_size=60), max_size=60), st.data())
def test_whatever_comes_nothing_breaks_and_nothing_is_made_up(
    codec: str, packets: list[bytes], data: st.DataObject
) -> None:
    joiner, now_s, given_out = Joiner(codec), 0.0, b""
    sent = b""
    for packet in packets:
        now_s += data.draw(st.sampled_from([0.0, 0.005]))
        begins = START if data.draw(st.booleans()) else b""
        sent += begins + packet
        pts = data.draw(st.sampled_from([None, 0, 3600]))
        for unit in (joiner.silence(now_s), joiner.add(Fragment(begins + packet, pts, now_s))):
            given_out += unit.data if unit is not None else b""
    last = joiner.end()
    given_out += last.data if last is not None else b""
    assert is_part(given_out, sent)
    assert joiner.dropped <= len(packets)


def is_part(some: bytes, whole: bytes) -> bool:
    """Whether these bytes stand in the whole in this order."""
    rest = iter(whole)
    return all(byte in rest for byte in some)


@pytest.mark.parametrize(
    ("codec", "kind"), [("h264", "slices"), ("h264", "no-b"), ("hevc", "b-pyramid")]
)
def test_the_pictures_of_an_encoder_come_out_as_they_went_in(codec: str, kind: str) -> None:
    stream = stream_of(codec, kind)
    syntax = H264 if codec == "h264" else HEVC
    line = Line(syntax, cut_full(syntax, 200))
    for unit in stream.units:
        nals = unit.data.replace(START, START[1:]).split(START[1:])[1:]
        line.pts = unit.pts
        line.send(nals, [0, 0.02, 0, 0.004])
    line.keep(line.joiner.end())
    units = [
        unit._replace(data=joined_unit.data, pts=joined_unit.pts or 0)
        for unit, joined_unit in zip(stream.units, line.units, strict=True)
    ]
    assert decode(stream, units) == decode(stream, stream.units)
    assert [unit.key for unit in line.units] == [unit.marks.key for unit in stream.units]
