"""Workers' caches for ledgers that a test makes, in folders that go with the test run."""

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from streams.cache import Cache
from streams.domain.tally import BOOK_VERSION

_FOLDER = tempfile.TemporaryDirectory(prefix="hoso-caches-")
_numbers = count()
_open: list[Cache] = []


def new_cache(folder: Path | None = None) -> Cache:
    """One that is closed when the test ends; without a folder, an empty one."""
    cache = Cache(folder or Path(_FOLDER.name) / str(next(_numbers)), book=BOOK_VERSION)
    _open.append(cache)
    return cache


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _open:
        _open.pop().close()
