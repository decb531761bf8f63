"""`appliance models` as a user types it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from appliance.inference.store import Store

Run = Callable[..., Result]


def test_no_network_while_fetching_is_a_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    names = ("people-ssdlite", "bikes")
    result = run("models", "pull", *names, "--state-dir", tmp_path / "state")
    assert result.exit_code == 2
    # The second is tried as well.
    for name, last in zip(names, result.stderr.splitlines()[-2:], strict=True):
        assert last.startswith(f"{name}: ")
        assert "network" in last
    assert not list((tmp_path / "state" / "models").glob("*"))


def test_an_unknown_name_in_the_catalog_is_refused(run: Run) -> None:
    result = run("models", "pull", "peple")
    assert result.exit_code == 2
    assert result.stderr.startswith("there is no model or clip called 'peple'")


def test_the_catalog_is_listed_with_sizes_and_licences(run: Run, tmp_path: Path) -> None:
    result = run("models", "--help")
    assert result.exit_code == 0
    result = run("models", "list", "--state-dir", tmp_path)
    assert result.exit_code == 0
    assert "people-ssdlite   model  11.6 MB to fetch" in result.stdout
    assert "Licence: MIT" in result.stdout
    assert run("models").stdout.splitlines()[0] == result.stdout.splitlines()[0]


def test_a_fetched_model_is_listed_as_fetched(run: Run, demo_store: Store) -> None:
    result = run("models", "list", "--state-dir", demo_store.root)
    assert "people-ssdlite   model  fetched" in result.stdout
