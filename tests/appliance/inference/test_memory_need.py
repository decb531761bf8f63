"""What is free, of the machine and of groups with a limit."""

from pathlib import Path

import pytest

from appliance.inference.memory_need import free_mib, needed_mib, shortage

MIB = 1 << 20
FREE = "MemTotal:       8000000 kB\nMemAvailable:   2048000 kB\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "proc/meminfo", FREE)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_groups_it_is_what_the_machine_has(root: Path) -> None:
    assert free_mib(root) == 2000


def test_where_nothing_says_it_nobody_knows(tmp_path: Path) -> None:
    assert free_mib(tmp_path) is None


def test_a_limit_of_a_group_counts_without_what_is_only_kept_of_files(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/system.slice/appliance.service\n")
    group = root / "sys/fs/cgroup/system.slice/appliance.service"
    write(group / "memory.max", f"{800 * MIB}\n")
    write(group / "memory.current", f"{500 * MIB}\n")
    write(group / "memory.stat", f"anon {400 * MIB}\nfile {100 * MIB}\n")
    assert free_mib(root) == 400


def test_the_limit_of_a_group_above_counts_too(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/box/inner\n")
    write(root / "sys/fs/cgroup/box/inner/memory.max", "max\n")
    write(root / "sys/fs/cgroup/box/memory.max", f"{300 * MIB}\n")
    write(root / "sys/fs/cgroup/box/memory.current", f"{100 * MIB}\n")
    assert free_mib(root) == 200


def test_groups_of_the_first_version_are_read(root: Path) -> None:
    write(root / "proc/self/cgroup", "3:cpuset:/\n4:cpu,memory:/docker/x\n0::/\n")
    group = root / "sys/fs/cgroup/memory/docker/x"
    write(group / "memory.limit_in_bytes", f"{600 * MIB}\n")
    write(group / "memory.usage_in_bytes", f"{100 * MIB}\n")
    write(root / "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(root / "sys/fs/cgroup/memory/memory.usage_in_bytes", f"{100 * MIB}\n")
    assert free_mib(root) == 500


def test_more_taken_than_allowed_is_nothing_free(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/\n")
    write(root / "sys/fs/cgroup/memory.max", f"{100 * MIB}\n")
    write(root / "sys/fs/cgroup/memory.current", f"{120 * MIB}\n")
    assert free_mib(root) == 0


def test_a_model_needs_several_times_its_file_and_what_lies_beside_it(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(bytes(2 * MIB))
    assert needed_mib(model) == 68
    (tmp_path / "m.onnx.data").write_bytes(bytes(10 * MIB))
    assert needed_mib(model) == 108


def test_what_does_not_fit_is_said_in_numbers() -> None:
    assert shortage(61, 60) == "it needs about 61 MiB of memory, 60 are free"
    assert shortage(60, 60) == ""
    assert shortage(10**9, None) == ""
