"""How far pictures lie from good ones."""

import math
from pathlib import Path

import numpy as np
import pytest

from appliance.inference.families.anomaly import (
    Bank,
    coreset,
    decode,
    features,
    fit,
    form,
    mismatch,
    nearest,
)
from appliance.inference.families.fitting import fit as fitted
from blocks.data import Image
from blocks.predictions import Anomaly


def angles(*degrees: float) -> np.ndarray:
    """Vectors of length 1 at these angles."""
    turns = np.radians(degrees)
    return np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)


def chord(degrees: float) -> float:
    return 2 * math.sin(math.radians(degrees) / 2)


def scored(values: np.ndarray, bank: Bank) -> Anomaly:
    return decode({"embedding": values}, None, (), 0.0, bank)


def test_the_score_is_the_distance_to_the_nearest_good_one() -> None:
    bank = Bank(angles(0, 90), threshold=0.5)
    found = scored(angles(100) * 7, bank)
    assert found.score == pytest.approx(chord(10))
    assert (found.distances.shape, found.anomalous) == ((1, 1), False)
    assert scored(angles(150), bank).anomalous


def test_the_threshold_is_the_worst_good_picture_measured_against_the_others() -> None:
    # Each against the nearest other: 10, 10, 15 and 15 degrees.
    bank = fit([angles(0), angles(10), angles(30), angles(45)], quantile=0.99, margin=0)
    assert bank.threshold == pytest.approx(chord(15), abs=1e-6)
    assert len(bank.features) == 4


def test_a_lower_quantile_lets_some_good_pictures_be_above() -> None:
    pictures = [angles(a) for a in (0, 10, 30, 60, 100)]  # 10, 10, 20, 30, 40
    assert fit(pictures, quantile=0.6, margin=0).threshold == pytest.approx(chord(20), abs=1e-6)
    assert fit(pictures, quantile=0.8, margin=0).threshold == pytest.approx(chord(30), abs=1e-6)
    assert fit(pictures, quantile=0.81, margin=0).threshold == pytest.approx(chord(40), abs=1e-6)


def test_the_margin_counts_in_spreads_of_the_good_pictures_scores() -> None:
    pictures = [angles(a) for a in (0, 10, 30, 60, 100)]
    scores = [chord(a) for a in (10, 10, 20, 30, 40)]
    spread = float(np.std(scores))
    for margin in (1.0, 2.0):
        expected = chord(40) + margin * spread
        assert fit(pictures, margin=margin).threshold == pytest.approx(expected, abs=1e-6)
    assert fit(pictures).threshold == pytest.approx(chord(40) + 3 * spread, abs=1e-6)


def test_good_pictures_that_are_nearly_the_same_leave_room_for_another() -> None:
    # Two to the left and two to the right, equally far apart: the scores have no spread.
    bank = fit([angles(a) for a in (0, 1, 20, 21)])
    assert bank.threshold == pytest.approx(1.3 * chord(1), abs=1e-6)
    assert not scored(angles(22.2), bank).anomalous
    assert scored(angles(22.4), bank).anomalous


def test_no_threshold_is_above_a_picture_the_model_says_nothing_of() -> None:
    bank = fit([angles(0), angles(180)])
    assert bank.threshold < 2.0
    assert scored(np.zeros((1, 2), np.float32), bank).anomalous


def test_patches_of_one_picture_are_not_measured_against_themselves() -> None:
    bank = fit([angles(0, 90), angles(5, 85)], margin=0)
    assert bank.threshold == pytest.approx(chord(5), abs=1e-6)


def test_the_core_set_takes_the_farthest_next() -> None:
    assert coreset(angles(0, 1, 2, 90, 46, 91), 3).tolist() == [0, 5, 4]


def test_the_core_set_ends_where_all_others_are_the_same() -> None:
    assert coreset(angles(0, 0, 45, 0, 45), 5).tolist() == [0, 2]


@pytest.mark.parametrize("seed", range(4))
def test_the_core_set_agrees_with_a_plain_loop(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(40, 5)).astype(np.float32)
    chosen = [0]
    while len(chosen) < 10:
        gaps = [min(math.dist(p.tolist(), points[c].tolist()) for c in chosen) for p in points]
        chosen.append(gaps.index(max(gaps)))
    assert coreset(points, 10).tolist() == chosen


@pytest.mark.parametrize("seed", range(3))
def test_distances_agree_with_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found, bank = (rng.normal(size=(n, 6)).astype(np.float32) for n in (300, 17))
    expected = [min(math.dist(p.tolist(), b.tolist()) for b in bank) for p in found]
    assert nearest(found, bank).tolist() == pytest.approx(expected, abs=1e-5)


def test_a_good_picture_itself_is_at_no_distance() -> None:
    vector = np.random.default_rng(0).normal(size=(1, 1280)).astype(np.float32)
    bank = fit([features({"x": v[None]})[0] for v in (vector[0], -vector[0])])
    assert scored(vector, bank).score < 1e-6


def test_a_bank_of_few_features_still_measures_every_picture_against_another() -> None:
    # It keeps 0 and 180 degrees of the first; without it, 1 and 3 degrees stand for them.
    bank = fit([angles(0, 90, 180), angles(1, 2, 3)], most=2, margin=0)
    assert bank.features[:, 0].tolist() == pytest.approx([1.0, -1.0])
    assert bank.threshold == pytest.approx(chord(177), abs=1e-6)


def test_a_map_of_features_is_scored_place_by_place() -> None:
    good = np.zeros((1, 2, 5, 6), np.float32)
    good[:, 0] = 1.0
    bank = fit([features({"map": good})[0]] * 2)
    assert (len(bank.features), bank.threshold) == (1, 0.0)
    bad = good.copy()
    bad[0, :, 4, 5] = (0.0, 1.0)
    found = decode({"map": bad}, None, (), 0.0, bank)
    assert found.distances.shape == (5, 6)
    assert found.anomalous
    assert np.argwhere(found.distances > 0.01).tolist() == [[3, 4], [3, 5], [4, 4], [4, 5]]
    # In the corner it fills 4 of the 9 neighbours, as the edge is repeated.
    assert found.distances[3, 4] == pytest.approx(chord(math.degrees(math.atan(1 / 8))), abs=1e-5)
    assert found.score == pytest.approx(chord(math.degrees(math.atan(4 / 5))), abs=1e-5)


@pytest.mark.parametrize("values", [[math.nan, 1.0], [0.0, 0.0], [math.inf, 0.0]])
def test_a_picture_the_model_says_nothing_of_is_as_far_as_can_be(values: list[float]) -> None:
    found = scored(np.array([values], np.float32), Bank(angles(0), 0.5))
    assert (found.score, found.anomalous) == (2.0, True)


def test_a_score_that_is_no_number_is_anomalous() -> None:
    assert Anomaly(math.nan, 0.5, np.zeros((1, 1), np.float32)).anomalous
    assert not Anomaly(0.5, 0.5, np.zeros((1, 1), np.float32)).anomalous


def test_a_bank_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    bank = Bank(angles(0, 90), 0.25, "sha256:12")
    bank.save(tmp_path / "good.npz")
    loaded = Bank.load(tmp_path / "good.npz")
    assert (loaded.threshold, loaded.model) == (0.25, "sha256:12")
    assert loaded.features.tolist() == bank.features.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["good.npz"]


def test_a_file_cut_short_or_of_other_things_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "good.npz"
    Bank(angles(0, 90), 0.25).save(path)
    whole = path.read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2], b"PK\x03\x04"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"good\.npz holds no pictures fitted before"):
            Bank.load(path)
    np.savez(path, features=np.zeros((0, 4)), threshold=1.0, model="")
    with pytest.raises(ValueError, match="holds no features of good pictures"):
        Bank.load(path)
    np.savez(path, features=np.ones((1, 4)), threshold=math.nan, model="")
    with pytest.raises(ValueError, match="holds no threshold"):
        Bank.load(path)
    with pytest.raises(FileNotFoundError):
        Bank.load(tmp_path / "none.npz")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", features=np.array([{}], object), threshold=1.0, model="")
    with pytest.raises(ValueError, match="holds no pictures fitted before"):
        Bank.load(tmp_path / "x.npz")


def test_pictures_that_cannot_be_fitted_are_told() -> None:
    with pytest.raises(ValueError, match="at least two good pictures to fit, not 1"):
        fit([angles(0)])
    with pytest.raises(ValueError, match="not equally long"):
        fit([angles(0), np.ones((1, 3), np.float32)])
    with pytest.raises(ValueError, match="nothing of use for good picture 2"):
        fit([angles(0), np.zeros((1, 2), np.float32)])
    with pytest.raises(ValueError, match="features of 2 numbers, the good pictures have 3"):
        scored(angles(0), Bank(np.ones((1, 3), np.float32), 0.1))


def test_shapes_that_hold_no_features_are_told() -> None:
    assert mismatch({"embedding": (1, 1280), "probs": (1, 1000)}) == ""
    assert mismatch({"map": ("batch", 512, 28, 28)}) == ""
    assert "this model has boxes (1 x 84 x 8400)" in mismatch({"boxes": (1, 84, 8400)})
    assert form((8, 8)).fit == "crop"


def test_the_part_of_the_frame_that_the_patches_cover_is_told() -> None:
    image = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
    _, place = fitted(image, form((50, 50)))
    bank = Bank(angles(0), threshold=0.5)
    seen = decode({"embedding": angles(10)}, place, (), 0.0, bank).seen
    # The middle square of an image that is twice as wide as high.
    assert seen == pytest.approx((50, 0, 150, 100))
    assert decode({"embedding": angles(10)}, None, (), 0.0, bank).seen is None
