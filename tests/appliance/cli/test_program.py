"""What `appliance --help` says."""

from collections.abc import Callable

from click.testing import Result

Run = Callable[..., Result]


def test_help_names_the_first_steps(run: Run) -> None:
    text = run("--help").stdout
    assert "Begin with: appliance demo" in text
    for command in (
        "run", "serve", "check", "cameras", "blocks", "schema", "graph", "models", "status",
        "stop", "demo",
    ):  # fmt: skip
        assert f"\n  {command} " in text
