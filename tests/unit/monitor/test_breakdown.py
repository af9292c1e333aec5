"""Sums over levels count a dossier once, at its root; fields and procedures sum to the unit's numbers."""

import asyncio
from collections import Counter
from datetime import date
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from schemas.tallies import LINKED, OPEN_ACCEPTED, RECEIVED, RESOLVED, Tally, of_procedure
from services.monitor.api import create_app
from services.monitor.board import Board
from services.monitor.breakdown import fields_of, procedures_of
from services.monitor.metrics import MonitorCollector
from services.monitor.periods import days, period, sum_counts
from services.monitor.published import Published
from services.monitor.views import Fields, FieldView, Procedures
from streams.domain.tally import standing
from tests.levels import AS_OF, PROCEDURES, UNITS, World, at_or_below, counted, world
from tests.unit.monitor.make import CENTRE, CITY, WARD, apply, board, heartbeat, procedure, published, tally

KNOWN = (procedure("9.1", "LAND"), procedure("9.2", "LAND"), procedure("9.3", "CIVIL"))


def shown(made: World) -> Board:
    """The board of a world, its counters spread over records as the processor sends them."""
    found = board(units=UNITS, procedures=PROCEDURES)
    keys = [(unit, subset, None) for unit, subset in made.book.stock] + list(made.book.flow)
    for unit, subset, day in keys:
        counts = made.book.stock[unit, subset] if day is None else made.book.flow[unit, subset, day]
        record = Tally(unit_id=unit, partition=0, offset=1, as_of=AS_OF, counts=counts, day=day, subset=subset)
        found.apply_tally(record.key, msgspec.json.encode(record), at_ms=0)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_rolled_figures_are_those_of_the_dossiers_counted_once(seed: int) -> None:
    made = world(seed)
    of = shown(made)
    for unit in UNITS:
        members = at_or_below(unit.id)
        dossiers = counted(made.dossiers, unit.id)
        family = of.family(unit.id)
        flows = Counter(flow.counter for each in dossiers for flow in each.flows if flow.unit_id in members)
        stock = Counter(standing(each, AS_OF).bucket for each in dossiers if each.unit_id in members)
        total = period(family, None, None)
        assert total is not None
        assert {counter: count for counter, count in total.flow.model_dump().items() if count} == dict(flows)
        assert total.received == sum(flows[counter] for counter in RECEIVED.values())
        assert total.resolved == sum(flows[counter] for counter in RESOLVED.values())
        assert total.closing == sum(stock[counter] for counter in OPEN_ACCEPTED)
        now = sum_counts(sums.stock for sums in family)
        assert {counter: count for counter, count in now.items() if count} == {k: n for k, n in stock.items() if k}
        series = days(family, None, None)
        assert series is not None
        assert [each.closing for each in series][-1] == total.closing
        assert all(each.closing >= 0 and each.workload == each.resolved + each.closing for each in series)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("year", [None, 2020, 2021])
def test_fields_and_procedures_sum_to_the_unit(seed: int, year: int | None) -> None:
    of = shown(world(seed))
    for unit in UNITS:
        family = of.family(unit.id)
        first, last = (None, None) if year is None else (date(year, 1, 1), date(year, 12, 31))
        whole = period(family, first, last)
        assert whole is not None
        for parts in (fields_of(of, unit.id, year), procedures_of(of, unit.id, year)):
            assert parts is not None
            for name in ("opening", "received", "workload", "resolved", "closing"):
                assert sum(getattr(part.period, name) for part in parts) == getattr(whole, name)
            assert sum(part.in_progress for part in parts) == sum(
                each.stock.get(counter, 0) for each in family for counter in OPEN_ACCEPTED
            )
            assert {part.unit_share.denominator for part in parts} <= {whole.workload}


def test_a_linked_dossier_counts_where_it_lies_and_once_above() -> None:
    made = board(
        tally(WARD.id, open_overdue=1),
        tally(CENTRE.id, open_overdue=3),
        tally(CENTRE.id, subset=LINKED, open_overdue=1),
        tally(CITY.id, open_paused=1),
        tally(CITY.id, subset=LINKED, open_paused=1),
    )
    assert [sums.stock for sums in made.family(CENTRE.id)] == [{"open_overdue": 3}]
    rolled = Counter[str]()
    for sums in made.family(CITY.id):
        rolled.update(sums.stock)
    assert rolled == {"open_overdue": 3, "open_paused": 0}
    apply(made, tally(CENTRE.id, subset=LINKED, open_overdue=2))
    assert sum(sums.stock.get("open_overdue", 0) for sums in made.family(CITY.id)) == 2


RECORDS = (
    heartbeat(),
    tally(WARD.id, open_within_due=3, open_overdue=1),
    tally(WARD.id, day="2020-12-31", received_direct=6),
    tally(WARD.id, day="2021-03-01", received_online=2, resolved_early=3, resolved_on_time=1),
    tally(WARD.id, subset=of_procedure("9.1"), open_within_due=3),
    tally(WARD.id, subset=of_procedure("9.3"), open_overdue=1),
    tally(WARD.id, subset=of_procedure("9.1"), day="2020-01-01", received_direct=4),
    tally(WARD.id, subset=of_procedure("8.8"), day="2020-01-01", received_direct=1),
    tally(WARD.id, subset=of_procedure("9.3"), day="2020-01-01", received_direct=1),
    tally(WARD.id, subset=of_procedure("9.1"), day="2021-01-01", received_online=2, resolved_early=3),
    tally(WARD.id, subset=of_procedure("8.8"), day="2021-01-01", resolved_on_time=1),
)


def get(path: str, made: Published, etag: str = "") -> httpx.Response:
    async def scene() -> httpx.Response:
        app = create_app(made, checks={}, registry=CollectorRegistry())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://monitor") as client:
            return await client.get(path, headers={"If-None-Match": etag})

    return asyncio.run(scene())


def rows(found: list[FieldView] | None) -> list[tuple[Any, ...]]:
    assert found is not None
    return [
        (each.field_id, each.name_vi, each.period.opening, each.period.received, each.period.resolved,
         each.period.closing, each.in_progress, each.unit_share.percent)
        for each in found
    ]  # fmt: skip


def test_a_unit_answers_by_field_with_the_unknown_apart() -> None:
    made = published(board(*RECORDS, procedures=KNOWN))
    for unit in (WARD.id, CITY.id):
        found = Fields.model_validate_json(get(f"/v1/units/{unit}/fields?year=2021", made).content)
        assert (found.unit_id, found.year, found.freshness.state) == (unit, 2021, "live")
        assert rows(found.fields) == [
            ("LAND", "Lĩnh vực LAND", 4, 2, 3, 3, 3, 75.0),
            ("", "Chưa rõ lĩnh vực", 1, 0, 1, 0, 0, 12.5),
            ("CIVIL", "Lĩnh vực CIVIL", 1, 0, 0, 1, 1, 12.5),
        ]


def test_a_unit_answers_by_procedure() -> None:
    made = published(board(*RECORDS, procedures=KNOWN))
    found = Procedures.model_validate_json(get(f"/v1/units/{WARD.id}/procedures", made).content).procedures
    assert found is not None
    assert [(each.procedure_id, each.name_vi, each.field_id, each.period.workload) for each in found] == [
        ("9.1", "Thủ tục 9.1", "LAND", 6),
        ("8.8", "8.8", "", 1),
        ("9.3", "Thủ tục 9.3", "CIVIL", 1),
    ]


def test_no_data_is_null_and_nothing_is_empty() -> None:
    made = published(board(tally(WARD.id)))
    assert get(f"/v1/units/{CENTRE.id}/fields", made).json()["fields"] is None
    assert get(f"/v1/units/{WARD.id}/fields", made).json()["fields"] == []
    assert get(f"/v1/units/{CENTRE.id}/procedures", made).json()["procedures"] is None


def test_a_breakdown_has_an_etag_of_its_year_and_wrong_questions_are_problems() -> None:
    made = published(board(*RECORDS))
    etag = get(f"/v1/units/{WARD.id}/fields?year=2021", made).headers["etag"]
    again = get(f"/v1/units/{WARD.id}/fields?year=2021", made, etag)
    assert (again.status_code, again.content, again.headers["hoso-state"]) == (304, b"", "live")
    assert get(f"/v1/units/{WARD.id}/fields?year=2020", made, etag).status_code == 200
    assert get("/v1/units/06809/fields", made).json()["known"] == [WARD.id]
    assert get(f"/v1/units/{WARD.id}/procedures?year=last", made).json()["code"] == "wrong_parameter"


def test_another_catalogue_or_another_procedure_is_a_new_version() -> None:
    of = board(*RECORDS)
    made = published(of)
    before = made.name
    of.apply_procedure("9.1", KNOWN[0].model_dump_json().encode())
    made.advance(made.freshness, now_s=0)
    assert made.name != before
    fields = get(f"/v1/units/{WARD.id}/fields", made).json()["fields"]
    assert [each["field_id"] for each in fields] == ["LAND", ""]
    before = made.name
    apply(of, tally(WARD.id, subset=of_procedure("9.3"), open_overdue=0))
    made.advance(made.freshness, now_s=0)
    assert made.name != before


def test_fields_are_metrics_and_linked_dossiers_can_be_taken_off() -> None:
    of = board(*RECORDS, tally(CENTRE.id, open_overdue=2), tally(CENTRE.id, subset=LINKED, open_overdue=1),
               tally(CENTRE.id, subset=of_procedure("9.3"), open_overdue=2),
               tally(CENTRE.id, subset=of_procedure("9.3", linked=True), open_overdue=1), procedures=KNOWN)  # fmt: skip
    feed: Any = type("Feed", (), {"log_ends": type("Ends", (), {"ends": {}}), "skipped": 0})
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in MonitorCollector(published(of), feed).collect()
        for sample in metric.samples
    }
    assert found["hoso_dossiers", CENTRE.id, "overdue"] == 2
    assert found["hoso_linked_dossiers", CENTRE.id, "overdue"] == 1
    assert found["hoso_field_dossiers", "CIVIL", "overdue"] == 2
    assert found["hoso_field_dossiers", "LAND", "within_due"] == 3
    assert found["hoso_field_resolved_dossiers", "", "on_time"] == 1
