"""The motion gate, on rendered scenes whose motion is known."""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.video.motion import Motion, MotionGate, MotionSettings, small_luma
from blocks.data import Image

Luma = NDArray[np.uint8]
Scene = Callable[[float], Luma]
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
ALL = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def flat(grey: int = 100, size: tuple[int, int] = (160, 90)) -> Luma:
    return np.full((size[1], size[0]), grey, np.uint8)


def boxed(x: int, y: int, width: int, height: int, grey: int = 160) -> Luma:
    luma = flat()
    luma[y : y + height, x : x + width] = grey
    return luma


def watched(
    gate: MotionGate, scene: Scene, until_s: float, *, rate: float = 25, from_s: float = 0
) -> list[tuple[float, Motion]]:
    """What the gate says of each frame from `from_s` on, up to and without `until_s`."""
    times = (k / rate for k in range(round(from_s * rate), round(until_s * rate)))
    return [(at_s, gate.look(scene(at_s), at_s)) for at_s in times]


def reasons(said: list[tuple[float, Motion]]) -> list[str]:
    return [motion.why for _, motion in said]


def image_of(y: Luma) -> Image:
    chroma = np.full((-(-y.shape[0] // 2), -(-y.shape[1] // 2)), 128, np.uint8)
    return Image((y, chroma, chroma), "yuv420p")


@pytest.fixture
def gate() -> MotionGate:
    return MotionGate(MotionSettings())


def test_a_still_scene_lets_the_first_frame_through_and_then_one_every_ten_seconds(
    gate: MotionGate,
) -> None:
    said = watched(gate, lambda at_s: flat(), 30)
    opened = [(at_s, motion.why) for at_s, motion in said if motion.open]
    assert opened == [(0.0, "first"), (10.0, "look"), (20.0, "look")]
    assert {motion.share for _, motion in said[1:]} == {0.0}


@pytest.mark.parametrize("speed", [0.005, 0.02])
@pytest.mark.parametrize("rate", [5, 25])
def test_a_person_of_a_hundredth_of_the_height_opens_the_gate_and_keeps_it_open(
    gate: MotionGate, speed: float, rate: float
) -> None:
    def scene(at_s: float) -> Luma:
        luma = flat(size=(1280, 720))
        if at_s >= 12:
            left = round(1280 * (0.2 + (at_s - 12) * speed))
            luma[363:370, left : left + 3] = 160
        return small_luma(image_of(luma))

    assert reasons(watched(gate, scene, 12, rate=rate)).count("motion") == 0
    said = watched(gate, scene, 18, rate=rate, from_s=12)
    assert said[0][1].why == "motion"
    assert set(reasons(said)) <= {"motion", "linger"}


@pytest.mark.parametrize("sigma", [3, 6, 10])
def test_sensor_noise_leaves_the_gate_closed(gate: MotionGate, sigma: float) -> None:
    dice = np.random.default_rng(7)
    noise = np.rint(dice.normal(0, sigma, (4, 480, 800))).astype(np.int16)

    def scene(at_s: float) -> Luma:
        pool, top, left = dice.integers(4), dice.integers(121), dice.integers(161)
        luma = 100 + noise[pool, top : top + 360, left : left + 640]
        return small_luma(image_of(luma.astype(np.uint8)))

    said = watched(gate, scene, 24)
    closed = sum(not motion.open for _, motion in said)
    assert closed / len(said) >= 0.995
    assert "motion" not in reasons(said)


def test_key_frames_that_change_the_whole_picture_a_little_leave_the_gate_closed(
    gate: MotionGate,
) -> None:
    said = watched(gate, lambda at_s: flat(100 if at_s % 4 < 2 else 105), 20)
    assert set(reasons(said)) == {"first", "still", "look"}


def test_daylight_that_grows_leaves_the_gate_closed(gate: MotionGate) -> None:
    said = watched(gate, lambda at_s: flat(60 + int(at_s * 2)), 50)
    assert set(reasons(said)) == {"first", "still", "look"}


@pytest.mark.parametrize("after", [140, 60])
def test_a_switched_light_is_motion_once_and_forgotten_after_the_linger(
    gate: MotionGate, after: int
) -> None:
    said = watched(gate, lambda at_s: flat(100 if at_s < 8 else after), 12)
    switched = said[200:]
    assert switched[0] == (8.0, Motion(True, 1.0, "motion"))
    assert reasons(switched[1:50]) == ["linger"] * 49
    assert reasons(switched[50:]) == ["still"] * 50


def test_a_light_that_falls_on_a_part_of_the_picture_is_motion(gate: MotionGate) -> None:
    watched(gate, lambda at_s: flat(), 8)
    motion = gate.look(boxed(0, 0, 64, 90, grey=140), 8.0)
    assert motion == Motion(True, 0.4, "motion")


def test_the_share_is_that_of_the_picture_outside_the_masks() -> None:
    open_gate = MotionGate(MotionSettings())
    masked_gate = MotionGate(MotionSettings(masks=(LEFT_HALF,)))
    for gate in (open_gate, masked_gate):
        gate.look(flat(), 0.0)
    moved = boxed(100, 10, 10, 10)
    assert open_gate.look(moved, 0.04).share == pytest.approx(100 / 14400)
    assert masked_gate.look(moved, 0.04).share == pytest.approx(100 / 7200, rel=0.03)


def test_what_moves_behind_a_mask_does_not_count() -> None:
    gate = MotionGate(MotionSettings(masks=(LEFT_HALF,)))
    said = watched(gate, lambda at_s: boxed(int(at_s * 10), 20, 12, 30), 5)
    assert reasons(said) == ["first"] + ["still"] * 124
    assert gate.look(boxed(90, 20, 12, 30), 5.0).why == "motion"


def test_a_picture_masked_all_over_never_moves() -> None:
    gate = MotionGate(MotionSettings(masks=(ALL,)))
    said = watched(gate, lambda at_s: flat(0 if at_s % 2 < 1 else 255), 5)
    assert reasons(said) == ["first"] + ["still"] * 124


def test_a_single_flash_of_a_single_cell_is_noise_and_one_that_stays_is_motion(
    gate: MotionGate,
) -> None:
    watched(gate, lambda at_s: flat(), 8)
    spot = boxed(80, 45, 1, 1)
    assert [gate.look(luma, at_s).why for luma, at_s in ((spot, 8.0), (flat(), 8.04))] == [
        "still",
        "still",
    ]
    assert [gate.look(spot, at_s).why for at_s in (8.08, 8.12)] == ["still", "motion"]


def test_a_change_below_the_threshold_or_the_area_does_not_count() -> None:
    settings = MotionSettings(threshold=30, area_percent=1)
    for moved, why in (
        (boxed(40, 40, 20, 20, grey=129), "still"),  # 29 steps
        (boxed(40, 40, 11, 13), "still"),  # 143 cells of 14,400
        (boxed(40, 40, 12, 12), "motion"),  # 144
    ):
        gate = MotionGate(settings)
        # The limit is three times the threshold at first, and needs its time to fall.
        watched(gate, lambda at_s: flat(), 19)
        assert gate.look(moved, 19.0).why == why


def test_the_gate_stays_open_while_something_is_tracked(gate: MotionGate) -> None:
    gate.look(flat(), 0.0)
    said = [gate.look(flat(), at_s, awake_until_s=3.0) for at_s in (1.0, 2.0, 2.9, 3.0)]
    assert said == [Motion(True, 0.0, "awake")] * 3 + [Motion(False, 0.0, "still")]


def test_the_next_look_is_reckoned_from_the_last_open_frame(gate: MotionGate) -> None:
    gate.look(flat(), 0.0)
    gate.look(flat(), 6.0, awake_until_s=7.0)
    assert [gate.look(flat(), at_s).why for at_s in (10.0, 15.9, 16.0)] == ["still"] * 2 + ["look"]


@pytest.mark.parametrize("size", [(90, 160), (240, 135), (80, 60)])
def test_a_picture_of_another_size_begins_anew(gate: MotionGate, size: tuple[int, int]) -> None:
    watched(gate, lambda at_s: flat(), 5)
    assert gate.look(flat(30, size), 5.0) == Motion(True, 1.0, "first")
    assert gate.look(flat(30, size), 5.04) == Motion(False, 0.0, "still")


@pytest.mark.parametrize("rate", [5, 25])
def test_what_has_come_to_a_stop_is_background_after_fifteen_seconds(
    gate: MotionGate, rate: float
) -> None:
    watched(gate, lambda at_s: flat(), 10, rate=rate)
    said = watched(gate, lambda at_s: boxed(40, 40, 20, 20), 40, rate=rate, from_s=10)
    last_moved_s = max(at_s for at_s, motion in said if motion.why == "motion")
    assert last_moved_s == pytest.approx(25, abs=0.4)
    closed_s = next(at_s for at_s, motion in said if not motion.open)
    assert closed_s == pytest.approx(last_moved_s + 2, abs=0.21)
    assert gate.look(flat(), 40.0).why == "motion"


def test_what_creeps_is_not_taken_for_background(gate: MotionGate) -> None:
    def scene(at_s: float) -> Luma:
        # A cell in four seconds, a sixth of a percent of the width in a second.
        return flat() if at_s < 10 else boxed(20 + int((at_s - 10) / 4), 40, 20, 20)

    said = watched(gate, scene, 130, rate=5)
    assert all(motion.open for at_s, motion in said if at_s >= 10)


def wavering(at_s: float) -> Iterator[int]:
    """Which of 60 places are bright: each is so for half of the time."""
    return (place for place in range(60) if (round(at_s * 5) * (place % 7 + 3)) % 10 < 5)


def test_leaves_that_waver_keep_the_gate_open_only_until_they_are_known(gate: MotionGate) -> None:
    def scene(at_s: float) -> Luma:
        luma = flat()
        for place in wavering(at_s):
            luma[place % 10 * 3, place // 10 * 3] = 116
        return luma

    said = watched(gate, scene, 300, rate=5)
    # They are still there, and something that differs more than they do is seen among them.
    assert all(motion.why in {"still", "look"} for at_s, motion in said if at_s >= 120)
    walker = scene(300.0)
    walker[9:15, 3:6] = 160
    assert gate.look(walker, 300.0).why == "motion"


def test_a_place_that_is_crossed_a_tenth_of_the_time_keeps_its_limit(gate: MotionGate) -> None:
    def scene(at_s: float) -> Luma:
        return boxed(40, 40, 10, 20) if at_s % 5 >= 4.5 else flat()

    watched(gate, scene, 300, rate=10)
    assert gate.look(flat(), 303.0).why == "still"
    assert gate.look(boxed(40, 40, 10, 20, grey=112), 303.1).why == "motion"


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((1920, 1080), (240, 135)),
        ((1280, 720), (160, 90)),
        ((3840, 2160), (240, 135)),
        ((1080, 1920), (135, 240)),
        ((640, 480), (160, 120)),
        ((352, 288), (176, 144)),
        ((1283, 727), (160, 90)),
        ((160, 120), (160, 120)),
        ((4000, 5), (4000, 5)),
        ((1, 1), (1, 1)),
    ],
)
def test_the_small_picture_keeps_at_least_ninety_lines(
    size: tuple[int, int], small: tuple[int, int]
) -> None:
    luma = small_luma(image_of(flat(77, size)))
    assert luma.shape == small[::-1]
    assert luma.dtype == np.uint8
    assert set(np.unique(luma)) == {77}


def test_the_small_picture_shows_each_thing_at_its_place() -> None:
    y = flat(50, (1920, 1080))
    y[800:880, 160:320] = 210
    expected = np.full((135, 240), 50, np.uint8)
    expected[100:110, 20:40] = 210
    np.testing.assert_array_equal(small_luma(image_of(y)), expected)


def test_planes_with_padded_rows_are_read_as_they_are() -> None:
    y = np.random.default_rng(3).integers(0, 256, (720, 1312), np.uint8)
    padded, packed = image_of(y[:, :1280]), image_of(y[:, :1280].copy())
    assert not padded.planes[0].flags.c_contiguous
    np.testing.assert_array_equal(small_luma(padded), small_luma(packed))


def test_colours_are_taken_by_their_brightness() -> None:
    bgr = cv2.merge([flat(200, (1280, 720)), flat(100, (1280, 720)), flat(50, (1280, 720))])
    # 0.114 x 200 + 0.587 x 100 + 0.299 x 50
    assert set(np.unique(small_luma(Image.from_bgr(np.asarray(bgr, np.uint8))))) == {96}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"threshold": 0}, "threshold is 1 to 100 steps, not 0"),
        ({"area_percent": 101}, "area_percent is 0 to 100 percent, not 101"),
        ({"linger_s": -1}, "linger_s is not below 0 seconds, not -1"),
        ({"look_every_s": 0}, "look_every_s is above 0 seconds, not 0"),
        ({"masks": (ALL, ((0, 0), (1, 1)))}, "mask 2 has 2 corners; give at least 3"),
        ({"masks": (((0, 0), (1.5, 0), (1, 1)),)}, r"mask 1 has a corner at \(1.5, 0\)"),
    ],
)
def test_settings_out_of_range_are_refused_with_a_sentence(
    wrong: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        MotionSettings(**wrong)  # type: ignore[arg-type]  # passed on
