"""docs/models.md against the code: families, keys of a card, and the cards that are shown."""

import re
from pathlib import Path
from typing import get_args

import pytest

from appliance.inference.catalog import ModelCard
from appliance.inference.declared import cards
from appliance.inference.families.registry import FAMILIES, Family, Task
from appliance.settings import read_settings

PAGE = Path(__file__).parent.parent / "docs" / "models.md"
BLOCKS: dict[Task, str] = {
    "boxes": "`object_detection`",
    "masks": "`instance_segmentation`",
    "keypoints": "`keypoint_detection`",
    "classes": "`classification`, `multi_label_classification`",
    "map": "`semantic_segmentation`",
    "text": "`ocr`",
    "characters": "`ocr`, by `reads_with` of the model that finds the lines",
    "vector": "`embedding`",
    "anomaly": "`anomaly`",
}


def row(family: Family) -> str:
    return f"| `{family.name}` | {family.about} | {BLOCKS[family.task]} |"


def test_every_task_has_its_block() -> None:
    assert set(BLOCKS) == set(get_args(Task))


def test_the_table_of_families_is_that_of_the_registry() -> None:
    table = PAGE.read_text().partition("| family | models | block |\n|---|---|---|\n")[2]
    shown = table.partition("\n\n")[0].splitlines()
    # On a failure: what to put there.
    assert "\n".join(shown) == "\n".join(map(row, FAMILIES.values()))


def test_every_key_of_a_card_is_explained_with_its_default() -> None:
    explained = dict(re.findall(r"^\| `(\w+)` \| (.*?) ?\|", PAGE.read_text(), re.M))
    for key, field in ModelCard.model_fields.items():
        if key == "kind":
            continue
        assert key in explained, key
        if isinstance(field.default, int | float | str) and field.default:
            assert explained[key] == f"`{field.default}`", key


def test_the_cards_that_are_shown_are_read(tmp_path: Path) -> None:
    (shown,) = [
        text
        for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
        if text.startswith("models:")
    ]
    (tmp_path / "helmets.txt").write_text("helmet\nvest\n")
    file = tmp_path / "appliance.yaml"
    file.write_text(f"version: 1\n{shown}")
    found = cards(read_settings(file, tmp_path / "state"))
    assert found["helmets"].labels == ("helmet", "vest")
    assert found["boats"].file == tmp_path / "nets" / "boats.onnx"
    assert found["signs"].reads_with == "characters"


@pytest.mark.parametrize("command", ["add", "inspect", "pull", "remove"])
def test_the_commands_are_spoken_of(command: str) -> None:
    assert f"appliance models {command}" in PAGE.read_text()
