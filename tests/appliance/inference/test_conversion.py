"""The conversion in an environment of its own."""

from pathlib import Path

import pytest

from appliance.inference.conversion import convert_ssd
from appliance.inference.packages import FetchError


@pytest.mark.usefixtures("no_network")
def test_without_a_network_the_conversion_says_what_it_lacks(tmp_path: Path) -> None:
    source = tmp_path / "graph.pb"
    source.write_bytes(b"")
    with pytest.raises(FetchError, match=r"installing what .* the network cannot be reached"):
        convert_ssd(source, tmp_path, print)


def test_a_file_of_another_kind_is_refused_by_the_converter(tmp_path: Path) -> None:
    source = tmp_path / "graph.pb"
    source.write_bytes(b"")
    said: list[str] = []
    with pytest.raises(FetchError, match="the graph has no node concat: it is no SSD"):
        convert_ssd(source, tmp_path, said.append)
    assert said == [
        "downloading numpy and onnx for the conversion (40 MB, removed afterwards)",
        "converting to ONNX",
    ]
