"""From a request to the bytes of its events: which form, how large, how encoded, how divided.

Promises: no body is held beyond `bytes_max`, before or after decompression, nor all bodies together beyond
HELD_TIMES_MAX of it; each event's bytes are those that came.
"""

import zlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.types import Receive, Scope

from schemas.codec import EVENT_BYTES_MAX, structured
from schemas.errors import ContractError, Flaw, Reason
from services.gateway.arrivals import Arrivals
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


Headers = Mapping[str, str]
"""The first of each name; names in lower case."""


def headers_of(scope: Scope) -> Headers:
    """A request's headers, decoded once: the framework's own mapping searches its list for every name."""
    return {name.decode("latin-1"): text.decode("latin-1") for name, text in reversed(scope["headers"])}


def form_of(headers: Headers) -> Form:
    """The form that the headers announce."""
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    form = _FORMS.get(media)
    if form is None:
        raise Problem(WRONG_MEDIA, f"expected one of {', '.join(_FORMS)}")
    if media == "application/json" and any(name.startswith(ATTRIBUTE_PREFIX) for name in headers):
        return Form.BINARY
    return form


def check_json(headers: Headers) -> None:
    """Refuse a body that does not say that it is JSON."""
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise Problem(WRONG_MEDIA, "expected application/json")


class BodyReader:
    """Reads bodies within the limits."""

    def __init__(self, *, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held = 0
        self._arrivals = Arrivals()

    @asynccontextmanager
    async def read(self, headers: Headers, receive: Receive) -> AsyncIterator[bytes]:
        """The decompressed body; it counts as held until the context ends."""
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip"):
            raise Problem(WRONG_MEDIA, "expected no content-encoding, or gzip", headers={"accept-encoding": "gzip"})
        if int(headers.get("content-length", "0")) > self._bytes_max:
            raise too_large(self._bytes_max)
        body = await self._collect(receive, encoding)
        try:
            yield body
        finally:
            self._held -= len(body)

    async def _collect(self, receive: Receive, encoding: str) -> bytes:
        inflation = None if encoding == "identity" else _Inflation(self._bytes_max)
        chunks: list[bytes] = []
        size = 0
        more = True
        try:
            with self._arrivals.within(ARRIVAL_S_MAX):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Problem(UNREADABLE, "the body was cut off")  # in case somebody still listens
                    arrived, more = message.get("body", b""), message.get("more_body", False)
                    for chunk in (arrived,) if inflation is None else inflation.feed(arrived):
                        chunks.append(chunk)
                        size += len(chunk)
                        self._held += len(chunk)
                        if size > self._bytes_max:
                            raise too_large(self._bytes_max)
                        if self._held > self._bytes_max * HELD_TIMES_MAX:
                            raise Problem(BUSY, "too many bodies at once", headers={"retry-after": str(RETRY_AFTER_S)})
            if inflation is not None:
                inflation.finish()
        except BaseException as error:
            self._held -= size
            if isinstance(error, TimeoutError):
                raise Problem(SLOW_BODY, f"expected the whole body within {ARRIVAL_S_MAX:.0f} s") from None
            raise
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class _Inflation:
    """A gzip body on its way in."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._member = zlib.decompressobj(GZIP_WBITS)
        self._arrived = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What the chunk becomes, in pieces of at most one byte more than is allowed: that tells a bomb."""
        self._arrived += len(chunk)
        if self._arrived > self._bytes_max:
            raise too_large(self._bytes_max)
        while chunk:
            if self._member.eof:  # a gzip file may have several members
                self._member = zlib.decompressobj(GZIP_WBITS)
            try:
                yield self._member.decompress(chunk, self._bytes_max + 1)
            except zlib.error:
                raise Problem(UNREADABLE, "expected a gzip body, as content-encoding says") from None
            chunk = self._member.unconsumed_tail or self._member.unused_data

    def finish(self) -> None:
        """Raise when more should have come."""
        if not self._member.eof:
            raise Problem(UNREADABLE, "the gzip body ends early")


def too_large(bytes_max: int) -> Problem:
    """The answer to a body above the limit."""
    return Problem(TOO_LARGE, f"expected at most {bytes_max} bytes after decompression; split the body")


def events_of(form: Form, body: bytes, scope: Scope) -> Sequence[bytes]:
    """The bytes of each event, verbatim; `ContractError` when the body as a whole is not of its form.

    A body of lines may hold empty ones: they are skipped. The last line may be cut off: it is an event that is not
    JSON, and its neighbours are whole.
    """
    match form:
        case Form.STRUCTURED:
            return [body]
        case Form.BINARY:
            return [_structured(scope, body)]
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


def _structured(scope: Scope, body: bytes) -> bytes:
    """The structured form of a binary-mode event (CloudEvents HTTP binding 3.1)."""
    if not body:
        raise ContractError(Flaw("/data", Reason.NO_VALUE, "expected the event's data in the body"))
    if len(body) > EVENT_BYTES_MAX:
        raise ContractError(Flaw("/data", Reason.TOO_LARGE, f"expected at most {EVENT_BYTES_MAX} bytes"))
    attributes: dict[str, bytes] = {}
    for name, text in ((name.decode("latin-1"), text.decode("latin-1")) for name, text in scope["headers"]):
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
