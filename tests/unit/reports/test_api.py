"""The API over ASGI: the same app over a small log in the embedded engine, and over none."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI
from openapi_spec_validator import validate

from schemas.errors import Unavailable
from schemas.events import Kind, Outcome
from schemas.settings import Settings
from services.reports import answers as limits
from services.reports.answers import Answers
from services.reports.api import PLACES, Metrics, create_app, openapi_document
from services.reports.log import Ask
from services.reports.views import CellAnswer, DossierAnswer, EventsAnswer, ReportAnswer, WhatIfAnswer
from services.sink.clickhouse import open_embedded
from services.sink.migrations import migrate, read_migrations
from tests.factories import UNIT, at, event, rules
from tests.logs import PARTITION, Logged, store

SETTINGS: Final = Settings(clock=at("2022-06-30 12:00"))
PERIOD: Final = "from=2021-01-01&to=2021-12-31"
LOG: Final = [
    Logged(
        event(Kind.ACCEPTED, "2021-12-20 08:00", id="a", dossier="D1", due_at="2021-12-24 17:00"),
        at("2021-12-20 08:01"),
    ),
    Logged(
        event(Kind.FINISHED, "2021-12-24 09:00", id="f", dossier="D1", outcome=Outcome.GRANTED), at("2022-02-01 08:01")
    ),
    Logged(event(Kind.ACCEPTED, "2021-12-20 08:00", id="a2", dossier="D2"), at("2021-12-20 08:02")),
]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """The tables with the small log."""
    warehouse = open_embedded(tmp_path_factory.mktemp("clickhouse"))
    migrate(warehouse, read_migrations())
    store(warehouse, LOG, rules=rules())
    yield warehouse.query
    warehouse.close()


def app_over(open_: Callable[[], AbstractContextManager[Ask]]) -> FastAPI:
    return create_app(Answers(SETTINGS, open_), checks={}, metrics=Metrics())


def get(app: FastAPI | Ask, path: str) -> httpx.Response:
    over = app if isinstance(app, FastAPI) else app_over(lambda: nullcontext(app))

    async def scene() -> httpx.Response:
        transport = httpx.ASGITransport(over)
        async with httpx.AsyncClient(transport=transport, base_url="http://reports") as client:
            return await client.get(path)

    return asyncio.run(scene())


def test_every_answer_says_as_of_when_known_when_and_by_which_rules(ask: Ask) -> None:
    for path in (
        "/v1/dossiers/D1?",
        "/v1/dossiers/D1/events?",
        f"/v1/explain?unit={UNIT}&counter=in_progress&{PERIOD}",
        f"/v1/report?{PERIOD}",
        f"/v1/what-if?policy=vn-instant-1&{PERIOD}",
    ):
        answer = get(ask, f"{path}&known_at=2022-01-05T00:00%2B07:00")
        assert answer.status_code == 200, answer.text
        told = answer.json()
        instants = "2022-01-05T00:00:00+07:00", "2021-12-31T23:59:59.999999+07:00"
        assert told["known_at"] == instants[0]
        assert told["as_of"] in instants
        assert (told["policy"], told["rules"]) == ("vn-day-1", rules().fingerprint)


def test_a_dossier_stands_as_it_was_known(ask: Ask) -> None:
    now = DossierAnswer.model_validate_json(get(ask, "/v1/dossiers/D1").content)
    assert now.state is not None
    assert (now.state.status, now.state.timeliness, now.event_offset) == ("finished", "on_time", 1)
    then = get(ask, "/v1/dossiers/D1?at=2021-12-31&known_at=2022-01-05").json()
    assert (then["state"]["status"], then["state"]["stock"], then["event_offset"]) == ("accepted", "open_overdue", 0)
    assert (then["as_of"], then["known_at"]) == ("2021-12-31T23:59:59.999999+07:00", "2022-01-05T23:59:59.999999+07:00")
    before = get(ask, "/v1/dossiers/D1?at=2021-12-19").json()
    assert before["state"] is None


def test_events_have_their_address_and_say_what_they_did(ask: Ask) -> None:
    found = EventsAnswer.model_validate_json(get(ask, "/v1/dossiers/D1/events?at=2021-12-20").content)
    assert [(each.event_id, each.partition, each.offset) for each in found.events] == [("a", PARTITION, 0)]
    assert found.events[0].recorded_at == at("2021-12-20 08:01")
    assert found.events[0].did[0] == "status none to accepted"
    assert found.happened_later == 1


def test_a_number_opens_into_its_dossiers(ask: Ask) -> None:
    path = f"/v1/explain?unit={UNIT}&{PERIOD}&counter="
    answer = get(ask, f"{path}resolved_on_time")
    stored = CellAnswer.model_validate(answer.json() | {"first_on": "2021-01-01", "last_on": "2021-12-31"})
    assert (answer.json()["from"], answer.json()["to"]) == ("2021-01-01", "2021-12-31")
    assert [(each.dossier_id, each.event_offset, each.count) for each in stored.members] == [("D1", 1, 1)]
    folded = get(ask, f"{path}resolved_on_time&known_at=2022-06-01").json()
    assert (folded["count"], folded["digest"]) == (1, stored.digest)
    then = get(ask, f"{path}in_progress&known_at=2022-01-05").json()
    assert (then["count"], [each["dossier_id"] for each in then["members"]]) == (2, ["D1", "D2"])
    assert get(ask, f"{path}in_progress&procedure=none").json()["count"] == 0


def test_the_report_of_january_comes_back(ask: Ask) -> None:
    june, january = (get(ask, f"/v1/report?unit={UNIT}&{PERIOD}{k}") for k in ("", "&known_at=2022-01-05"))
    ReportAnswer.model_validate(june.json())
    totals = [each.json()["report"]["total"]["counts"] for each in (january, june)]
    assert [(each["received"], each["resolved"], each["in_progress"]) for each in totals] == [(2, 0, 2), (2, 1, 1)]
    assert january.json()["report"]["known_at"] == january.json()["known_at"] == "2022-01-05T23:59:59.999999+07:00"
    by_unit = get(ask, f"/v1/report?by=unit&{PERIOD}&known_at=2022-01-05").json()["report"]
    assert [line["code"] for line in by_unit["lines"]] == [UNIT]
    assert (by_unit["digest"], by_unit["total"]) == (
        january.json()["report"]["digest"],
        january.json()["report"]["total"],
    )


def test_what_if_shows_the_rules_in_force_first(ask: Ask) -> None:
    path = f"/v1/what-if?policy=vn-half-day-1&policy=vn-day-1&unit={UNIT}&{PERIOD}"
    found = WhatIfAnswer.model_validate(get(ask, path).json() | {"first_on": "2021-01-01", "last_on": "2021-12-31"})
    assert list(found.counts) == ["stored", "vn-half-day-1", "vn-day-1"]
    assert found.counts["stored"] == found.counts["vn-day-1"]
    assert [(each.rules, each.dossier_id, each.was, each.would_be) for each in found.first] == [
        ("vn-half-day-1", "D1", "on_time", "early")
    ]
    calendar = get(ask, f"/v1/what-if?calendar=vn-1&{PERIOD}").json()
    assert (list(calendar["counts"]), calendar["total"]) == (["stored", "calendar vn-1"], 0)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/dossiers/none", 404, "unknown_dossier"),
        ("/v1/dossiers/D1?known_at=2020-01-01", 404, "unknown_dossier"),
        (f"/v1/what-if?policy=none&{PERIOD}", 404, "unknown_rules"),
        (f"/v1/what-if?calendar=none&{PERIOD}", 404, "unknown_rules"),
        (f"/v1/what-if?{PERIOD}", 422, "wrong_parameter"),
        ("/v1/dossiers/D1?at=yesterday", 422, "wrong_parameter"),
        (f"/v1/explain?unit={UNIT}&counter=none&{PERIOD}", 422, "wrong_parameter"),
        ("/v1/report?from=2021-12-31&to=2021-01-01", 422, "wrong_parameter"),
        ("/v1/report?from=2021-12-31", 422, "wrong_parameter"),
        ("/v1/nothing", 404, "not_found"),
    ],
)
def test_what_is_wrong_is_a_problem(ask: Ask, path: str, status: int, code: str) -> None:
    answer = get(ask, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert get(ask, answer.json()["type"]).status_code == 200


def test_a_heavy_question_is_told_what_to_ask_instead(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RECORDS_MAX", 2)
    for path in (f"/v1/report?known_at=2022-06-01&{PERIOD}", f"/v1/what-if?policy=vn-day-1&{PERIOD}"):
        answer = get(ask, path)
        assert (answer.status_code, answer.json()["code"]) == (422, "too_much")
        assert "3 records" in answer.json()["detail"]


def test_without_clickhouse_the_answer_is_to_come_back() -> None:
    @contextmanager
    def nothing() -> Iterator[Any]:
        raise Unavailable("ClickHouse at 127.0.0.1:1 does not answer")
        yield

    answer = get(app_over(nothing), f"/v1/report?{PERIOD}")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "5")


def test_when_all_places_are_taken_the_next_question_is_told_to_come_back(ask: Ask) -> None:
    inside, leave = threading.Semaphore(0), threading.Event()

    @contextmanager
    def slow() -> Iterator[Ask]:
        inside.release()
        leave.wait(10)
        yield ask

    app = app_over(slow)

    async def scene() -> tuple[httpx.Response, list[httpx.Response]]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reports") as client:
            waiting = [asyncio.create_task(client.get("/v1/dossiers/D1")) for _ in range(PLACES)]
            for _ in waiting:
                await asyncio.to_thread(inside.acquire, timeout=10)
            refused = await client.get("/v1/dossiers/D1")
            leave.set()
            return refused, await asyncio.gather(*waiting)

    refused, answered = asyncio.run(scene())
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "busy", "5")
    assert [each.status_code for each in answered] == [200] * PLACES
    assert get(app, "/v1/dossiers/D1").status_code == 200  # a place is given back


def test_the_openapi_document_is_valid_and_needs_no_clickhouse(ask: Ask) -> None:
    document = openapi_document()
    validate(document)
    assert set(document["paths"]) == {
        "/v1/dossiers/{code}", "/v1/dossiers/{code}/events", "/v1/explain", "/v1/report", "/v1/what-if",
        "/livez", "/readyz", "/metrics",
    }  # fmt: skip
    assert document == get(ask, "/openapi.json").json()
