import numpy as np

from blocks.data import Detections, Image
from blocks.detections.in_image import InImageManifest, SeenInImage

FRAME = Image.from_bgr(np.zeros((60, 100, 3), np.uint8))
BOX = Detections.of([[30, 20, 50, 40]], [0.7], tracker_id=[4], label=["car"])


def test_boxes_are_counted_from_the_corner_of_the_crop() -> None:
    placed = SeenInImage(InImageManifest()).run(FRAME.crop((25, 10, 80, 50)), BOX).detections
    assert placed.xyxy.tolist() == [[5, 10, 25, 30]]
    assert (placed.tracker_id.tolist(), placed.label.tolist()) == ([4], ["car"])


def test_in_the_whole_frame_nothing_moves() -> None:
    placed = SeenInImage(InImageManifest()).run(FRAME, BOX).detections
    assert placed.xyxy.tolist() == BOX.xyxy.tolist()
