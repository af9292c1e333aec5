"""The examples of docs/import.md run as they stand, and do what the text says."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from schemas.codec import decode
from schemas.reference import read_calendars, read_policies
from schemas.state import Dossier, Entry, Timeliness
from services.importer.errors import Fault
from services.importer.job import Job
from services.importer.mapping_file import read_mapping
from services.importer.rejects import RejectFile
from services.importer.run import Record
from services.importer.verdicts import Cause
from streams.domain.deadline import Rulebook
from streams.domain.dossier import entry_of, fold
from tests.unit.importer.make import MAPPINGS

TEXT: Final = Path("docs/import.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```(csv|toml)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
DOSSIER_CSV, ACTION_CSV, WRONG_CSV = [text for language, text in BLOCKS if language == "csv"]
DOSSIER_TOML, RETRACT_TOML = [text for language, text in BLOCKS if language == "toml"]
RULES: Final = Rulebook.of(read_policies(), read_calendars(), default="vn-instant-1")


class Folder:
    """A log that keeps histories."""

    def __init__(self) -> None:
        self.histories: defaultdict[str, list[Entry]] = defaultdict(list)

    async def append(self, records: Sequence[Record]) -> list[tuple[int, int] | None]:
        for key, value in records:
            self.histories[key.decode()].append(entry_of(decode(value)))
        return [(0, 0)] * len(records)

    def dossiers(self) -> dict[str, Dossier]:
        return {id_: fold(id_, history, RULES) for id_, history in self.histories.items()}


def imported(folder: Path, log: Folder, mapping: str, table: str) -> Job:
    (folder / "mapping.toml").write_text(mapping, encoding="utf-8")
    (folder / "table.csv").write_text(table, encoding="utf-8")
    policies = read_policies()
    plan = read_mapping(folder / "mapping.toml", policies)
    job = Job(mapping=plan, files=[folder / "table.csv"], policies=policies, rejects=RejectFile(folder / "rejects"))
    job.survey()
    asyncio.run(job.run(log, lambda _: None))
    assert job.account.rejects == 0
    return job


def test_a_row_is_a_dossier(tmp_path: Path) -> None:
    log = Folder()
    job = imported(tmp_path, log, DOSSIER_TOML, DOSSIER_CSV)
    assert (job.account.rows, job.account.events) == (3, 5)
    assert [unit.id for unit in job.found.units] == ["Phuong-Thanh-Son", "Phuong-Vang-Danh"]
    assert {id_: dossier.timeliness for id_, dossier in log.dossiers().items()} == {
        "H49-210301-0001": Timeliness.EARLY,
        "H49-210301-0002": Timeliness.OVERDUE,
        "H49-210302-0001": None,
    }


def test_a_row_is_an_action(tmp_path: Path) -> None:
    log = Folder()
    job = imported(tmp_path, log, (MAPPINGS / "event-log.toml").read_text(encoding="utf-8"), ACTION_CSV)
    assert (job.account.rows, job.account.events, job.account.ignored) == (6, 5, 1)
    (dossier,) = log.dossiers().values()
    assert (dossier.unit_id, dossier.timeliness) == ("06808", Timeliness.EARLY)
    assert not dossier.anomalies
    assert {unit.id: unit.name_vi for unit in job.found.units} == {
        "06808": "Phường Vàng Danh",
        "196.TTHCC": "Trung tâm Hành chính công",
    }


def test_a_corrected_value_counts_when_the_old_event_is_taken_back(tmp_path: Path) -> None:
    log = Folder()
    imported(tmp_path, log, DOSSIER_TOML, DOSSIER_CSV)
    corrected = DOSSIER_CSV.replace("08/03/2021 15:20", "04/03/2021 15:20")
    imported(tmp_path, log, DOSSIER_TOML, corrected.replace("04/03/2021 15:20", "09/03/2021 15:20"))
    changed = log.dossiers()["H49-210301-0002"]
    assert changed.timeliness is Timeliness.OVERDUE  # the earlier finish counts still
    assert len(changed.anomalies) == 1
    log = Folder()
    imported(tmp_path, log, DOSSIER_TOML, DOSSIER_CSV)
    imported(tmp_path, log, RETRACT_TOML, WRONG_CSV)
    assert log.dossiers()["H49-210301-0002"].timeliness is None
    imported(tmp_path, log, DOSSIER_TOML, corrected)
    assert log.dossiers()["H49-210301-0002"].timeliness is Timeliness.EARLY
    assert not log.dossiers()["H49-210301-0002"].anomalies


def test_every_reason_and_cause_is_explained() -> None:
    assert [word for word in (*Fault, *Cause) if f"| `{word.value}` |" not in TEXT] == []
