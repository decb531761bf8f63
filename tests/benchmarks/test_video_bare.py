"""The program that does nothing but decode and detect."""

from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.video_bare import Bare
from blocks.data import Detections, Image


class OneLook:
    """A model that ends the program once it is asked."""

    def __init__(self) -> None:
        self.seen: list[Image] = []
        self.program: Bare | None = None

    def detect(self, image: Image, _confidence: float) -> Detections:
        self.seen.append(image)
        assert self.program is not None
        self.program.stop.set()
        return Detections.empty()


def picture() -> Image:
    return Image((np.zeros((4, 4, 3), np.uint8),))


def test_the_newest_frame_of_the_camera_that_was_served_least_is_next() -> None:
    model = OneLook()
    program = model.program = Bare(Path("none.mp4"), cast(Any, model), cameras=2)
    program.done[0].append((1.0, 0.0))
    old, new = picture(), picture()
    for camera, image in ((0, picture()), (1, old), (1, new)):
        program.put(camera, 2.0, image)
    program.work()
    assert model.seen == [new]
    assert [due for _, due in program.done[1]] == [2.0]


def test_it_has_a_thread_for_each_camera_and_each_worker() -> None:
    assert len(Bare(Path("none.mp4"), cast(Any, OneLook()), cameras=3).threads(2)) == 5
