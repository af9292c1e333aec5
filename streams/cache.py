"""What one partition published, kept on local disk: the newest states and tallies, when the clock moves which dossier.

A copy and nothing else, in a file of LMDB. With it, opening reads only what the states topic got since; without it,
all of that topic. What was written since the last `checkpoint` is as if it never was when the process ends.
"""

import fcntl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import lmdb
import msgspec

MAP_BYTES: Final = 64 << 30  # of address space; the file is as large as its content
FILLED_MAX: Final = 20_000  # entries that a cache being filled holds in memory
DUE_BYTES: Final = 8  # of a moment, in a key of the due times
HEAD: Final = b"head"

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_ENCODER: Final = msgspec.json.Encoder()


class CacheError(OSError):
    """The cache cannot be used or written: the disk is full, or another process has it."""


class Head(msgspec.Struct, kw_only=True):
    """How far the cache reaches, and the numbers of the books that stand on it."""

    offset: int  # of the last record of `dossier-states` that is in it; -1: none
    check: int  # `check_of` that record
    as_of: int  # microseconds: tallies of stock are as of then
    dossiers: int
    anomalies: int
    rules: list[str]  # fingerprints: no state was concluded by others
    book: int  # the version of the counting
    boot: str = ""  # of the machine; nothing is forced to disk, so a file of an earlier one may be torn


def check_of(key: bytes | None, value: bytes | None) -> int:
    """32 bits that tell a record from one that has its offset in a topic which was made anew."""
    return crc32(value or b"", crc32(key or b""))


class Cache:
    """The cache in `folder`, which it alone may use. All calls from one thread; keys and values as published."""

    def __init__(self, folder: Path, *, book: int) -> None:
        self._folder = folder
        self._txn: Any
        self._entries = 0  # in the open transaction
        with self._errors():
            folder.mkdir(parents=True, exist_ok=True)
            self._owner = (folder / "owner").open("wb")
        try:
            fcntl.flock(self._owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._owner.close()
            raise CacheError(f"{folder} is another process's: give each worker its own HOSO_WORKER_PORT") from None
        self._boot = _BOOT.read_text().strip() if _BOOT.exists() else ""
        try:
            self._open()
        except CacheError:  # no file of LMDB, or a torn one
            with self._errors():
                (folder / "data.mdb").unlink(missing_ok=True)
            self._open()
        head = self.head
        if head is None or not self._boot or (head.boot, head.book) != (self._boot, book):
            self.clear()

    @property
    def head(self) -> Head | None:
        """How far the last checkpoint reached; None: it is empty."""
        found = self._txn.get(HEAD)
        return None if found is None else msgspec.json.decode(found, type=Head)

    def state(self, key: bytes) -> bytes | None:
        """The newest state of a dossier."""
        return self._get(key, self._states)

    def tally(self, key: bytes) -> bytes | None:
        """The newest tally with this key."""
        return self._get(key, self._tallies)

    def states_after(self, key: bytes, at_most: int) -> Sequence[tuple[bytes, bytes]]:
        """So many states in the order of their keys, beginning after `key`."""
        with self._errors(), self._txn.cursor(self._states) as cursor:
            is_there = cursor.set_range(key + b"\0")
            return list(islice(cursor.iternext(), at_most)) if is_there else []

    def due(self, after: int, until: int) -> list[str]:
        """The dossiers that the clock moves between two moments, the second included."""
        end, found = _due_key(until + 1, ""), []
        with self._errors(), self._txn.cursor(self._due) as cursor:
            if cursor.set_range(_due_key(after + 1, "")):
                for key in cursor.iternext(values=False):
                    if key >= end:
                        break
                    found.append(key[DUE_BYTES:].decode())
        return found

    def write(
        self,
        *,
        states: Iterable[tuple[bytes, bytes]],
        tallies: Iterable[tuple[bytes, bytes]],
        due: Iterable[tuple[int, str]],
    ) -> None:
        """Take over what was published. What goes to disk before the first checkpoint is void without it."""
        with self._errors():
            for db, items in (
                (self._states, states),
                (self._tallies, tallies),
                (self._due, [(_due_key(*entry), b"") for entry in due]),
            ):
                with self._txn.cursor(db) as cursor:
                    self._entries += cursor.putmulti(items)[0]
            if self._entries > FILLED_MAX and self.head is None:
                self._commit()

    def checkpoint(self, head: Head) -> None:
        """Keep all that was written, which is what `head` says."""
        head.boot, end = self._boot, _due_key(head.as_of + 1, "")
        with self._errors():
            with self._txn.cursor(self._due) as cursor:
                while cursor.first() and cursor.key() < end:
                    cursor.delete()
            self._txn.put(HEAD, _ENCODER.encode(head))
            self._commit()

    def clear(self) -> None:
        """Forget everything."""
        with self._errors():
            for db in (self._states, self._tallies, self._due):
                self._txn.drop(db, delete=False)
            self._txn.delete(HEAD)
            self._commit()

    def close(self) -> None:
        """Leave it as it was at the last checkpoint."""
        self._txn.abort()
        self._env.close()
        self._owner.close()

    def _open(self) -> None:
        with self._errors():
            env = lmdb.open(
                str(self._folder),
                map_size=MAP_BYTES,
                max_dbs=3,
                sync=False,
                metasync=False,
                lock=False,
                readahead=False,
            )
            try:
                size = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
                if (self._folder / "data.mdb").stat().st_size < size:
                    raise lmdb.CorruptedError("it was cut short")  # reading on would end the process
                self._states, self._tallies, self._due = map(env.open_db, (b"states", b"tallies", b"due"))
                self._env, self._txn = env, env.begin(write=True)
            except BaseException:
                env.close()
                raise

    def _commit(self) -> None:
        self._txn.commit()
        self._txn, self._entries = self._env.begin(write=True), 0

    def _get(self, key: bytes, db: Any) -> bytes | None:
        try:
            found: bytes | None = self._txn.get(key, db=db)
        except lmdb.Error as error:
            raise self._failed(error) from error
        return found

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (lmdb.Error, OSError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> CacheError:
        return CacheError(f"the worker's cache in {self._folder} (HOSO_VAR) failed: {error}")


def _due_key(moment: int, dossier_id: str) -> bytes:
    return moment.to_bytes(DUE_BYTES, "big") + dossier_id.encode()
