"""What is noted of the machine, and of what else it did."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.machine import (
    Code,
    Load,
    Reading,
    SystemMeter,
    busy_ticks,
    package_versions,
    this_code,
    this_machine,
)


def test_the_machine_says_what_it_is() -> None:
    machine = this_machine()
    assert machine.processor
    assert machine.system
    assert machine.cores >= 1
    assert machine.memory_gib > 0


def test_versions_are_those_of_what_is_installed() -> None:
    versions = package_versions()
    assert {"python", "numpy", "vision-appliance"} <= set(versions)
    assert all(versions.values())


def test_a_folder_without_git_has_no_commit(tmp_path: Path) -> None:
    assert this_code(tmp_path) == Code("", modified=False)


def test_a_working_tree_says_its_commit_and_whether_it_was_changed(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "--quiet", "--no-gpg-sign", "--message", "one")
    commit = git("rev-parse", "--short", "HEAD")
    assert this_code(tmp_path) == Code(commit, modified=False)
    (tmp_path / "file").write_text("two")
    assert this_code(tmp_path) == Code(commit, modified=True)


def test_waiting_for_a_disk_and_guests_are_not_counted_as_busy() -> None:
    names = "user nice system idle iowait irq softirq steal guest guest_nice"
    ticks = dict(zip(names.split(), (1, 2, 4, 1000, 2000, 8, 16, 32, 4000, 8000), strict=True))
    stat = f"cpu  {' '.join(map(str, ticks.values()))}\ncpu0 9 9 9 9 9 9 9 9 9 9\n"
    assert busy_ticks(stat) == 1 + 2 + 4 + 8 + 16 + 32


def test_load_is_what_this_program_did_and_what_the_others_did() -> None:
    load = Load.between(Reading(10.0, 1.0, 100.0), Reading(12.0, 4.0, 104.0))
    assert (load.wall_s, load.own_cores, load.other_cores) == (2.0, 1.5, 0.5)


def test_others_never_did_less_than_nothing() -> None:
    load = Load.between(Reading(0.0, 0.0, 0.0), Reading(1.0, 0.9, 0.89))
    assert load.own_cores == pytest.approx(0.9)
    assert load.other_cores == 0.0


def test_the_counters_of_the_system_never_go_back() -> None:
    meter = SystemMeter()
    first, second = meter.read(), meter.read()
    assert second.wall_s >= first.wall_s > 0
    assert second.own_s >= first.own_s > 0
    assert second.machine_s >= first.machine_s > 0
