"""The broker's jars come from whatever repository is configured, and only as the lock file names them."""

import asyncio
import shutil
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from services.local.broker import HOST, BrokerError
from services.local.jars import LOCK_FILE, fetch_jars
from tests.kafka import free_port

Configure = Callable[[int], None]

JAR = "kafka_2.13-4.3.1.jar"


class OneFolder(SimpleHTTPRequestHandler):
    """A repository on loopback: every path is answered from one folder, by its last part."""

    def translate_path(self, path: str) -> str:
        return str(Path(self.directory) / Path(path).name)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def configure_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Names the repository's port the way a user behind a mirror would: in jgo's settings file."""

    def configure(port: int) -> None:
        settings = tmp_path / "jgo.conf"
        settings.write_text(f"[repositories]\nmirror = http://{HOST}:{port}\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))

    return configure


@pytest.fixture
def repository(broker_jars: list[Path], tmp_path: Path, configure_repository: Configure) -> Iterator[Path]:
    """The folder that the configured repository serves, with every jar in it."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for jar in broker_jars:
        (folder / jar.name).symlink_to(jar)
    with ThreadingHTTPServer((HOST, 0), partial(OneFolder, directory=str(folder))) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        configure_repository(server.server_port)
        yield folder
        server.shutdown()


def fetch(cache: Path) -> tuple[list[str], list[tuple[int, int]]]:
    """The names of the jars, and the progress that was said."""
    said: list[tuple[int, int]] = []
    jars = asyncio.run(fetch_jars(cache, progress=lambda done, total: said.append((done, total))))
    return [jar.name for jar in jars], said


def test_the_lock_file_names_no_host() -> None:
    assert "://" not in LOCK_FILE.read_text()
    assert all(len(jar["sha256"]) == 64 for jar in tomllib.loads(LOCK_FILE.read_text())["dependencies"])


def test_every_jar_is_fetched_once_and_a_second_start_needs_no_network(
    repository: Path, broker_jars: list[Path], tmp_path: Path, configure_repository: Configure
) -> None:
    names = [jar.name for jar in broker_jars]
    expected = names, [(done, len(names)) for done in range(len(names) + 1)]
    assert fetch(tmp_path / "cache") == expected
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(names), "nothing is left over"

    configure_repository(free_port())  # nobody there
    assert fetch(tmp_path / "cache") == expected


def test_a_file_that_is_not_the_locked_one_is_refused(repository: Path, tmp_path: Path) -> None:
    (repository / JAR).unlink()
    (repository / JAR).write_bytes(b"not the jar")
    with pytest.raises(BrokerError, match=f"{JAR} is not the file that jgo.lock.toml names"):
        fetch(tmp_path / "cache")
    assert not (tmp_path / "cache" / JAR).exists()


def test_a_damaged_jar_in_the_cache_is_fetched_again(repository: Path, broker_jars: list[Path], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for jar in broker_jars:
        shutil.copyfile(jar, cache / jar.name)
    (cache / JAR).write_bytes((cache / JAR).read_bytes()[:-1])
    fetch(cache)
    assert (cache / JAR).read_bytes() == (repository / JAR).read_bytes()


def test_without_a_network_the_error_says_what_is_missing(tmp_path: Path, configure_repository: Configure) -> None:
    configure_repository(free_port())
    with pytest.raises(BrokerError, match=r"cannot fetch .*\.jar: ConnectionError; is the network reachable\?"):
        fetch(tmp_path / "cache")
