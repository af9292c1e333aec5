"""The HTTP face of history: how a dossier stood, why a number is so, what was reported when, what if.

Promises: every answer says as of when, known when and by which rules; a heavy question is refused with what to ask
instead, and more questions at once than there are places are told to come back.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from importlib.metadata import version
from typing import Annotated, Any, Final, TypeVar

from fastapi import FastAPI, Query
from prometheus_client import CollectorRegistry, Gauge, Histogram

from schemas.errors import SettingsError, Unavailable
from schemas.settings import Settings
from services.http import Check, add_health
from services.problems import WRONG_PARAMETER, Problem, ProblemKind, add_problems
from services.reports.answers import RECORDS_MAX, Answers, Asked, NothingKnown, TooMuch
from services.reports.as_of import instant_of
from services.reports.cells import COUNTERS
from services.reports.form import By
from services.reports.rulebooks import UnknownRules
from services.reports.views import CellAnswer, DossierAnswer, EventsAnswer, ReportAnswer, WhatIfAnswer

PLACES: Final = 2  # folding holds a core each; the SQL door answers four at once
RETRY_AFTER_S: Final = 5
SWITCHES_MAX: Final = 1000

UNKNOWN_DOSSIER: Final = ProblemKind(
    "unknown_dossier",
    404,
    "Nothing was known of such a dossier",
    "Is the code right? With `known_at`, nothing had come in by then.",
)
UNKNOWN_RULES: Final = ProblemKind(
    "unknown_rules", 404, "There is no such policy or calendar", "`detail` lists those that there are."
)
TOO_MUCH: Final = ProblemKind(
    "too_much",
    422,
    "The question is too heavy for one answer",
    f"An answer may read {RECORDS_MAX} records. Ask for a smaller unit, or use `hoso`, which has no limit.",
)
BUSY: Final = ProblemKind(
    "busy", 503, "All places are taken", "Ask again after the seconds that Retry-After says; questions take seconds."
)
UNAVAILABLE: Final = ProblemKind(
    "unavailable",
    503,
    "ClickHouse or the rules are not there",
    "Ask again; if it lasts, the operator looks at `hoso doctor`.",
)

_PROBLEM: Final[dict[str, Any]] = {
    "application/problem+json": {
        "schema": {
            "type": "object",
            "description": "RFC 9457. `type` is a page of this process; `code` never changes.",
            "required": ["type", "code", "title", "status", "detail"],
            "properties": {
                "type": {"type": "string", "format": "uri-reference"},
                "code": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "errors": {"type": "array", "items": {"type": "object"}},
            },
        }
    }
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    422: {"description": "A parameter is wrong, or the question too heavy.", "content": _PROBLEM},
    503: {"description": "All places are taken, or ClickHouse or the rules are not there.", "content": _PROBLEM},
}
_NO_DOSSIER: Final[dict[str, Any]] = {"description": "Nothing was known of it.", "content": _PROBLEM}
_NO_RULES: Final[dict[str, Any]] = {"description": "No such policy or calendar.", "content": _PROBLEM}

UnitCode = Annotated[str, Query(description="The unit's code.")]
UnitOrAll = Annotated[str, Query(description="The unit's code; absent: every unit.")]
From = Annotated[date, Query(alias="from", description="First day, included.")]
To = Annotated[date, Query(alias="to", description="Last day, included.")]
At = Annotated[
    str | None,
    Query(description="T: a day (its end) or an ISO time; absent: now, or the period's end when that is earlier."),
]
KnownAt = Annotated[str | None, Query(description="K: a day (its end) or an ISO time; absent: all that is stored.")]
CounterName = Annotated[str, Query(description="Of the form, a flow or a stock, such as resolved_overdue.")]
LineIs = Annotated[By | None, Query(description="What a line is; absent: a field, or a unit when none is asked for.")]
Policies = Annotated[list[str], Query(alias="policy", description="A policy to judge by; may be repeated.")]

Found = TypeVar("Found")


class Metrics:
    """The instruments of one process, on a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.seconds = Histogram(
            "hoso_reports_question_seconds",
            "From a question to its answer, refusals included.",
            ("question",),
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=self.registry,
        )
        self.places = Gauge("hoso_reports_places_taken", "Questions being answered.", registry=self.registry)
        built = Gauge("hoso_build_info", "1, with the version.", ("version",), registry=self.registry)
        built.labels(version("hoso")).set(1)


def create_app(answers: Answers, *, checks: Mapping[str, Check], metrics: Metrics) -> FastAPI:
    """The app over what answers."""
    app = FastAPI(
        title="Hoso reports",
        version="1",
        description="History on two axes: what had happened by T, as far as it was known at K. Days are the office's.",
        docs_url=None,  # its page loads from foreign hosts
        redoc_url=None,
    )
    add_problems(app, UNKNOWN_DOSSIER, UNKNOWN_RULES, TOO_MUCH, BUSY, UNAVAILABLE)
    add_health(app, checks=checks, registry=metrics.registry)
    places = threading.BoundedSemaphore(PLACES)

    def run(name: str, question: Callable[[], Found]) -> Found:
        with _place(places, metrics, name):
            try:
                return question()
            except NothingKnown:
                raise Problem(UNKNOWN_DOSSIER, "nothing was known of this dossier") from None
            except UnknownRules as error:
                raise Problem(UNKNOWN_RULES, str(error)) from None
            except TooMuch as error:
                raise Problem(TOO_MUCH, str(error)) from None
            except (Unavailable, SettingsError):
                headers = {"Retry-After": str(RETRY_AFTER_S)}
                raise Problem(UNAVAILABLE, "see /readyz for what is missing", headers=headers) from None

    @app.get(
        "/v1/dossiers/{code}",
        tags=["analyst"],
        operation_id="dossier",
        summary="How a dossier stood, and why",
        responses={404: _NO_DOSSIER, **_RESPONSES},
    )
    def dossier(code: str, at: At = None, known_at: KnownAt = None) -> DossierAnswer:
        instants = _instant(at, "at"), _instant(known_at, "known_at")
        return run("dossier", lambda: answers.dossier(code, *instants))

    @app.get(
        "/v1/dossiers/{code}/events",
        tags=["analyst"],
        operation_id="events",
        summary="What each event of a dossier did, and where it lies in the log",
        responses={404: _NO_DOSSIER, **_RESPONSES},
    )
    def events(code: str, at: At = None, known_at: KnownAt = None) -> EventsAnswer:
        instants = _instant(at, "at"), _instant(known_at, "known_at")
        return run("events", lambda: answers.events(code, *instants))

    @app.get(
        "/v1/explain",
        tags=["analyst"],
        operation_id="explain",
        summary="The dossiers behind a number, and the digest of the set",
        responses=_RESPONSES,
    )
    def explain(
        unit: UnitCode,
        counter: CounterName,
        first_on: From,
        last_on: To,
        procedure: Annotated[str, Query(description="One procedure's code; absent: all.")] = "",
        at: At = None,
        known_at: KnownAt = None,
    ) -> CellAnswer:
        if counter not in COUNTERS:
            raise _wrong("counter", f"expected one of {', '.join(COUNTERS)}")
        asked = _asked(unit, first_on, last_on, at, known_at)
        return run("explain", lambda: answers.cell(asked, counter=counter, procedure=procedure))

    @app.get(
        "/v1/report",
        tags=["analyst"],
        operation_id="report",
        summary="Report form II.06a, now or as it was known at any time",
        responses=_RESPONSES,
    )
    def report(
        first_on: From, last_on: To, unit: UnitOrAll = "", by: LineIs = None, known_at: KnownAt = None
    ) -> ReportAnswer:
        asked = _asked(unit, first_on, last_on, None, known_at)
        return run("report", lambda: answers.report(asked, by=by))

    @app.get(
        "/v1/what-if",
        tags=["analyst"],
        operation_id="whatIf",
        summary="The same log under other rules",
        responses={404: _NO_RULES, **_RESPONSES},
    )
    def what_if(
        first_on: From,
        last_on: To,
        policies: Policies = [],  # noqa: B006 - FastAPI's own form
        calendar: Annotated[str, Query(description="A calendar to go by instead of the policy's own.")] = "",
        unit: UnitOrAll = "",
        at: At = None,
        known_at: KnownAt = None,
        limit: Annotated[int, Query(ge=0, le=SWITCHES_MAX, description="Dossiers that are named.")] = 20,
    ) -> WhatIfAnswer:
        if not policies and not calendar:
            raise _wrong("policy", "expected a policy or a calendar to try")
        asked = _asked(unit, first_on, last_on, at, known_at)
        return run("what_if", lambda: answers.what_if(asked, policies=policies, calendar=calendar, limit=limit))

    return app


def openapi_document() -> dict[str, Any]:
    """The published description of the API; needs no ClickHouse."""

    @contextmanager
    def nothing() -> Iterator[Any]:
        raise Unavailable("no ClickHouse")
        yield

    return create_app(Answers(Settings(), nothing), checks={}, metrics=Metrics()).openapi()


@contextmanager
def _place(places: threading.BoundedSemaphore, metrics: Metrics, name: str) -> Iterator[None]:
    if not places.acquire(blocking=False):
        raise Problem(BUSY, f"{PLACES} questions are being answered", headers={"Retry-After": str(RETRY_AFTER_S)})
    started_s = time.perf_counter()
    metrics.places.inc()
    try:
        yield
    finally:
        places.release()
        metrics.places.dec()
        metrics.seconds.labels(name).observe(time.perf_counter() - started_s)


def _asked(unit: str, first_on: date, last_on: date, at: str | None, known_at: str | None) -> Asked:
    if first_on > last_on:
        raise _wrong("to", "expected a day not before `from`")
    return Asked(
        unit=unit,
        first_on=first_on,
        last_on=last_on,
        at=_instant(at, "at"),
        known_at=_instant(known_at, "known_at"),
    )


def _instant(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        return instant_of(text)
    except ValueError:
        raise _wrong(name, "expected a day such as 2022-01-04, or a time such as 2022-01-05T00:00+07:00") from None


def _wrong(name: str, message: str) -> Problem:
    errors = [{"pointer": f"/query/{name}", "code": "invalid_value", "message": message}]
    return Problem(WRONG_PARAMETER, WRONG_PARAMETER.title, errors=errors)
