"""A pytest plugin: the fixtures `postgresql` and `mariadb`, real servers on free loopback ports.

Each is made once for a process of the tests, in a folder of its own, and ended with it. Their data
is not synced to the disk: what is tested is what we ask of them.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.mosquitto_broker import free_port

ANSWER_S = 60.0
LOOK_S = 0.05
# PostgreSQL does not run as root.
NOBODY = "nobody"


def _program(name: str, package: str) -> str:
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/sbin")]
    path = os.pathsep.join([*map(str, places), os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.fail(f"{name} is missing: sudo apt-get install {package}", pytrace=False)
    return found


class DatabaseServer:
    """One server. It may be paused, killed and started again, on the same port and data."""

    def __init__(self, url: str, folder: Path, start: Sequence[str], user: str | None) -> None:
        self.url = url
        self.log = folder / "server.log"
        self._folder = folder
        self._start = start
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._start,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                user=self._user,
                start_new_session=True,
            )
        until = time.monotonic() + ANSWER_S
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        while True:
            try:
                with engine.connect():
                    return
            except sa.exc.SQLAlchemyError as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    pytest.fail(
                        f"{self._start[0]} does not answer: {error}\n{self.log.read_text()}"
                    )
                time.sleep(LOOK_S)

    def kill(self) -> None:
        """As by `kill -9`, its own children too: nothing of it is left when it starts again."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it; at once, where it does not end by itself."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """It keeps its port, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def database(self, name: str) -> str:
        """The address of a new, empty database."""
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return sa.make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(how)
        try:
            process.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _folder(user: str | None) -> Iterator[Path]:
    """A folder that this user may use; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="appliance-test-"))
    try:
        if user is not None:
            found = pwd.getpwnam(user)
            os.chown(folder, found.pw_uid, found.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: Sequence[str], folder: Path, user: str | None) -> None:
    done = subprocess.run(
        command, cwd=folder, user=user, capture_output=True, timeout=ANSWER_S, check=False
    )
    if done.returncode:
        pytest.fail(f"{command[0]} failed: {done.stderr.decode(errors='replace')}")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[DatabaseServer]:
    """PostgreSQL of Debian's package."""
    user = NOBODY if os.geteuid() == 0 else None
    with _folder(user) as folder:
        data, port = folder / "data", free_port()
        make = ["--encoding=UTF8", "--locale=C", "--auth=trust", "--username=app", "--no-sync"]
        _run([_program("initdb", "postgresql"), *make, f"--pgdata={data}"], folder, user)
        server = DatabaseServer(
            f"postgresql+psycopg://app@127.0.0.1:{port}/postgres",
            folder,
            [
                *(_program("postgres", "postgresql"), "-D", str(data), "-k", str(folder)),
                *("-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
            ],
            user,
        )
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[DatabaseServer]:
    """MariaDB of Debian's package."""
    with _folder(None) as folder:
        data, port = folder / "data", free_port()
        own = ["--no-defaults", f"--datadir={data}"]
        if os.geteuid() == 0:
            own.append("--user=root")
        make = [*own, "--auth-root-authentication-method=normal", "--skip-test-db"]
        _run([_program("mariadb-install-db", "mariadb-server"), *make], folder, None)
        server = DatabaseServer(
            f"mysql+pymysql://root@127.0.0.1:{port}/mysql",
            folder,
            [
                *(_program("mariadbd", "mariadb-server"), *own, f"--port={port}"),
                *("--bind-address=127.0.0.1", f"--socket={folder / 'mariadb.sock'}"),
                "--innodb-flush-log-at-trx-commit=0",
            ],
            None,
        )
        server.start()
        yield server
        server.stop()
