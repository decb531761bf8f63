"""`appliance blocks` and `appliance schema` as a user types them."""

import json
from collections.abc import Callable

from click.testing import Result

Run = Callable[..., Result]
Refused = Callable[..., None]


def test_blocks_are_listed_and_explained(run: Run, refused: Refused) -> None:
    assert "object_detection@1" in run("blocks").stdout
    page = run("blocks", "line_count").stdout
    assert page.startswith("line_count@1\n")
    assert "total_in" in page
    assert run("blocks", "--markdown").stdout.startswith("# Blocks\n")
    refused(
        run("blocks", "line_count", "--markdown"),
        "--markdown prints the pages of all blocks: leave out the name",
    )
    refused(
        run("blocks", "line_cuont"), "unknown block 'line_cuont' (did you mean 'line_count@1'?)"
    )


def test_the_schema_is_printed_as_it_ships(run: Run) -> None:
    printed = json.loads(run("schema").stdout)
    assert printed["$defs"].keys() >= {"line_count@1", "workflow"}
