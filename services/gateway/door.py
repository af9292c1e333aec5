"""`POST /v1/events`, answered before the web framework looks at it.

The framework's layers, routing and dependencies are more than half of the cost of a request with one small event
(benchmarks/gateway.py). The address is declared there all the same: its description, and the answer to other methods,
come from the framework (app.py).
"""

from typing import Final

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from schemas.errors import ContractError, Unavailable
from services.gateway.answers import Item, errors_of, refused, summary
from services.gateway.bodies import BodyReader, Headers, events_of, form_of, headers_of
from services.gateway.intake import Intake
from services.gateway.metrics import Metrics
from services.gateway.problems import UNAUTHORIZED, refusal, unavailable
from services.gateway.sources import Sender, Sources
from services.problems import Problem

EVENTS_PATH: Final = "/v1/events"


class Door:
    """An ASGI layer: events are taken here, everything else goes on to `app`."""

    def __init__(self, app: ASGIApp, *, intake: Intake, sources: Sources, metrics: Metrics, bodies: BodyReader) -> None:
        self._app = app
        self._intake = intake
        self._sources = sources
        self._metrics = metrics
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on; a fault of ours is left to the layer outside."""
        if scope["type"] != "http" or scope["path"] != EVENTS_PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = self  # as the framework does, for whoever counts by route
        try:
            status, content = await self._answer(scope, receive)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    @property
    def path(self) -> str:
        """Of the route."""
        return EVENTS_PATH

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        """Status and JSON, as `post_events` promises them (app.py)."""
        headers = headers_of(scope)
        sender = sender_of(headers, self._sources)
        form = form_of(headers)
        async with self._bodies.read(headers, receive) as body:
            try:
                values = events_of(form, body, scope)
            except ContractError as error:
                self._metrics.count([refused(error.flaws)])
                raise refusal(errors_of(error.flaws)) from None
            try:
                items = await self._intake.take(values, sender)
            except Unavailable as error:
                raise unavailable(str(error)) from error
        self._metrics.count(items)
        return _single(items[0]) if form.is_single else _several(items)


def sender_of(headers: Headers, sources: Sources) -> Sender:
    """Whose key it is; a problem when it is nobody's."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        key = headers.get("x-api-key", "")
    sender = sources.sender_of(key.strip()) if key else None
    if sender is None:
        detail = "the key is not known" if key else "expected `Authorization: Bearer KEY`"
        raise Problem(UNAUTHORIZED, detail, headers={"www-authenticate": "Bearer"})
    return sender


def _single(item: Item) -> tuple[int, bytes]:
    if item.status == "failed":
        raise unavailable("the log did not acknowledge the event in time")
    if item.status == "refused":
        raise refusal(item.errors)
    return 202 if item.status == "accepted" else 200, msgspec.json.encode(item)


def _several(items: list[Item]) -> tuple[int, bytes]:
    answer = summary(items)
    if answer.failed:
        raise unavailable(
            f"the log did not acknowledge {answer.failed} of {answer.total} events in time",
            **msgspec.structs.asdict(answer),
        )
    return 207 if answer.refused else 202, msgspec.json.encode(answer)
