"""The gateway's HTTP face: `POST /v1/events`, the national portal's payloads, health, metrics, its own description."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final, cast

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp

from schemas.errors import ContractError, Unavailable
from services.gateway.answers import errors_of, refused
from services.gateway.bodies import BodyReader, check_json, headers_of
from services.gateway.door import EVENTS_PATH, Door, sender_of
from services.gateway.intake import Intake
from services.gateway.metrics import Metrics, Telemetry
from services.gateway.openapi import (
    OPERATION,
    PORTAL_RESPONSES,
    PROGRESS_OPERATION,
    RESPONSES,
    SYNC_OPERATION,
    describe,
)
from services.gateway.portal import PayloadItem, Portal, portal_answer
from services.gateway.problems import KINDS, refusal, unavailable
from services.gateway.sources import Sources
from services.http import Check, add_health
from services.portal.payloads import PROGRESS, SYNC, divide
from services.problems import add_problems

PORTAL_PATH: Final = "/v1/portal/"
JSON: Final = "application/json"


def create_app(
    *,
    intake: Intake,
    portal: Portal,
    sources: Sources,
    checks: Mapping[str, Check],
    metrics: Metrics,
    body_bytes_max: int,
) -> ASGIApp:
    """The application around its pieces; it starts and stops none of them."""
    bodies = BodyReader(bytes_max=body_bytes_max)
    app = _framework(portal=portal, sources=sources, checks=checks, metrics=metrics, bodies=bodies)
    door = Door(app, intake=intake, sources=sources, metrics=metrics, bodies=bodies)
    return Telemetry(door, metrics=metrics)


def _framework(
    *, portal: Portal, sources: Sources, checks: Mapping[str, Check], metrics: Metrics, bodies: BodyReader
) -> FastAPI:
    """Everything but the events, and the description of all."""
    app = FastAPI(
        title="Hoso gateway",
        version=version("hoso"),
        description="Takes facts about dossiers into the log. The guide is docs/integrators.md.",
        docs_url=None,  # their pages load scripts from elsewhere, and offices may have no way out
        redoc_url=None,
    )
    app.openapi = describe(app)  # type: ignore[method-assign]
    add_problems(app, *KINDS)
    add_health(app, checks=checks, registry=metrics.registry)

    @app.post(
        EVENTS_PATH,
        operation_id="post_events",
        tags=["integrator"],
        summary="Send events",
        responses=RESPONSES,
        openapi_extra=OPERATION,
        response_class=Response,
    )
    async def post_events() -> None:
        """Take one event or many; a 2xx comes after the log's acknowledgement, never before.

        A single event (structured or binary) is answered by the status code. 202: it is in the log. 200: it was there
        already. 400: it is no JSON or no CloudEvent. 403: the key may not speak for it. 409: its id was taken by
        another event. 413: it is too large. 422: it breaks the contract. All 4xx: sending the same again is of no use.

        A body of events (batch or lines) is answered per event, in order, with counts. 202: nothing was refused.
        207: at least one was refused, the others are in the log. 400: the body as a whole is not of its form, and
        nothing was taken. A cut-off last line is an event that is refused.

        Either: 401, 408, 415, as the problem says. 503: the log did not acknowledge everything; send the same again
        after `Retry-After` seconds, what had arrived is recognised.
        """
        raise AssertionError("the door answers")

    async def take_payloads(service: str, request: Request) -> Response:
        headers = headers_of(request.scope)
        sender = sender_of(headers, sources)
        check_json(headers)
        async with bodies.read(headers, request.receive) as raw:
            try:
                body = divide(raw, dict(request.query_params))
            except ContractError as error:
                metrics.count([refused(error.flaws)])
                raise refusal(errors_of(error.flaws)) from None
            try:
                items = await portal.take(service, body, sender)
            except Unavailable as error:
                raise unavailable(str(error)) from error
        metrics.count_payloads(service, items)
        return _payloads(items, is_single=body.is_single)

    @app.post(
        PORTAL_PATH + SYNC,
        operation_id="post_portal_sync",
        tags=["integrator"],
        summary="Send dossiers as the national portal takes them",
        responses=PORTAL_RESPONSES,
        openapi_extra=SYNC_OPERATION,
        response_class=Response,
    )
    async def post_sync(request: Request) -> Response:
        """Take snapshots of dossiers; personal fields are dropped before anything is stored (docs/portal.md).

        A payload tells several events; each is answered, in order, with counts of payloads. 202: nothing was refused.
        207: some payload or event was. 503: the log did not acknowledge everything; send the same again after
        `Retry-After` seconds. The body, or a single payload, that cannot be read: a problem, and nothing was taken.
        """
        return await take_payloads(SYNC, request)

    @app.post(
        PORTAL_PATH + PROGRESS,
        operation_id="post_portal_progress",
        tags=["integrator"],
        summary="Send steps of the work as the national portal takes them",
        responses=PORTAL_RESPONSES,
        openapi_extra=PROGRESS_OPERATION,
        response_class=Response,
    )
    async def post_progress(request: Request) -> Response:
        """Take steps of the work on dossiers; answered like `DongBoHoSoMC`."""
        return await take_payloads(PROGRESS, request)

    return app


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document, from the routes alone: no piece is asked."""
    nobody = cast("Any", None)
    return _framework(portal=nobody, sources=nobody, checks={}, metrics=Metrics(), bodies=nobody).openapi()


def _payloads(items: list[PayloadItem], *, is_single: bool) -> Response:
    answer = portal_answer(items)
    if answer.failed:
        raise unavailable(
            f"the log did not acknowledge {answer.failed} of {answer.total} payloads in time",
            **msgspec.structs.asdict(answer),
        )
    if is_single and items[0].status == "refused" and all(event.status == "refused" for event in items[0].events):
        raise refusal(items[0].errors)
    return Response(msgspec.json.encode(answer), 207 if answer.refused else 202, media_type=JSON)
