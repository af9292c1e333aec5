"""Fetches the jars of the local broker, by the lock file beside this module.

Promises: every jar handed out has the SHA-256 that `jgo.lock.toml` gives; a jar that is in the cache is not fetched
again, so a second start needs no network; two processes may fetch into one cache at the same time. Which host serves
the jars is up to jgo and its settings file.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Final

from jgo.config import GlobalSettings
from jgo.env import LockedDependency, LockFile
from jgo.maven import MavenContext
from requests import RequestException
from requests.exceptions import SSLError

from services.local.broker import BrokerError

LOCK_FILE: Final = Path(__file__).with_name("jgo.lock.toml")
PARALLEL_FETCHES: Final = 8  # 46 jars, two requests each: the round trips cost more than the bytes
TIMEOUT_S: Final = 20  # without a byte, per request


async def fetch_jars(cache: Path, *, progress: Callable[[int, int], None]) -> list[Path]:
    """The broker's class path, from `cache`, fetching what is missing there.

    `progress` is called in the event loop with (jars done, jars in all). Raises `BrokerError` when a jar cannot be had.
    """
    locked = LockFile.load(LOCK_FILE).dependencies
    remote_repos = GlobalSettings.load().repositories or None  # None: jgo's own default
    pool = ThreadPoolExecutor(PARALLEL_FETCHES)
    loop = asyncio.get_running_loop()
    done = count(1)

    async def fetch(jar: LockedDependency) -> Path:
        path = await loop.run_in_executor(pool, _fetch, jar, cache, remote_repos)
        progress(next(done), len(locked))
        return path

    progress(0, len(locked))
    try:
        return await asyncio.gather(*map(fetch, locked))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def missing_jars(cache: Path) -> tuple[int, int]:
    """How many of how many jars a start would fetch."""
    locked = LockFile.load(LOCK_FILE).dependencies
    return sum(not _is_there(jar, cache / _name(jar)) for jar in locked), len(locked)


def _fetch(jar: LockedDependency, cache: Path, remote_repos: dict[str, str] | None) -> Path:
    """The jar's file in the cache, fetched if it is missing there or not what the lock says."""
    wanted = cache / _name(jar)
    if _is_there(jar, wanted):
        return wanted
    cache.mkdir(parents=True, exist_ok=True)
    # Moved in whole and checked: a fetch cut short never looks like a jar.
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as staging:
        context = MavenContext(repo_cache=Path(staging), remote_repos=remote_repos, timeout=TIMEOUT_S)
        artifact = context.project(jar.groupId, jar.artifactId).at_version(jar.version).artifact()
        try:
            fetched = artifact.resolve()
        except (RequestException, RuntimeError) as error:  # jgo raises a bare RuntimeError for "no repository has it"
            hint = (
                "a proxy that inspects TLS needs its certificate in REQUESTS_CA_BUNDLE"
                if isinstance(error, SSLError)
                else "is the network reachable?"
            )
            raise BrokerError(f"cannot fetch {wanted.name}: {type(error).__name__}; {hint}") from error
        if _sha256(fetched) != jar.sha256:
            raise BrokerError(f"{wanted.name} is not the file that {LOCK_FILE.name} names: its SHA-256 differs")
        fetched.replace(wanted)
    return wanted


def _name(jar: LockedDependency) -> str:
    return f"{jar.artifactId}-{jar.version}.jar"


def _is_there(jar: LockedDependency, path: Path) -> bool:
    return path.exists() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
