"""One local stack per data folder: a lock file that says who holds it. It falls with its process, however that ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

NAME: Final = "up.lock"


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who runs the stack of a folder, and what answers where."""

    pid: int
    urls: dict[str, str]


class AlreadyRunning(Exception):
    """Another process runs the stack of this folder; `owner` is None while it has not said who it is."""

    def __init__(self, var: Path, owner: Owner | None) -> None:
        self.owner = owner
        who = f"process {owner.pid}" if owner else "another process"
        where = "".join(f"\n  {name}: {url}" for name, url in owner.urls.items()) if owner else ""
        super().__init__(f"{who} already runs the stack in {var}; stop it, or set HOSO_VAR to another folder{where}")


@contextmanager
def only_one(var: Path, owner: Owner) -> Iterator[None]:
    """Hold the folder's lock; `AlreadyRunning` when somebody else does."""
    var.mkdir(parents=True, exist_ok=True)
    with (var / NAME).open("a+b") as file:  # "a": the other's words must survive our opening it
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(var, _read(var)) from None
        file.truncate(0)
        file.write(msgspec.json.encode(owner))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def owner_of(var: Path) -> Owner | None:
    """Who runs the stack of this folder; None: nobody."""
    try:
        with (var / NAME).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(var)
    except FileNotFoundError:
        pass
    return None


def _read(var: Path) -> Owner | None:
    try:
        return msgspec.json.decode((var / NAME).read_bytes(), type=Owner)
    except msgspec.DecodeError:
        return None
