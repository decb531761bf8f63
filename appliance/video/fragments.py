"""Pictures of an RTSP camera as soon as their last packet has come, not when the next one begins.

libav's parser knows the end of a picture by the beginning of the next, one frame period late.
Without it each packet from libav is what one RTP packet carried: whole NAL units behind start
codes, the first piece of one, or a further piece without any. `Joiner` joins them. It is told the
time, and knows no thread.

How NAL units are cut for RTP: RFC 6184 (H.264) and RFC 7798 (HEVC). Where an access unit begins:
ITU-T H.264, 7.4.1.2.3, and ITU-T H.265, 7.4.2.4.4.
"""

from dataclasses import dataclass, field

from appliance.video.access_units import UnitMarks, UnitReader

SILENCE_S = 0.003
# So often a thing is seen before it is relied on; each time it fails, four times as often.
NEEDED, MOST_NEEDED = 3, 1000
LARGEST_UNIT = 16 << 20
_START = b"\x00\x00\x00\x01"
_CODE = b"\x00\x00\x01"


@dataclass(frozen=True, slots=True)
class Fragment:
    """What one RTP packet carried, in Annex B; `tag` comes out again with the unit it begins."""

    data: bytes
    pts: int | None
    arrived_s: float
    tag: object = None


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One picture, with the parameter sets and messages before it, in Annex B.

    `arrived_s` is when its last fragment came, on the clock's monotonic line.
    """

    data: bytes
    pts: int | None
    arrived_s: float
    key: bool
    tag: object = None


@dataclass(frozen=True, slots=True)
class _Syntax:
    """What the types of NAL units mean; `opening` are those that only stand before a picture."""

    header: int
    slices: frozenset[int]
    parameters: frozenset[int]
    opening: frozenset[int]

    def kind(self, data: bytes, at: int) -> int:
        """The type of the NAL unit at `at`; -1 for what is of a further layer."""
        if at >= len(data):
            return -1
        if self.header == 1:
            return data[at] & 31
        of_a_layer = data[at] & 1 or (at + 1 < len(data) and data[at + 1] >> 3)
        return -1 if of_a_layer else data[at] >> 1 & 63

    def begins_picture(self, data: bytes, at: int) -> bool:
        """Whether a slice is the first of its picture: the first bit after the header says so."""
        # H.264 has `first_mb_in_slice` here, whose code for 0 is a single one.
        return at + self.header < len(data) and bool(data[at + self.header] & 0x80)


_SYNTAX = {
    "h264": _Syntax(
        1, frozenset({1, 2, 5}), frozenset({7, 8}), frozenset({6, 7, 8, 9, *range(14, 19)})
    ),
    "hevc": _Syntax(
        2,
        frozenset(range(32)),
        frozenset({32, 33, 34}),
        frozenset({32, 33, 34, 35, 39, *range(41, 45), *range(48, 56)}),
    ),
}
CODECS = frozenset(_SYNTAX)


class _FullSizes:
    """What the pieces of a cut NAL unit hold but the last, as learned: the same size in each.

    A camera that cuts into equal pieces proves nothing: a last piece only counts that is shorter
    than such a camera could make it.
    """

    def __init__(self) -> None:
        self.needed = NEEDED
        self.forget()

    def forget(self) -> None:
        """Begin to learn anew."""
        self._first = self._further = self._proofs = 0

    def learn(self, pieces: list[int]) -> None:
        """Take in the sizes of a whole NAL unit."""
        if len(pieces) < 2:
            return
        first, *further, last = pieces
        if not self._fit(first, further) or last > max(self._further, 1):
            self._first, self._proofs = first, 0
            self._further = further[0] if len(set(further)) == 1 else 0
        if self._further and self._fit(first, further) and self._further - last >= len(pieces):
            self._proofs += 1

    @property
    def known(self) -> bool:
        """Whether it has been seen often enough."""
        return self._proofs >= self.needed

    def whole(self, pieces: list[int]) -> bool:
        """Whether no piece follows these, where the sizes are known."""
        if len(pieces) == 1:
            return pieces[0] != self._first
        first, *further, last = pieces
        return self._fit(first, further) and last < self._further

    def _fit(self, first: int, further: list[int]) -> bool:
        return first == self._first and all(size == self._further for size in further)


@dataclass(slots=True)
class _SliceCount:
    """How many slices pictures of one kind have, as learned."""

    count: int = 0
    seen: int = 0
    needed: int = NEEDED

    def learn(self, count: int) -> None:
        if count == self.count:
            self.seen += 1
            return
        if self.seen:
            self.needed = _more(self.needed)
        self.count, self.seen = count, 1

    @property
    def known(self) -> bool:
        return self.seen >= self.needed


@dataclass(slots=True)
class _Open:
    """The unit that is being joined.

    `pieces` are the sizes of its last NAL unit's so far. From the fragment `tail` on there are
    parameter sets or messages behind a slice: of the next picture, if no further slice comes.
    """

    data: list[bytes] = field(default_factory=list)
    pts: int | None = None
    arrived_s: float = 0.0
    tag: object = None
    marks: UnitMarks | None = None
    slices: int = 0
    pieces: list[int] = field(default_factory=list)
    tail: int | None = None
    size: int = 0


class Joiner:
    """Joins the fragments of one stream into units, each of one picture.

    A unit is closed when another begins, or by `silence` if it is whole as far as can be learned:
    all pieces of a NAL unit but the last are of full size, and pictures of a kind have the same
    number of slices. What is learned is forgotten at new parameter sets, and where it fails. What
    belongs to no picture by itself goes with the next one. `dropped` counts fragments without the
    beginning of theirs, as after a loss; `cut` the pictures that were closed too early: that takes
    a camera that changes how it cuts without new parameter sets, and pauses just there.
    """

    def __init__(self, codec: str, *, silence_s: float = SILENCE_S) -> None:
        self.dropped = 0
        self.cut = 0
        self._syntax = _SYNTAX[codec]
        self._silence_s = silence_s
        self._reader = UnitReader(codec)
        self._sizes = _FullSizes()
        self._slices: dict[UnitMarks, _SliceCount] = {}
        self._parameters: set[bytes] = set()
        self._parameters_in_a_row: set[bytes] = set()
        self._open = _Open()
        self._silent: tuple[int | None, UnitMarks] | None = None

    @property
    def due_s(self) -> float | None:
        """When silence closes the unit; None where it does not."""
        return self._open.arrived_s + self._silence_s if self._whole() else None

    def add(self, fragment: Fragment) -> AccessUnit | None:
        """Take in a fragment; give the unit before it, if that is at its end."""
        closed = None
        if fragment.data.startswith(_START):
            if self._is_rest(fragment):
                self._drop_rest()
                return None
            if self._begins_next(fragment):
                closed = self._close()
        elif not self._continues(fragment):
            self.dropped += 1
            if self._silent is not None and fragment.pts == self._silent[0]:
                self._note_cut()
            return None
        self._append(fragment)
        return closed

    def silence(self, now_s: float) -> AccessUnit | None:
        """The unit that is whole, if nothing came for long enough."""
        due_s = self.due_s
        if due_s is None or now_s < due_s:
            return None
        pts, marks = self._open.pts, self._open.marks
        unit = self._close()
        self._silent = (pts, marks) if marks is not None else None
        return unit

    def end(self) -> AccessUnit | None:
        """At the end of the stream: the last unit, unless it is known that its rest is missing."""
        if self._open.marks is None or (self._sizes.known and not self._nal_whole()):
            return None
        return self._close()

    def _is_rest(self, fragment: Fragment) -> bool:
        """Whether it begins a further slice of the picture that silence has closed."""
        if self._silent is None or fragment.pts != self._silent[0] or self._open.slices:
            return False
        return self._first_slice(fragment.data) is False

    def _drop_rest(self) -> None:
        self.dropped += 1
        self._note_cut()
        # Its further pieces must not be taken for those of a message after the picture.
        self._open.pieces.clear()

    def _note_cut(self) -> None:
        if self._silent is None:
            return
        self.cut += 1
        self._sizes.needed = _more(self._sizes.needed)
        self._sizes.forget()
        slices = self._slices.setdefault(self._silent[1], _SliceCount())
        slices.seen, slices.needed = 0, _more(slices.needed)
        self._silent = None

    def _begins_next(self, fragment: Fragment) -> bool:
        """Whether what begins here is of another picture than what is open."""
        if self._open.marks is None:
            return False
        other = fragment.pts is not None and fragment.pts != self._open.pts
        first = self._first_slice(fragment.data)
        if first is None:
            return other
        # A slice amid a picture stays with it though the camera's time is put right there.
        return first or (other and self._whole())

    def _first_slice(self, data: bytes) -> bool | None:
        """Whether the first slice in a packet is the first of its picture; None without a slice."""
        for at in _starts(data):
            if self._syntax.kind(data, at) in self._syntax.slices:
                return self._syntax.begins_picture(data, at)
        return None

    def _continues(self, fragment: Fragment) -> bool:
        """Whether a piece without a beginning goes on with the NAL unit before it."""
        if not self._open.pieces:
            return False
        other = fragment.pts is not None and fragment.pts != self._open.pts
        return not (other and self._sizes.known and self._nal_whole())

    def _append(self, fragment: Fragment) -> None:
        unit, data = self._open, fragment.data
        if unit.size + len(data) > LARGEST_UNIT:
            self.dropped += len(unit.data) + 1
            self._open = _Open()
            return
        if unit.marks is None and fragment.pts is not None and fragment.pts != unit.pts:
            unit.pts, unit.tag = fragment.pts, fragment.tag
        starts = _starts(data)
        if data.startswith(_START) and unit.marks is not None and unit.tail is None:
            opens = self._syntax.kind(data, starts[0]) in self._syntax.opening
            unit.tail = len(unit.data) if opens else None
        unit.data.append(data)
        unit.size += len(data)
        unit.arrived_s = fragment.arrived_s
        if data.startswith(_START):
            self._sizes.learn(unit.pieces)
            unit.pieces = [len(data) - starts[0] - self._syntax.header]
        else:
            unit.pieces.append(len(data))
        for at in starts:
            end = data.find(_CODE, at)
            self._nal(data, at, end if end >= 0 else len(data))

    def _nal(self, data: bytes, at: int, end: int) -> None:
        kind = self._syntax.kind(data, at)
        if kind in self._syntax.parameters:
            self._learn_parameters(data[at:end].rstrip(b"\0"))
        elif kind in self._syntax.slices:
            self._parameters_in_a_row.clear()
            self._open.slices += 1
            self._open.tail = None
            if self._open.marks is None:
                self._open.marks = self._reader.read(b"".join(self._open.data))
                self._silent = None

    def _learn_parameters(self, parameters: bytes) -> None:
        self._parameters_in_a_row.add(parameters)
        if parameters in self._parameters:
            return
        self._parameters = set(self._parameters_in_a_row)
        self._slices.clear()
        self._sizes.forget()

    def _whole(self) -> bool:
        unit = self._open
        if unit.marks is None or not self._sizes.known:
            return False
        slices = self._slices.get(unit.marks)
        alike = slices is not None and slices.known and slices.count == unit.slices
        return alike and self._nal_whole()

    def _nal_whole(self) -> bool:
        return bool(self._open.pieces) and self._sizes.whole(self._open.pieces)

    def _close(self) -> AccessUnit:
        unit, self._open = self._open, _Open()
        if unit.tail is not None:
            self._open = _Open(unit.data[unit.tail :], pieces=unit.pieces)
            self._open.size = sum(map(len, self._open.data))
            del unit.data[unit.tail :]
        else:
            self._sizes.learn(unit.pieces)
        marks = unit.marks or UnitMarks(picture=False)
        self._slices.setdefault(marks, _SliceCount()).learn(unit.slices)
        return AccessUnit(b"".join(unit.data), unit.pts, unit.arrived_s, marks.key, unit.tag)


def _more(needed: int) -> int:
    return min(needed * 4, MOST_NEEDED)


def _starts(data: bytes) -> list[int]:
    """Where NAL units begin in a packet, behind their start codes.

    There are none in a further piece, unless the camera took several NAL units for one: their own
    codes may be shorter than those that libav puts before what RTP carried.
    """
    found = []
    at = data.find(_CODE)
    while at >= 0:
        found.append(at + len(_CODE))
        at = data.find(_CODE, at + len(_CODE))
    return found
