"""Real dossiers beside a real city's own verdicts: Boston 311, 2015-2018 (docs/import.md).

Rows become events and events are folded in memory: no broker. Skipped where the data is absent.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from schemas.codec import decode
from schemas.reference import read_calendars, read_policies
from schemas.state import Entry
from schemas.tallies import WHOLE
from services.importer.job import Job
from services.importer.mapping import DossierMapping
from services.importer.mapping_file import read_mapping
from services.importer.rejects import RejectFile
from services.importer.run import Record
from streams.domain.deadline import Rulebook
from streams.domain.dossier import entry_of, fold, micros
from streams.domain.tally import add_counts, recount

REPO: Final = Path(__file__).parents[2]
DATA: Final = REPO.parent / "shared" / "data" / "boston311_2015_2018.csv.gz"
MAPPING: Final = REPO / "schemas" / "reference" / "mappings" / "boston311.toml"
AS_OF: Final = datetime(2020, 1, 1, tzinfo=UTC)  # after the last promise

# Closed so many seconds before they were opened: crews close cases on devices with their own clocks.
CLOSED_FIRST: Final = {
    "101001417692": 3,
    "101001420924": 15,
    "101001572857": 58,
    "101001705895": 1,
    "101001707317": 1,
    "101001713424": 7,
    "101001776077": 1,
    "101001944405": 1,
    "101001981396": 3,
    "101002112461": 2,
}

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"no real data at {DATA.parent}: nothing to compare with")


class Folder:
    """A log that folds what it is given."""

    def __init__(self) -> None:
        self.histories: defaultdict[str, list[Entry]] = defaultdict(list)

    async def append(self, records: Sequence[Record]) -> list[tuple[int, int] | None]:
        for key, value in records:
            self.histories[key.decode()].append(entry_of(decode(value)))
        return [(0, 0)] * len(records)


def imported(tmp_path: Path, **changes: object) -> tuple[Job, Counter[str]]:
    """The import of all cases, and the counters of all units together."""
    policies = read_policies()
    mapping = read_mapping(MAPPING, policies)
    assert isinstance(mapping, DossierMapping)
    job = Job(
        mapping=mapping.model_copy(update=changes),
        files=[DATA],
        policies=policies,
        rejects=RejectFile(tmp_path / "rejects.ndjson"),
    )
    job.survey()
    folder = Folder()
    asyncio.run(job.run(folder, lambda _: None))
    rules = Rulebook.of(policies, read_calendars(), default="vn-day-1")
    dossiers = [fold(id_, history, rules) for id_, history in folder.histories.items()]
    book = recount(dossiers, micros(AS_OF))
    whole = [counts for key, counts in (*book.stock.items(), *book.flow.items()) if key[1] == WHOLE]
    return job, Counter(add_counts(whole))


def test_counters_agree_with_the_citys_own_verdicts(tmp_path: Path) -> None:
    job, counts = imported(tmp_path)
    summary = job.document()
    assert (summary["rows"], summary["events"], summary["rejects"]) == (29_347, 48_943, 0)
    assert len(job.found.units) == 78  # 65 queues in 13 departments
    verdict = summary["verdict"]
    assert verdict["by_verdict"] == {"ONTIME": {"early": 14_454}, "OVERDUE": {"overdue": 708}}
    assert (verdict["agree"], verdict["differ"], verdict["differences"]) == (15_162, 0, [])
    assert verdict["not_compared"] == {"without a promise": 4_434, "open": 9_751}
    assert {each["dossier"]: each["seconds"] for each in summary["retimed_list"]} == CLOSED_FIRST
    assert summary["irregular_times"] == 0  # so no verdict hangs on how an hour that comes twice is read
    assert counts["resolved_early"] + counts["resolved_on_time"] == 14_454
    assert counts["resolved_overdue"] == 708
    assert counts["resolved_undated"] == 4_434  # the city calls a case without a promise ONTIME
    assert counts["open_overdue"] == 1_990  # the city calls these OVERDUE as well
    assert counts["open_undated"] == 7_761
    assert sum(count for name, count in counts.items() if name.startswith("received_")) == 29_347


def test_without_a_margin_for_clocks_ten_cases_differ_and_each_has_its_cause(tmp_path: Path) -> None:
    job, counts = imported(tmp_path, clock_skew_s_max=0)
    verdict = job.document()["verdict"]
    assert verdict["by_verdict"] == {"ONTIME": {"early": 14_444, "open": 10}, "OVERDUE": {"overdue": 708}}
    assert {each["dossier"] for each in verdict["differences"]} == set(CLOSED_FIRST)
    assert {(each["ours"], each["theirs"], each["cause"]) for each in verdict["differences"]} == {
        ("open", "ONTIME", "closes_before_it_opens")
    }
    assert (counts["resolved_early"], counts["resolved_overdue"]) == (14_444, 708)
    assert counts["open_overdue"] == 2_000  # the ten stay open, and the clock makes them late
