"""Who may write: one API key per source, and the units that the source may speak for.

The file is a JSON list of {"source", "key_sha256", "units"}, and `portal` where a source's payloads of the national
portal need explaining (docs/portal.md); `units` is ["*"] or unit ids. Only the key's SHA-256 is
kept: keys are 256 random bits, so a slow hash would add nothing, and a stolen file opens no door. A source may stand
in the list twice while its key is being changed.
"""

import fcntl
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from schemas.errors import SettingsError
from schemas.ids import SourceUri, UnitId
from services.portal.source import PortalSource

log = structlog.get_logger()

EVERY_UNIT: Final = "*"
KEY_BYTES: Final = 32
PLAIN: Final = PortalSource()


class SourceRecord(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, regex_engine="python-re")

    source: SourceUri
    key_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    units: Annotated[list[UnitId | Literal["*"]], Field(min_length=1)]
    portal: PortalSource | None = Field(None, description="How its payloads of the national portal are read.")


_FILE: Final = TypeAdapter(list[SourceRecord])


@dataclass(frozen=True, slots=True)
class Sender:
    """The source that a key belongs to. `units` is None when it may speak for every unit."""

    source: str
    units: frozenset[str] | None
    portal: PortalSource = PLAIN

    def owns(self, source: str) -> bool:
        """Its own name, or one below it: urn:hoso:demo owns urn:hoso:demo/desk-3."""
        return source == self.source or source.startswith(f"{self.source}/")

    def speaks_for(self, unit_id: str) -> bool:
        """Whether an event may say that this unit acted."""
        return self.units is None or unit_id in self.units


def create_source(path: Path, source: str, units: Iterable[str]) -> str:
    """Give `source` a key, write the file anew (mode 0600, all or nothing), and return the key: it is kept nowhere.

    An earlier key of the same source stops working. A running gateway sees the change by itself.
    """
    key = secrets.token_urlsafe(KEY_BYTES)
    try:
        record = SourceRecord(source=source, key_sha256=_digest(key), units=list(units))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise SettingsError(f"{'/'.join(map(str, first['loc']))}: {first['msg']}") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # two commands at once must not undo each other
        present = read_sources(path) if path.exists() else []
        others = [other for other in present if other.source != source]
        portal = next((other.portal for other in present if other.source == source), None)
        records = [*others, record.model_copy(update={"portal": portal})]
        _replace(path, _FILE.dump_json(records, indent=2, exclude_none=True) + b"\n")
    finally:
        os.close(folder)
    return key


def read_sources(path: Path) -> list[SourceRecord]:
    """The file's entries; `SettingsError` says what to do when it cannot be read."""
    try:
        return _FILE.validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}); set HOSO_SOURCES_FILE or make a key") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = "/".join(map(str, first["loc"]))
        raise SettingsError(f"{path} is no list of sources, at /{place}: {first['msg']}") from None


class Sources:
    """The file as a look-up by key, read again whenever it changes.

    A file that has become unreadable leaves the last good keys in force and the gateway not ready; a gateway that
    has never seen a good one lets nobody in.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._senders: dict[str, Sender] = {}
        self._trouble = ""

    def sender_of(self, key: str) -> Sender | None:
        """Whose key this is. The look-up is by hash, so its time tells nothing about any key."""
        self._refresh()
        return self._senders.get(_digest(key))

    async def check(self) -> str:
        """Empty when the file is readable, else what to do."""
        self._refresh()
        return self._trouble

    def _refresh(self) -> None:
        try:
            now = self._path.stat()
            stamp = (now.st_ino, now.st_mtime_ns, now.st_size)
        except OSError:
            stamp = None
        if stamp is not None and stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            records = read_sources(self._path)
        except SettingsError as error:
            if str(error) != self._trouble:
                log.warning("keys_unreadable", path=str(self._path))
            self._trouble = str(error)
            return
        self._trouble = ""
        self._senders = {
            record.key_sha256: Sender(
                source=record.source,
                units=None if EVERY_UNIT in record.units else frozenset(record.units),
                portal=record.portal or PLAIN,
            )
            for record in records
        }


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()


def _replace(path: Path, content: bytes) -> None:
    """Write beside and rename, so that a reader sees the old file or the new one; mkstemp makes it mode 0600."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
