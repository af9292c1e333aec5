"""The API over ASGI: no broker, the same app."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from openapi_spec_validator import validate
from prometheus_client import CollectorRegistry

from services.monitor import api
from services.monitor.api import create_app, messages, openapi_document
from services.monitor.page import STATIC, page_build
from services.monitor.published import Published
from services.monitor.views import UnitAnswer, Units
from tests.unit.monitor.make import (
    CENTRE,
    CITY,
    NOW_S,
    WARD,
    apply,
    board,
    freshness,
    heartbeat,
    published,
    tally,
)

RECORDS = (
    heartbeat(),
    tally(WARD.id, open_within_due=3, open_overdue=1),
    tally(WARD.id, day="2020-12-31", received_direct=6),
    tally(WARD.id, day="2021-03-01", received_online=2, resolved_early=3, resolved_on_time=1),
)


def app_over(made: Published) -> FastAPI:
    return create_app(made, checks={}, registry=CollectorRegistry())


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://monitor")


def get(path: str, *, made: Published | None = None, headers: dict[str, str] | None = None) -> httpx.Response:
    async def scene() -> httpx.Response:
        async with client_of(app_over(made or published(board(*RECORDS)))) as client:
            return await client.get(path, headers=headers)

    return asyncio.run(scene())


def test_units_answer_as_the_openapi_document_says() -> None:
    answer = get("/v1/units")
    found = Units.model_validate_json(answer.content)
    city, centre, ward = found.units
    assert [city.id, centre.id, ward.id] == [CITY.id, CENTRE.id, WARD.id]
    assert centre.stock is None
    assert ward.stock is not None
    assert (ward.stock.open_within_due, ward.stock.open_paused, ward.in_progress) == (3, 0, 4)
    assert city.total == ward.total
    assert found.freshness.as_of is not None
    assert found.freshness.as_of.isoformat() == "2021-12-31T17:00:00+07:00"


def test_a_known_etag_costs_no_body_but_tells_the_freshness() -> None:
    made = published(board(*RECORDS))
    first = get("/v1/units", made=made)
    for given in (first.headers["etag"], f'W/"other", {first.headers["etag"]}', "*"):
        again = get("/v1/units", made=made, headers={"If-None-Match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["hoso-state"] == "live"
        assert again.headers["hoso-as-of"] == "2021-12-31T17:00:00+07:00"
        assert again.headers["hoso-lag-events"] == "0"
    for path in ("/v1/units?from=2021-01-01", f"/v1/units/{WARD.id}?to=2021-01-01"):
        assert get(path, made=made, headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_an_etag_ends_with_the_numbers_and_with_the_state() -> None:
    made = published(board(*RECORDS))
    etag = get("/v1/units", made=made).headers["etag"]
    made.advance(freshness(made.board, now_s=NOW_S + 60), now_s=NOW_S + 60)
    stale = get("/v1/units", made=made, headers={"If-None-Match": etag})
    assert (stale.status_code, stale.json()["freshness"]["state"]) == (200, "stale")
    apply(made.board, tally(WARD.id, open_overdue=9))
    made.advance(freshness(made.board, now_s=NOW_S + 60), now_s=NOW_S + 61)
    moved = get("/v1/units", made=made, headers={"If-None-Match": stale.headers["etag"]})
    assert moved.json()["units"][2]["stock"]["open_overdue"] == 9


def test_a_period_is_its_days_with_opening_and_closing_stock() -> None:
    found = Units.model_validate_json(get("/v1/units?from=2021-01-01&to=2021-12-31").content)
    _, centre, ward = found.units
    assert centre.period is None
    assert ward.period is not None
    assert (ward.period.opening, ward.period.received, ward.period.resolved, ward.period.closing) == (6, 2, 4, 4)
    assert ward.period.early_share.percent == 75.0


def test_one_unit_has_its_days() -> None:
    found = UnitAnswer.model_validate_json(get(f"/v1/units/{CITY.id}?from=2021-01-01").content).unit
    assert found.days is not None
    assert [(str(each.first_on), each.opening, each.closing) for each in found.days] == [("2021-03-01", 6, 4)]
    assert found.period is not None
    whole = UnitAnswer.model_validate_json(get(f"/v1/units/{WARD.id}").content).unit
    assert whole.days is not None
    assert (len(whole.days), whole.period) == (2, None)
    nothing = UnitAnswer.model_validate_json(get(f"/v1/units/{CENTRE.id}").content).unit
    assert (nothing.days, nothing.total) == (None, None)


def test_an_unknown_unit_is_a_problem_that_names_similar_ones() -> None:
    answer = get("/v1/units/06809")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["known"]) == ("unknown_unit", [WARD.id])
    assert get("/v1/units/zzz").json()["known"] == []
    assert get(answer.json()["type"]).status_code == 200


@pytest.mark.parametrize("query", ["from=2021-13-01", "from=yesterday", "from=2021-02-01&to=2021-01-01"])
def test_a_wrong_period_is_a_problem(query: str) -> None:
    for path in ("/v1/units", f"/v1/units/{WARD.id}"):
        answer = get(f"{path}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "wrong_parameter")
        assert answer.json()["errors"][0]["pointer"].startswith("/query/")


def test_the_page_comes_from_here_alone() -> None:
    page = get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert page.headers["cache-control"] == "no-cache"
    assert len(page_build()) == 12
    for path in STATIC.iterdir():
        assert get(f"/{path.name}").status_code == 200
        foreign = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in foreign
        assert "https://" not in foreign
    assert get("/nothing.js").json()["code"] == "not_found"


def test_the_openapi_document_is_valid_and_needs_no_broker() -> None:
    document = openapi_document()
    validate(document)
    units = {f"/v1/units{below}" for below in ("", "/{unit_id}", "/{unit_id}/fields", "/{unit_id}/procedures")}
    assert set(document["paths"]) == {*units, "/v1/stream", "/livez", "/readyz", "/metrics"}
    assert document == get("/openapi.json").json()


# ---- the stream


class Reader:
    """One reader of /v1/stream over ASGI, which httpx cannot be: it waits for the end of a body."""

    def __init__(self, app: FastAPI, *, last_event_id: str | None = None) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.taking = asyncio.Event()  # cleared: the reader's line is full
        self.taking.set()
        self._bytes: asyncio.Queue[bytes] = asyncio.Queue()
        self._left = asyncio.Event()
        headers = [(b"last-event-id", last_event_id.encode())] if last_event_id else []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/v1/stream",
            "query_string": b"",
            "headers": headers,
        }
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        await self.taking.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["body"]:
            self._bytes.put_nowait(message["body"])

    async def next(self) -> dict[str, str]:
        """The next message by field; a comment is the field ``."""
        async with asyncio.timeout(5):
            text = (await self._bytes.get()).decode()
        assert text.endswith("\n\n")
        return dict(line.partition(": ")[::2] for line in text.strip().split("\n"))

    @property
    def queued(self) -> int:
        return self._bytes.qsize()

    async def leave(self) -> None:
        self._left.set()
        await self.task


async def move(made: Published, count: int) -> None:
    apply(made.board, tally(WARD.id, open_overdue=count))
    made.advance(freshness(made.board), now_s=NOW_S)
    await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_the_stream_is_a_snapshot_and_then_changes() -> None:
    made = published(board(*RECORDS))
    reader = Reader(app_over(made))
    assert await reader.next() == {"retry": "2000"}
    assert reader.headers["content-type"].startswith("text/event-stream")
    assert (reader.headers["cache-control"], reader.headers["x-accel-buffering"]) == ("no-cache", "no")
    snapshot = await reader.next()
    assert (snapshot["event"], snapshot["id"]) == ("snapshot", "7-1")
    assert snapshot["data"] == made.snapshot()
    await move(made, 5)
    change = await reader.next()
    assert (change["event"], change["id"]) == ("units", "7-2")
    assert [unit["id"] for unit in json.loads(change["data"])["units"]] == [CITY.id, WARD.id]
    assert made.readers == 1
    await reader.leave()
    assert made.readers == 0


@pytest.mark.asyncio
async def test_a_reader_that_comes_back_gets_what_it_missed() -> None:
    made = published(board(*RECORDS))
    await move(made, 5)
    await move(made, 6)
    for last, event, id_ in (("7-1", "units", "7-3"), ("7-3", "freshness", "7-3"), ("6-9", "snapshot", "7-3")):
        reader = Reader(app_over(made), last_event_id=last)
        await reader.next()
        message = await reader.next()
        assert (message["event"], message["id"]) == (event, id_)
        await reader.leave()


@pytest.mark.asyncio
async def test_a_slow_reader_gets_one_message_for_many_changes() -> None:
    made = published(board(*RECORDS))
    reader = Reader(app_over(made))
    for _ in range(2):
        await reader.next()
    reader.taking.clear()
    for count in range(10, 500):
        await move(made, count)
    reader.taking.set()
    first, second = await reader.next(), await reader.next()
    assert json.loads(first["data"])["units"][1]["stock"]["open_overdue"] == 10  # it was on the line already
    assert json.loads(second["data"])["units"][1]["stock"]["open_overdue"] == 499
    assert reader.queued == 0
    await reader.leave()


@pytest.mark.asyncio
async def test_a_large_message_goes_in_pieces_and_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PIECE_BYTES", 100)
    made = published(board(*RECORDS))
    stream = messages(made, None)
    pieces = [await anext(stream)]
    while not pieces[-1].endswith(b"\n\n") or len(pieces) == 1:
        pieces.append(await anext(stream))
    message = made.message_for(None)
    assert message is not None
    assert (b"".join(pieces[1:]), max(map(len, pieces))) == (message.encoded, 100)
    await stream.aclose()  # type: ignore[attr-defined]


@pytest.mark.asyncio
async def test_a_reader_that_takes_too_long_for_a_message_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PIECE_BYTES", 100)
    monkeypatch.setattr(api, "MESSAGE_S_MAX", 0.0)
    made = published(board(*RECORDS))
    stream = messages(made, None)
    assert [piece async for piece in stream] == [b"retry: 2000\n\n"]
    assert made.readers == 0


@pytest.mark.asyncio
async def test_a_silent_stream_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PING_S", 0.01)
    stream: AsyncIterator[bytes] = messages(published(board(*RECORDS)), None)
    found = [await anext(stream) for _ in range(4)]
    assert found[2:] == [b": ping\n\n"] * 2
    await stream.aclose()  # type: ignore[attr-defined]


@pytest.mark.asyncio
async def test_closing_ends_every_stream() -> None:
    made = published(board(*RECORDS))
    readers = [Reader(app_over(made)) for _ in range(3)]
    for reader in readers:
        for _ in range(2):
            await reader.next()
    made.close()
    async with asyncio.timeout(5):
        await asyncio.gather(*(reader.task for reader in readers))
    assert made.readers == 0
