"""How a detector is asked, seen by one that notes what it is shown."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from appliance.engine.testing import FixedHost, make
from blocks.data import Detections, Image
from blocks.models.object_detection import ObjectDetection


class WhiteBlocks:
    """Finds white rectangles; `shown` are the sizes of the images in each call."""

    labels = ("block",)

    def __init__(self) -> None:
        self.shown: list[list[tuple[int, int]]] = []
        self.bars: list[float | None] = []

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        return self.detect_many([image], confidence)[0]

    def detect_many(
        self, images: Sequence[Image], confidence: float | None = None
    ) -> list[Detections]:
        self.shown.append([(image.width, image.height) for image in images])
        self.bars.append(confidence)
        return [_white(image) for image in images]


def _white(image: Image) -> Detections:
    parts = cv2.connectedComponentsWithStats(image.bgr[..., 0])[2][1:, :4].astype(np.float32)
    corners = np.hstack([parts[:, :2], parts[:, :2] + parts[:, 2:]])
    return Detections.of(image.to_frame(corners), label=["block"] * len(parts))


def picture(*blocks: tuple[int, int, int, int], size: tuple[int, int]) -> Image:
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    for x1, y1, x2, y2 in blocks:
        pixels[y1:y2, x1:x2] = 255
    return Image.from_bgr(pixels)


def find(model: WhiteBlocks, image: Image, **settings: Any) -> list[list[float]]:
    block = make(ObjectDetection, host=FixedHost(m=model), model="m", **settings)
    found: list[list[float]] = block.run(image).detections.xyxy.tolist()
    return found


def test_only_the_rectangle_round_a_region_is_shown_to_the_model() -> None:
    model = WhiteBlocks()
    image = picture((110, 60, 120, 70), (180, 60, 190, 70), (10, 10, 20, 20), size=(200, 100))
    region = [[0.5, 0.5], [0.75, 0.5], [0.5, 1.0]]
    assert find(model, image, region=region) == [[110, 60, 120, 70]]
    assert model.shown == [[(50, 50)]]


def test_what_lies_in_the_rectangle_and_not_in_the_region_is_left_out() -> None:
    image = picture((110, 60, 120, 70), (185, 85, 195, 95), size=(200, 100))
    region = [[0.5, 0.5], [1.0, 0.5], [0.5, 1.0]]
    assert find(WhiteBlocks(), image, region=region) == [[110, 60, 120, 70]]


def test_slices_and_the_whole_are_shown_in_one_call() -> None:
    model, place = WhiteBlocks(), [170, 50, 190, 80]
    image = picture((170, 50, 190, 80), size=(360, 200))
    assert find(model, image, sliced=True, slice_size=200, confidence=0.3) == [place]
    assert model.shown == [[(360, 200), (200, 200), (200, 200)]]
    assert model.bars == [0.3]


def test_a_thing_on_the_edge_of_slices_is_found_once_and_whole() -> None:
    image = picture((150, 50, 220, 80), (5, 180, 340, 190), size=(360, 200))
    found = find(WhiteBlocks(), image, sliced=True, slice_size=200)
    assert sorted(found) == [[5, 180, 340, 190], [150, 50, 220, 80]]


def test_slices_of_a_region_stay_inside_of_it() -> None:
    model = WhiteBlocks()
    image = picture((300, 20, 310, 30), (20, 20, 30, 30), size=(400, 100))
    half = [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]
    found = find(model, image, region=half, sliced=True, slice_size=120, slice_overlap=0.0)
    assert found == [[300, 20, 310, 30]]
    assert model.shown == [[(200, 100), (120, 100), (120, 100)]]


def test_many_images_are_shown_in_one_call_and_answered_in_their_order() -> None:
    model = WhiteBlocks()
    block = make(ObjectDetection, host=FixedHost(m=model), model="m")
    images = [picture((x, 5, x + 9, 14), size=(50, 40)) for x in (3, 30)]
    found = block.run_many(images)
    assert [one.detections.xyxy.tolist() for one in found] == [[[3, 5, 12, 14]], [[30, 5, 39, 14]]]
    assert model.shown == [[(50, 40), (50, 40)]]


def test_of_many_images_each_is_sliced_by_itself() -> None:
    model = WhiteBlocks()
    block = make(ObjectDetection, host=FixedHost(m=model), model="m", sliced=True, slice_size=40)
    images = [picture((3, 5, 12, 14), size=(60, 40)), picture(size=(30, 30))]
    assert [len(one.detections) for one in block.run_many(images)] == [1, 0]
    assert model.shown == [[(60, 40), (40, 40), (40, 40)], [(30, 30)]]


def test_a_crop_that_shows_nothing_of_the_region_is_not_shown_to_the_model() -> None:
    model = WhiteBlocks()
    image = picture((110, 60, 120, 70), (10, 10, 20, 20), size=(200, 100))
    half = [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]
    block = make(ObjectDetection, host=FixedHost(m=model), model="m", region=half)
    crops = [image.crop(box) for box in ((0, 0, 50, 50), (100, 50, 150, 100), (0, 0, 101, 90))]
    found = [one.detections.xyxy.tolist() for one in block.run_many(crops)]
    assert found == [[], [[110, 60, 120, 70]], []]
    assert model.shown == [[(50, 50)]]
    assert len(block.run(crops[0]).detections) == 0
    assert len(block.run_many(crops[:1])[0].detections) == 0
    assert model.shown == [[(50, 50)]]


def test_a_sliver_is_not_sliced() -> None:
    model = WhiteBlocks()
    image = picture((0, 0, 300, 1), size=(300, 100)).crop((0, 0, 300, 1))
    assert find(model, image, sliced=True, slice_size=100) == []
    assert model.shown == []
