"""What the audit reads, set aside in a temporary SQLite file, so that memory does not grow with the log."""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

SCHEMA: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE records (  -- of dossier-events; `event` is NULL when it is none
    partition INT, koffset INT, written_ms INT, digest TEXT, flaw TEXT,
    dossier TEXT, source TEXT, id TEXT, kind TEXT, unit TEXT, at INT, due INT, event BLOB,
    PRIMARY KEY (partition, koffset)
) WITHOUT ROWID;
CREATE TABLE claims (  -- what a topic or table says about a dossier: JSON of the fields of a conclusion
    place TEXT, partition INT, koffset INT, dossier TEXT, until INT, said BLOB
);
CREATE TABLE tallies (key TEXT, partition INT, until INT, as_of INT, kpart INT, koffset INT, value BLOB);
CREATE TABLE letters (partition INT, koffset INT, reason TEXT, kpart INT, letter INT);
"""
INDEXES: Final = """
CREATE INDEX IF NOT EXISTS records_by_dossier ON records (partition, dossier, koffset);
CREATE INDEX IF NOT EXISTS records_by_name ON records (dossier, partition);  -- in whichever partition it lies
CREATE INDEX IF NOT EXISTS claims_by_dossier ON claims (dossier, place);
CREATE INDEX IF NOT EXISTS tallies_by_key ON tallies (partition, key, koffset);
CREATE INDEX IF NOT EXISTS letters_by_address ON letters (partition, koffset);
"""

Row = tuple[Any, ...]


class Spill:
    """The file and the few questions that are asked of it."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Let go of the file; whoever made its folder deletes it."""
        self._db.close()

    def add(self, table: str, rows: Iterable[Row]) -> None:
        """Add rows, all columns in order. A state replaces what its dossier's earlier record said."""
        rows = list(rows)
        if rows:
            self._db.execute("BEGIN")
            self._db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)  # noqa: S608
            self._db.execute("COMMIT")

    def keep_latest(self, place: str) -> None:
        """Of several records of a key only the last one counts, and nothing when that is a deletion."""
        self._db.executescript(INDEXES)
        self._db.execute(
            "DELETE FROM claims WHERE place = ?1 AND rowid NOT IN (SELECT rowid FROM (SELECT rowid, max(koffset) "
            "FROM claims WHERE place = ?1 GROUP BY partition, dossier))",
            (place,),
        )
        self._db.execute("DELETE FROM claims WHERE place = ? AND said IS NULL", (place,))

    def index(self) -> None:
        """Prepare for questions, once everything is read."""
        self._db.executescript(INDEXES)

    def ask(self, query: str, *parameters: Any) -> Iterator[Row]:
        """Rows, one at a time."""
        return iter(self._db.execute(query, parameters))

    def dossiers(self, partition: int) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
        """Each dossier of a partition with offset and JSON of its facts; what was set aside as unknown is left out."""
        rows = self.ask(
            "SELECT dossier, koffset, event FROM records AS r WHERE partition = ? AND dossier IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM letters AS l WHERE l.partition = r.partition AND l.koffset = r.koffset) "
            "ORDER BY dossier, koffset",
            partition,
        )
        for dossier, group in groupby(rows, key=lambda row: row[0]):
            yield str(dossier), [(koffset, event) for _, koffset, event in group]

    def claims(self, dossier: str) -> list[Row]:
        """Place, partition, offset, last event's offset and what is said."""
        return list(self.ask("SELECT place, partition, koffset, until, said FROM claims WHERE dossier = ?", dossier))
