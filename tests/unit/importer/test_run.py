"""The import as a whole, on a log in memory: what is sent, what is set aside, and how far it came."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from schemas.errors import Unavailable
from schemas.events import Kind
from services.importer import run
from services.importer.errors import CannotImport
from services.importer.rejects import RejectFile
from services.importer.run import Record
from tests.unit.importer.make import A_DOSSIER, csv_file, job, mapping

SECRET = "Nguyễn Văn A, 0912345678"


class ListLog:
    """A log that keeps what it is given, and acknowledges the first `room` records."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.records: list[Record] = []
        self._room = room

    async def append(self, records: Sequence[Record]) -> list[tuple[int, int] | None]:
        first = len(self.records)
        self.records += records
        return [(0, first + place) if first + place < self._room else None for place in range(len(records))]


def rows(count: int) -> list[dict[str, str]]:
    return [{**A_DOSSIER, "id": f"H49-{number}"} for number in range(count)]


def test_what_is_sent_is_what_is_accounted_for(tmp_path: Path) -> None:
    made = job(tmp_path, mapping(tmp_path), [csv_file(tmp_path, rows(3))])
    log = ListLog()
    steps: list[int] = []
    asyncio.run(made.run(log, steps.append))
    assert [key for key, _ in log.records] == [b"H49-0", b"H49-0", b"H49-1", b"H49-1", b"H49-2", b"H49-2"]
    assert (made.account.rows, made.account.events, made.account.stored) == (3, 6, 6)
    assert made.account.kinds == {Kind.ACCEPTED: 3, Kind.FINISHED: 3}
    assert (sum(steps), made.account.reached, made.is_clean) == (3, "the end", True)
    assert not (tmp_path / "rejects.ndjson").exists()


def test_a_second_import_of_any_order_sends_the_same_records(tmp_path: Path) -> None:
    first, second = ListLog(), ListLog()
    for log, content in ((first, rows(5)), (second, rows(5)[::-1])):
        asyncio.run(job(tmp_path, mapping(tmp_path), [csv_file(tmp_path, content)]).run(log, lambda _: None))
    assert sorted(first.records) == sorted(second.records)


def test_a_check_sends_nothing_and_counts_the_same(tmp_path: Path) -> None:
    made = job(tmp_path, mapping(tmp_path), [csv_file(tmp_path, rows(3))])
    asyncio.run(made.run(None, lambda _: None))
    assert (made.account.rows, made.account.events, made.account.stored) == (3, 6, 0)


def test_bad_rows_are_listed_without_what_they_hold_and_take_nobody_with_them(tmp_path: Path) -> None:
    content = [A_DOSSIER, {**A_DOSSIER, "accepted": SECRET.replace(",", "")}, {**A_DOSSIER, "id": ""}, A_DOSSIER]
    path = csv_file(tmp_path, content)
    made = job(tmp_path, mapping(tmp_path), [path])
    with made.rejects:
        asyncio.run(made.run(None, lambda _: None))
    written = (tmp_path / "rejects.ndjson").read_text()
    assert [json.loads(line) for line in written.splitlines()] == [
        {"file": str(path), "line": 3, "reason": "bad_time", "column": "accepted"},
        {"file": str(path), "line": 4, "reason": "missing", "column": "id"},
    ]
    assert "Nguyễn" not in written
    assert (made.account.events, made.account.rejects, made.is_clean) == (4, 2, False)
    assert made.document()["reasons"] == {"bad_time": 1, "missing": 1}


def test_several_files_are_one_import(tmp_path: Path) -> None:
    files = [csv_file(tmp_path, rows(2), "a.csv"), csv_file(tmp_path, [{**A_DOSSIER, "id": ""}], "b.csv")]
    made = job(tmp_path, mapping(tmp_path), files)
    with made.rejects:
        asyncio.run(made.run(None, lambda _: None))
    assert (made.found.rows, made.account.rows, made.account.rejects) == (3, 3, 1)


def test_an_import_that_the_broker_stops_says_how_far_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ROWS_PER_SEND", 2)
    path = csv_file(tmp_path, rows(6))
    made = job(tmp_path, mapping(tmp_path), [path])
    with pytest.raises(Unavailable, match="did not acknowledge 3 events"):
        asyncio.run(made.run(ListLog(room=5), lambda _: None))
    assert (made.account.stored, made.account.reached) == (5, f"{path} line 3")


def test_a_file_that_changes_between_the_readings_stops_the_import(tmp_path: Path) -> None:
    path = csv_file(tmp_path, rows(1))
    made = job(tmp_path, mapping(tmp_path), [path])
    csv_file(tmp_path, [*rows(1), {**A_DOSSIER, "unit": "06811"}])
    with pytest.raises(CannotImport, match="column unit changed while it was read"):
        asyncio.run(made.run(ListLog(), lambda _: None))


def test_an_older_reject_file_goes_but_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "old.ndjson").write_text("old")
    RejectFile(tmp_path / "old.ndjson")
    assert not (tmp_path / "old.ndjson").exists()
    RejectFile(tmp_path)
    assert tmp_path.is_dir()
