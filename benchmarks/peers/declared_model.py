"""The peer of single events: a FastAPI application that declares its body as a pydantic model, as its manual shows.

`python -m benchmarks.peers.declared_model BOOTSTRAP TOPIC PORT KEY`: one key, one route, the same models, the same
server, the same acknowledgement (idempotent, acks=all). It recognises no repeats, asks for no units, counts and times
nothing.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, Union

import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from schemas.codec import STRUCTURED
from schemas.events import EVENT_MODEL_OF_TYPE


def _lenient(model: type[BaseModel]) -> type[BaseModel]:
    """The same model for a body that FastAPI has parsed already: there an enum's value is a text, a tuple is a list."""
    fields = model.model_fields.items()
    inner = {name: _lenient(field.annotation) for name, field in fields if name == "data" and field.annotation}
    namespace = {"model_config": ConfigDict(strict=False), "__annotations__": inner, "__module__": __name__}
    return type(model.__name__, (model,), namespace)


_EVENTS: Final = tuple(_lenient(model) for model in EVENT_MODEL_OF_TYPE.values())
Event = Annotated[Union[_EVENTS], Field(discriminator="type")]  # noqa: UP007 - built at run time


class Stored(BaseModel):
    """The answer: where it lies."""

    status: str
    partition: int
    offset: int


def create_app(*, bootstrap: str, topic: str, key: str) -> FastAPI:
    """The application with its producer."""
    producer: Any = None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal producer
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
        await producer.start()
        yield
        await producer.stop()

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/events", status_code=202)
    async def post_event(event: Event, authorization: Annotated[str, Header()]) -> Stored:  # type: ignore[valid-type]
        if authorization != f"Bearer {key}":
            raise HTTPException(401)
        stored = await producer.send_and_wait(
            topic,
            event.model_dump_json(exclude_unset=True).encode(),  # type: ignore[attr-defined]
            key=event.subject.encode(),  # type: ignore[attr-defined]
            headers=[("content-type", STRUCTURED.encode())],
        )
        return Stored(status="accepted", partition=stored.partition, offset=stored.offset)

    return app


if __name__ == "__main__":
    bootstrap, topic, port, key = sys.argv[1:]
    uvicorn.run(
        create_app(bootstrap=bootstrap, topic=topic, key=key), port=int(port), log_level="warning", access_log=False
    )
