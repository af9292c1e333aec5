"""What the gateway counts, and the layer that times requests and names them."""

import re
from collections import Counter as Tally
from collections.abc import Sequence, Sized
from importlib.metadata import version
from secrets import token_hex
from time import perf_counter
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.errors import Reason
from services.gateway.answers import Item
from services.gateway.portal import NOTED, PayloadItem
from services.portal.payloads import PROGRESS, SYNC
from services.portal.told import Note
from services.problems import INTERNAL, Problem

NO_ROUTE: Final = "none"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Metrics:
    """Counters of one gateway, on a registry of its own."""

    def __init__(self, *, window: Sized = ()) -> None:
        self.registry = CollectorRegistry()
        self._events = Counter(
            "hoso_gateway_events_total",
            "Events by answer: accepted, duplicate, refused (with reason), failed (not acknowledged in time).",
            ("result", "reason"),
            registry=self.registry,
        )
        self._counters: dict[tuple[str, Reason | None], Counter] = {}
        self._payloads = Counter(
            "hoso_gateway_portal_payloads_total",
            "Payloads of the national portal by service and answer: that of their events, or noted (nothing told).",
            ("service", "result"),
            registry=self.registry,
        )
        self._notes = Counter(
            "hoso_gateway_portal_notes_total",
            "Notes on payloads of the national portal that were taken (docs/portal.md).",
            ("service", "note"),
            registry=self.registry,
        )
        self.duration = Histogram(
            "hoso_gateway_request_duration_seconds",
            "From the request's head to the end of its answer.",
            ("route", "status"),
            registry=self.registry,
        )
        Gauge("hoso_build_info", "1, with the version.", ("version",), registry=self.registry).labels(
            version("hoso")
        ).set(1)
        Gauge(
            "hoso_gateway_window_events", "Events remembered to recognise repeats.", registry=self.registry
        ).set_function(lambda: len(window))
        for result in ("accepted", "duplicate", "failed"):
            self._events.labels(result, "")
        for reason in Reason:
            self._events.labels("refused", reason)
        for service in (SYNC, PROGRESS):
            for result in ("accepted", "duplicate", NOTED, "refused", "failed"):
                self._payloads.labels(service, result)
            for note in Note:
                self._notes.labels(service, note)

    def count(self, items: Sequence[Item]) -> None:
        """Add one request's answers."""
        for answer, number in Tally([(item.status, item.reason) for item in items]).items():
            counter = self._counters.get(answer)
            if counter is None:
                counter = self._counters[answer] = self._events.labels(answer[0], answer[1] or "")
            counter.inc(number)

    def count_payloads(self, service: str, items: Sequence[PayloadItem]) -> None:
        """Add one request's payloads, and their events."""
        self.count([event for item in items for event in item.events])
        for status, number in Tally(item.status for item in items).items():
            self._payloads.labels(service, status).inc(number)
        for note, number in Tally(note for item in items for note in item.notes).items():
            self._notes.labels(service, note).inc(number)


class Telemetry:
    """An ASGI layer: every answer is timed and carries X-Request-Id (the caller's own, when it is a plain one).

    Log lines carry it too. A fault is answered here, because Starlette's own answer to it would come without.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._duration = metrics.duration
        self._timers: dict[tuple[str, int], Histogram] = {}  # by route and status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; look at the answer's head on its way out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((text.decode("latin-1") for name, text in scope["headers"] if name == b"x-request-id"), "")
        request_id = given if _REQUEST_ID.fullmatch(given) else token_hex(16)
        structlog.contextvars.bind_contextvars(
            request_id=request_id
        )  # a request has a task, and so a context, to itself
        status = 0
        begun = perf_counter()

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        except Exception:
            if not status:
                await Problem(INTERNAL, INTERNAL.title).response()(scope, receive, send_named)
            raise  # the server logs it
        finally:
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            timer = self._timers.get((route, status))
            if timer is None:
                timer = self._timers[route, status] = self._duration.labels(route, str(status))
            timer.observe(perf_counter() - begun)
