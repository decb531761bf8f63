"""`appliance models test`: what a model finds in one picture, in words and drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np

from appliance.cli.model_entries import entries
from appliance.cli.options import CONFIG, STATE_DIR
from appliance.inference.anomaly_fitting import read_picture
from appliance.inference.catalog import ModelError
from appliance.inference.models import Models
from appliance.observe.log import set_up_logging
from appliance.sentences import sentences
from blocks.data import Detections, Frame, Image
from blocks.host import Gives
from blocks.images.annotate import Annotate, AnnotateManifest
from blocks.images.canvas import Canvas, colour_of
from blocks.models.anomaly import too_far
from blocks.predictions import Segmentation

MOST_LABELS = 5
RED = (40, 40, 255)


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to say, line by line, and the picture with it drawn on."""

    lines: Sequence[str]
    picture: Image


@click.command()
@click.argument("model", metavar="NAME|FILE")
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the picture goes (default: the name of the image and the model, as PNG).",
)
@click.option(
    "--confidence", type=click.FloatRange(0, 1), help="Leave out what is less sure than this."
)
@CONFIG
@STATE_DIR
def model_test(
    model: str,
    image: Path,
    output: Path | None,
    confidence: float | None,
    config: Path | None,
    state_dir: Path | None,
) -> None:
    """Run a model on one picture: say what it finds, and draw it."""
    set_up_logging("console", "WARNING")
    with sentences():
        there = entries(config, state_dir)
        card = there.model(model)
        picture = read_picture(image)
        if picture is None:
            raise ModelError(f"{image}: this is no picture that can be read, such as a JPEG or PNG")
        cards = {name: each.card for name, each in there.models.items()} | {card.name: card}
        found = look(Models(there.store, cards), card.name, picture, confidence)
        for line in found.lines:
            click.echo(line)
        target = output or Path(f"{image.stem}-{card.name}.png")
        _save(found.picture, target, image)
        click.echo(f"drawn: {target}")


def look(models: Models, name: str, picture: Image, confidence: float | None = None) -> Found:
    """What the model of that name finds in a picture.

    Raises:
        ModelError: it cannot be used.
    """
    task = models.model(name).resolved.family.task
    if task in ("boxes", "masks", "keypoints"):
        gives: Gives = (
            "masks" if task == "masks" else "keypoints" if task == "keypoints" else "boxes"
        )
        return _boxes(models.detector(name, gives).detect(picture, confidence), picture)
    if task == "classes":
        scores = models.classifier(name).classify(picture, confidence)
        order = np.argsort(-scores.scores, kind="stable")[:MOST_LABELS]
        labels = models.classifier(name).labels
        named = {labels[i]: f"{scores.scores[i]:.2f}" for i in order.tolist()}
        canvas = Canvas(picture.bgr)
        canvas.legend(named)
        lines = [f"{label} {score}" for label, score in named.items()]
        return Found(lines, Image.from_bgr(canvas.pixels))
    if task == "map":
        return _map(models.segmenter(name).segment(picture, confidence), picture)
    fitted = models.bank_of(models.model(name).resolved).is_file()
    if task == "vector" and not fitted:
        vector = models.embedder(name).embed(picture).vector
        return Found([f"a vector of {len(vector)} numbers, of length 1"], picture)
    if task in ("vector", "anomaly"):
        return _anomaly(models, name, picture)
    read = models.reader(name).read(picture, confidence)
    boxes = [[*line.corners.min(axis=0), *line.corners.max(axis=0)] for line in read]
    sure, texts = [line.confidence for line in read], [line.text for line in read]
    return _boxes(Detections.of(boxes, sure, label=texts), picture)


def _boxes(found: Detections, picture: Image) -> Found:
    lines = [
        f"{label} {sure:.2f} at {x1:.0f}, {y1:.0f} to {x2:.0f}, {y2:.0f}"
        for label, sure, (x1, y1, x2, y2) in zip(
            found.label, found.confidence.tolist(), found.xyxy.tolist(), strict=True
        )
    ]
    frame = Frame("picture", 0.0, 0.0, sequence=0, image=picture)
    drawn = Annotate(AnnotateManifest(confidence=True)).run(frame, picture, found).image
    return Found(lines or ["nothing was found"], drawn)


def _map(found: Segmentation, picture: Image) -> Found:
    shares = found.shares
    order = np.argsort(-shares, kind="stable")
    lines = [f"{found.labels[i]} {shares[i]:.1%}" for i in order.tolist() if shares[i] >= 0.0005]
    drawn = picture.bgr.copy()
    for number in range(len(found.labels)):
        place = found.class_map == number
        drawn[place] = drawn[place] // 2 + np.array(colour_of(number), np.uint8) // 2
    return Found(lines or ["nothing was found"], Image.from_bgr(drawn))


def _anomaly(models: Models, name: str, picture: Image) -> Found:
    found = models.inspector(name).inspect(picture)
    word = "anomalous" if found.anomalous else "good"
    line = f"{word}: {found.score:.3f}, where {found.threshold:.3f} is the most of good pictures"
    canvas = Canvas(picture.bgr)
    canvas.legend({word: f"{found.score:.3f}"})
    for x1, y1, x2, y2 in too_far(found, found.threshold).xyxy.tolist():
        canvas.area(np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]), RED)
    return Found([line], Image.from_bgr(canvas.pixels))


def _save(picture: Image, target: Path, source: Path) -> None:
    if target.exists() and target.samefile(source):
        raise ModelError(f"{target}: this is the picture itself; give the drawn one another name")
    try:
        content = cv2.imencode(target.suffix, picture.bgr)[1]
    except cv2.error:
        raise ModelError(f"{target}: no such picture can be written; take .png or .jpg") from None
    try:
        target.write_bytes(content.tobytes())
    except OSError as error:
        raise ModelError(f"{target} cannot be written: {error.strerror}") from None
