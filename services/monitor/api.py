"""The monitor's HTTP face: counters as JSON, the live stream, and the page.

Promises: every answer says as of when and how far behind; null means no data and zero means zero; a repeated question
with an ETag costs nothing; a slow reader of the stream holds a piece of one message and never a queue, and one that
takes nothing is dropped.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from time import monotonic
from typing import Annotated, Any, Final

from fastapi import FastAPI, Header, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from prometheus_client import CollectorRegistry

from services.http import Check, add_health
from services.monitor.breakdown import fields_of, procedures_of
from services.monitor.page import PageFiles
from services.monitor.periods import days, period
from services.monitor.published import Published
from services.monitor.views import (
    Fields,
    Freshness,
    Procedures,
    State,
    UnitAnswer,
    UnitDetail,
    UnitInPeriod,
    Units,
    UnitView,
)
from services.problems import WRONG_PARAMETER, Problem, ProblemKind, add_problems

PING_S: Final = 15.0  # proxies cut connections that are silent for 30 to 60 s
RETRY_MS: Final = 2000
# A reader has so much on the line, and the rest in the one copy that all share: 1,000 readers of a snapshot of 1.5 MB
# would have 1.5 GB on the line otherwise.
PIECE_BYTES: Final = 32 * 1024
MESSAGE_S_MAX: Final = 30.0  # whoever takes longer for a message keeps an old one alive, and is let go
KNOWN_NEARBY_MAX: Final = 5

UNKNOWN_UNIT: Final = ProblemKind(
    "unknown_unit", 404, "There is no such unit", "`known` names units with a similar id; GET /v1/units lists all."
)

STREAM_DESCRIPTION: Final = """\
Server-sent events. `snapshot` holds what GET /v1/units answers; `units` holds the units that changed since the last
message, whole; `freshness` comes when only that changed. At most four messages a second, the newest state wins. Ids
grow; a reader that comes back with `Last-Event-ID` gets what changed meanwhile, or a snapshot. A comment every 15 s
keeps the connection open: switch off buffering and compression in proxies. Breakdowns are not streamed: when a unit
comes, ask for its fields again with the ETag at hand."""

FRESHNESS_HEADERS: Final = """\
The answer's ETag changes with the numbers and with the state. `Hoso-State`, `Hoso-As-Of` and `Hoso-Lag-Events` come
with every answer, also with 304."""

BREAKDOWN_DESCRIPTION: Final = f"""\
Every dossier is in one part, so parts sum to the unit's numbers. Flow is kept per calendar year. {FRESHNESS_HEADERS}"""

_PROBLEM: Final[dict[str, Any]] = {
    "application/problem+json": {
        "schema": {
            "type": "object",
            "description": "RFC 9457. `type` is a page of this monitor; `code` never changes.",
            "required": ["type", "code", "title", "status", "detail"],
            "properties": {
                "type": {"type": "string", "format": "uri-reference"},
                "code": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "known": {"type": "array", "items": {"type": "string"}},
                "errors": {"type": "array", "items": {"type": "object"}},
            },
        }
    }
}
UNCHANGED: Final[dict[str, Any]] = {"description": "Nothing changed since that ETag."}
WRONG: Final[dict[str, Any]] = {"description": "A parameter is wrong; `errors` points to each.", "content": _PROBLEM}
UNKNOWN: Final[dict[str, Any]] = {"description": "No such unit; `known` names similar ids.", "content": _PROBLEM}

From = Annotated[date | None, Query(alias="from", description="First day, included; absent: since the first event.")]
To = Annotated[date | None, Query(alias="to", description="Last day, included; absent: until now.")]
Year = Annotated[int | None, Query(ge=1, le=9999, description="Calendar year; absent: since the first event.")]
IfNoneMatch = Annotated[str | None, Header(description="The ETag of an answer at hand.")]
LastEventId = Annotated[str | None, Header(description="The id of the last message that was read.")]


def create_app(published: Published, *, checks: Mapping[str, Check], registry: CollectorRegistry) -> FastAPI:
    """The app over what is published."""
    app = FastAPI(
        title="Hoso monitor",
        version="1",
        description="Live counters of dossiers per unit, rolled up. Days and times are the office's.",
        docs_url=None,  # its page loads from foreign hosts
        redoc_url=None,
    )
    add_problems(app, UNKNOWN_UNIT)
    add_health(app, checks=checks, registry=registry)

    @app.get(
        "/v1/units",
        tags=["watcher"],
        operation_id="units",
        summary="All units with their counters",
        description=FRESHNESS_HEADERS,
        response_class=Response,
        responses={200: {"model": Units}, 304: UNCHANGED, 422: WRONG},
    )
    async def units(first_on: From = None, last_on: To = None, if_none_match: IfNoneMatch = None) -> Response:
        _check_period(first_on, last_on)
        headers = _headers(published, first_on, last_on)
        if _matches(if_none_match, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        if first_on is None and last_on is None:
            return _json(published.snapshot(), headers)
        found = [
            UnitInPeriod(**dict(view), period=period(published.board.family(unit_id), first_on, last_on))
            for unit_id, view in published.units.items()
        ]
        answer = Units(version=published.name, page=published.page, freshness=published.freshness, units=found)
        return _json(answer.model_dump_json(), headers)

    @app.get(
        "/v1/units/{unit_id}",
        tags=["watcher"],
        operation_id="unit",
        summary="One unit with its counters and days",
        description=FRESHNESS_HEADERS,
        response_class=Response,
        responses={200: {"model": UnitAnswer}, 304: UNCHANGED, 404: UNKNOWN, 422: WRONG},
    )
    async def unit(
        unit_id: str, first_on: From = None, last_on: To = None, if_none_match: IfNoneMatch = None
    ) -> Response:
        _check_period(first_on, last_on)
        view = _known(published, unit_id)
        headers = _headers(published, first_on, last_on)
        if _matches(if_none_match, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        family = published.board.family(unit_id)
        asked = None if first_on is None and last_on is None else period(family, first_on, last_on)
        detail = UnitDetail(**dict(view), period=asked, days=days(family, first_on, last_on))
        answer = UnitAnswer(version=published.name, freshness=published.freshness, unit=detail)
        return _json(answer.model_dump_json(), headers)

    @app.get(
        "/v1/units/{unit_id}/fields",
        tags=["watcher"],
        operation_id="fields",
        summary="One unit by field",
        description=BREAKDOWN_DESCRIPTION,
        response_class=Response,
        responses={200: {"model": Fields}, 304: UNCHANGED, 404: UNKNOWN, 422: WRONG},
    )
    async def fields(unit_id: str, year: Year = None, if_none_match: IfNoneMatch = None) -> Response:
        _known(published, unit_id)
        headers = _headers(published, year)
        if _matches(if_none_match, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        answer = Fields(
            version=published.name,
            freshness=published.freshness,
            unit_id=unit_id,
            year=year,
            fields=fields_of(published.board, unit_id, year),
        )
        return _json(answer.model_dump_json(), headers)

    @app.get(
        "/v1/units/{unit_id}/procedures",
        tags=["watcher"],
        operation_id="procedures",
        summary="One unit by procedure",
        description=f"{BREAKDOWN_DESCRIPTION} A small unit's rare procedure may point to a person: do not publish it.",
        response_class=Response,
        responses={200: {"model": Procedures}, 304: UNCHANGED, 404: UNKNOWN, 422: WRONG},
    )
    async def procedures(unit_id: str, year: Year = None, if_none_match: IfNoneMatch = None) -> Response:
        _known(published, unit_id)
        headers = _headers(published, year)
        if _matches(if_none_match, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        answer = Procedures(
            version=published.name,
            freshness=published.freshness,
            unit_id=unit_id,
            year=year,
            procedures=procedures_of(published.board, unit_id, year),
        )
        return _json(answer.model_dump_json(), headers)

    @app.get(
        "/v1/stream",
        tags=["watcher"],
        operation_id="stream",
        summary="Live counters",
        description=STREAM_DESCRIPTION,
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}, 422: WRONG},
    )
    async def stream(last_event_id: LastEventId = None) -> Response:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(messages(published, last_event_id), media_type="text/event-stream", headers=headers)

    app.mount("/", PageFiles())
    return app


async def messages(published: Published, last_event_id: str | None) -> AsyncIterator[bytes]:
    """One reader's stream, until the reader leaves or the monitor closes."""
    seen = published.seen_by(last_event_id)
    published.readers += 1
    try:
        yield format_sse_event(retry=RETRY_MS)
        while not published.closed:
            if message := published.message_for(seen):
                seen, encoded = message.seen, message.encoded
                deadline_s = monotonic() + MESSAGE_S_MAX
                for start in range(0, len(encoded), PIECE_BYTES):
                    if monotonic() > deadline_s:
                        return  # it comes back with the id of the last message that it has whole
                    yield encoded[start : start + PIECE_BYTES]
                del message, encoded  # whoever waits holds none
            elif not await published.wait(PING_S):
                yield KEEPALIVE_COMMENT
    finally:
        published.readers -= 1


def openapi_document() -> dict[str, Any]:
    """The published description of the API; needs no broker."""
    freshness = Freshness(
        state=State.NO_DATA, as_of=None, heartbeat_at=None, stale_since=None, lag_events=None, lag_s=None,
        broker_reachable=False, zone="Asia/Ho_Chi_Minh",
    )  # fmt: skip
    published = Published(run=0, page="", freshness=freshness)
    return create_app(published, checks={}, registry=CollectorRegistry()).openapi()


def _check_period(first_on: date | None, last_on: date | None) -> None:
    if first_on and last_on and first_on > last_on:
        errors = [{"pointer": "/query/to", "code": "invalid_value", "message": "expected a day not before `from`"}]
        raise Problem(WRONG_PARAMETER, "the period ends before it begins", errors=errors)


def _known(published: Published, unit_id: str) -> UnitView:
    """The unit's view; a problem that names similar ids when there is no such unit."""
    view = published.units.get(unit_id)
    if view is None:
        known = _nearby(unit_id, published.units)
        raise Problem(UNKNOWN_UNIT, "no unit has this id; GET /v1/units lists all", known=known)
    return view


def _headers(published: Published, *asked: object) -> dict[str, str]:
    """`asked` are the parameters, which the ETag names too."""
    freshness = published.freshness
    names = "-".join("" if each is None else str(each) for each in asked)
    headers = {
        "ETag": f'W/"{published.name}-{freshness.state.value}-{names}"',
        "Cache-Control": "no-cache",
        "Hoso-State": freshness.state.value,
    }
    if freshness.as_of is not None:
        headers["Hoso-As-Of"] = freshness.as_of.isoformat()
    if freshness.lag_events is not None:
        headers["Hoso-Lag-Events"] = str(freshness.lag_events)
    return headers


def _matches(if_none_match: str | None, etag: str) -> bool:
    return if_none_match is not None and any(each.strip() in (etag, "*") for each in if_none_match.split(","))


def _json(body: str, headers: Mapping[str, str]) -> Response:
    return Response(body, headers=headers, media_type="application/json")


def _nearby(unit_id: str, known: Iterable[str]) -> list[str]:
    """Known ids that look like the one that was asked for."""
    return get_close_matches(unit_id, list(known), n=KNOWN_NEARBY_MAX, cutoff=0.5)
