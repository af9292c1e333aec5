"""The gateway's HTTP face: `POST /v1/events`, the national portal's payloads, health, metrics, its own description."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final, cast

import msgspec
from fastapi import FastAPI, Request, Response

from schemas.errors import ContractError, Unavailable
from services.gateway.answers import Item, errors_of, refused, summary
from services.gateway.bodies import BodyReader, check_json, events_of, form_of
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
from services.gateway.problems import KINDS, UNAUTHORIZED, refusal, unavailable
from services.gateway.sources import Sender, Sources
from services.http import Check, add_health
from services.portal.payloads import PROGRESS, SYNC, divide
from services.problems import Problem, add_problems

EVENTS_PATH: Final = "/v1/events"
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
) -> FastAPI:
    """The application around its pieces; it starts and stops none of them."""
    app = FastAPI(
        title="Hoso gateway",
        version=version("hoso"),
        description="Takes facts about dossiers into the log. The guide is docs/integrators.md.",
        docs_url=None,  # their pages load scripts from elsewhere, and offices may have no way out
        redoc_url=None,
    )
    app.openapi = describe(app)  # type: ignore[method-assign]
    app.add_middleware(Telemetry, metrics=metrics)
    add_problems(app, *KINDS)
    add_health(app, checks=checks, registry=metrics.registry)
    bodies = BodyReader(bytes_max=body_bytes_max)

    # The request as it is, not a declared body: declaring one doubles the cost of a request (and it could not stream).
    @app.post(
        EVENTS_PATH,
        operation_id="post_events",
        tags=["integrator"],
        summary="Send events",
        responses=RESPONSES,
        openapi_extra=OPERATION,
        response_class=Response,
    )
    async def post_events(request: Request) -> Response:
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
        sender = _sender(request, sources)
        form = form_of(request)
        async with bodies.read(request) as body:
            try:
                values = events_of(form, body, request)
            except ContractError as error:
                metrics.count([refused(error.flaws)])
                raise refusal(errors_of(error.flaws)) from None
            try:
                items = await intake.take(values, sender)
            except Unavailable as error:
                raise unavailable(str(error)) from error
        metrics.count(items)
        return _single(items[0]) if form.is_single else _several(items)

    async def take_payloads(service: str, request: Request) -> Response:
        sender = _sender(request, sources)
        check_json(request)
        async with bodies.read(request) as raw:
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
    return create_app(
        intake=nobody, portal=nobody, sources=nobody, checks={}, metrics=Metrics(), body_bytes_max=0
    ).openapi()


def _sender(request: Request, sources: Sources) -> Sender:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        key = request.headers.get("x-api-key", "")
    sender = sources.sender_of(key.strip()) if key else None
    if sender is None:
        detail = "the key is not known" if key else "expected `Authorization: Bearer KEY`"
        raise Problem(UNAUTHORIZED, detail, headers={"www-authenticate": "Bearer"})
    return sender


def _single(item: Item) -> Response:
    if item.status == "failed":
        raise unavailable("the log did not acknowledge the event in time")
    if item.status == "refused":
        raise refusal(item.errors)
    return Response(msgspec.json.encode(item), 202 if item.status == "accepted" else 200, media_type=JSON)


def _several(items: list[Item]) -> Response:
    answer = summary(items)
    if answer.failed:
        raise unavailable(
            f"the log did not acknowledge {answer.failed} of {answer.total} events in time",
            **msgspec.structs.asdict(answer),
        )
    return Response(msgspec.json.encode(answer), 207 if answer.refused else 202, media_type=JSON)


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
