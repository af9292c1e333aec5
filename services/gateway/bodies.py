"""From a request to the bytes of its events: which form, how large, how encoded, how divided.

Promises: no body is held beyond `bytes_max`, before or after decompression, nor all bodies together beyond
HELD_TIMES_MAX of it; each event's bytes are those that came.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.requests import ClientDisconnect, Request

from schemas.codec import EVENT_BYTES_MAX, structured
from schemas.errors import ContractError, Flaw, Reason
from services.gateway.problems import (
    BUSY,
    RETRY_AFTER_S,
    SLOW_BODY,
    TOO_LARGE,
    UNREADABLE,
    WRONG_MEDIA,
)
from services.problems import Problem

# With 16 MiB bodies and ~5 times a body's size in use while it is judged: 320 MiB at the most.
HELD_TIMES_MAX: Final = 4
ARRIVAL_S_MAX: Final = 60.0  # 16 MiB at 2.3 Mbit/s; longer is a stuck or hostile sender
GZIP_WBITS: Final = 31
ATTRIBUTE_PREFIX: Final = "ce-"


class Form(Enum):
    """How a body says events: the CloudEvents HTTP binding's three modes, and lines."""

    STRUCTURED = auto()
    BINARY = auto()
    BATCH = auto()
    LINES = auto()

    @property
    def is_single(self) -> bool:
        """One event, answered by the status code itself."""
        return self in (Form.STRUCTURED, Form.BINARY)


_FORMS: Final = {
    "application/cloudevents+json": Form.STRUCTURED,
    "application/json": Form.STRUCTURED,  # a courtesy, when the body is a whole event
    "application/cloudevents-batch+json": Form.BATCH,
    "application/x-ndjson": Form.LINES,
}


def form_of(request: Request) -> Form:
    """The form that the headers announce."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = _FORMS.get(media)
    if form is None:
        raise Problem(WRONG_MEDIA, f"expected one of {', '.join(_FORMS)}")
    if media == "application/json" and any(name.startswith(ATTRIBUTE_PREFIX) for name in request.headers):
        return Form.BINARY
    return form


def check_json(request: Request) -> None:
    """Refuse a body that does not say that it is JSON."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise Problem(WRONG_MEDIA, "expected application/json")


class BodyReader:
    """Reads bodies within the limits."""

    def __init__(self, *, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The decompressed body; it counts as held until the context ends."""
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip"):
            raise Problem(WRONG_MEDIA, "expected no content-encoding, or gzip", headers={"accept-encoding": "gzip"})
        if int(request.headers.get("content-length", "0")) > self._bytes_max:
            raise self._too_large()
        chunks: list[bytes] = []
        try:
            await self._collect(request, encoding, chunks)
            yield b"".join(chunks)
        finally:
            self._held -= sum(map(len, chunks))

    async def _collect(self, request: Request, encoding: str, chunks: list[bytes]) -> None:
        size = 0
        try:
            async with asyncio.timeout(ARRIVAL_S_MAX):
                async for chunk in self._decoded(request, encoding):
                    chunks.append(chunk)
                    size += len(chunk)
                    self._held += len(chunk)
                    if size > self._bytes_max:
                        raise self._too_large()
                    if self._held > self._bytes_max * HELD_TIMES_MAX:
                        raise Problem(BUSY, "too many bodies at once", headers={"retry-after": str(RETRY_AFTER_S)})
        except TimeoutError:
            raise Problem(SLOW_BODY, f"expected the whole body within {ARRIVAL_S_MAX:.0f} s") from None
        except ClientDisconnect:
            raise Problem(UNREADABLE, "the body was cut off") from None  # in case somebody still listens

    async def _decoded(self, request: Request, encoding: str) -> AsyncIterator[bytes]:
        if encoding == "identity":
            async for chunk in request.stream():
                yield chunk
            return
        inflate = zlib.decompressobj(GZIP_WBITS)
        arrived = 0
        async for chunk in request.stream():
            arrived += len(chunk)
            if arrived > self._bytes_max:
                raise self._too_large()
            while chunk:
                if inflate.eof:  # a gzip file may have several members
                    inflate = zlib.decompressobj(GZIP_WBITS)
                try:
                    # One byte more than is allowed tells a bomb without inflating it.
                    yield inflate.decompress(chunk, self._bytes_max + 1)
                except zlib.error:
                    raise Problem(UNREADABLE, "expected a gzip body, as content-encoding says") from None
                chunk = inflate.unconsumed_tail or inflate.unused_data
        if not inflate.eof:
            raise Problem(UNREADABLE, "the gzip body ends early")

    def _too_large(self) -> Problem:
        return Problem(TOO_LARGE, f"expected at most {self._bytes_max} bytes after decompression; split the body")


def events_of(form: Form, body: bytes, request: Request) -> Sequence[bytes]:
    """The bytes of each event, verbatim; `ContractError` when the body as a whole is not of its form.

    A body of lines may hold empty ones: they are skipped. The last line may be cut off: it is an event that is not
    JSON, and its neighbours are whole.
    """
    match form:
        case Form.STRUCTURED:
            return [body]
        case Form.BINARY:
            return [_structured(request, body)]
        case Form.LINES:
            return [line for text in body.split(b"\n") if (line := text.strip())]
        case Form.BATCH:
            return _items(body)


def _items(body: bytes) -> list[bytes]:
    try:
        return [bytes(item) for item in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except msgspec.ValidationError:
        raise ContractError(Flaw("", Reason.NOT_CLOUDEVENT, "expected a JSON array of events")) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ContractError(Flaw("", Reason.NOT_JSON, "expected a whole JSON array")) from None


def _structured(request: Request, body: bytes) -> bytes:
    """The structured form of a binary-mode event (CloudEvents HTTP binding 3.1)."""
    if not body:
        raise ContractError(Flaw("/data", Reason.NO_VALUE, "expected the event's data in the body"))
    if len(body) > EVENT_BYTES_MAX:
        raise ContractError(Flaw("/data", Reason.TOO_LARGE, f"expected at most {EVENT_BYTES_MAX} bytes"))
    attributes: dict[str, bytes] = {}
    for name, text in request.headers.items():
        if not name.startswith(ATTRIBUTE_PREFIX):
            continue
        attribute = name.removeprefix(ATTRIBUTE_PREFIX)
        if attribute in attributes or attribute == "data":
            raise ContractError(Flaw("", Reason.INVALID_VALUE, "expected each ce- header once, and none for data"))
        attributes[attribute] = _header_text(text)
    return structured(attributes=attributes, data=body)


def _header_text(text: str) -> bytes:
    """A header's value without its quotes and percent signs (CloudEvents HTTP binding 3.1.3.2)."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return unquote_to_bytes(text.encode("latin-1"))
