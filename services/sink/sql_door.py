"""ClickHouse's HTTP interface, read-only, answered from the engine embedded in the sink's process.

Promises what curl, `clickhouse-connect`, clickhouse-go over HTTP and the JDBC driver need to read: statements in the
query or the body, `param_*`, settings in the query, formats, and a server's status codes and headers. What may be read
and what is refused is decided in `reader`. Answers are never compressed: the only network is this machine's own.

There is no state between requests, so `session_id` is taken and has no effect. The one user is `default`, without a
password: serve this on 127.0.0.1 only.
"""

import base64
import binascii
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from email.parser import BytesParser
from functools import partial
from pathlib import Path
from typing import Final

from anyio import CancelScope, CapacityLimiter, create_task_group, sleep, to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.sink.reader import Answer, EngineError, Question, Reader
from services.sink.wire_format import REVISION, compressed, with_headers

READERS_MAX: Final = 4
"""Questions answered at once; the next one waits. Each may hold a thread and `max_result_bytes`."""

SQL_BYTES_MAX: Final = 1 << 20
"""The engine itself stops reading a statement at 256 KiB; the rest are parameters."""

KILL_AGAIN_S: Final = 0.05

SERVER_NAME: Final = "hoso"
QUERY_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}")

TRANSPORT: Final = frozenset(
    {
        "add_http_cors_header",
        "async_insert",
        "buffer_size",
        "cancel_http_readonly_queries_on_client_close",
        "decompress",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "http_response_buffer_size",
        "insert_deduplication_token",
        "network_compression_method",
        "network_zstd_compression_level",
        "quota_key",
        "role",
        "send_progress_in_http_headers",
        "session_check",
        "session_id",
        "session_timeout",
        "wait_end_of_query",
        "wait_for_async_insert",
    }
)
"""Parameters about the connection or about writing: taken, and without effect on an answer that is sent whole."""

OURS: Final = frozenset(
    {"query", "database", "default_format", "query_id", "user", "password", "compress", "client_protocol_version"}
)

STATUS: Final = {
    **dict.fromkeys((6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223), 400),
    **dict.fromkeys((321, 376, 427, 441, 675, 676), 400),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511), 404),
    **dict.fromkeys((192, 193, 497, 512, 516), 403),
    48: 501,  # NOT_IMPLEMENTED
    159: 408,  # TIMEOUT_EXCEEDED
    229: 413,  # QUERY_IS_TOO_LARGE
}
"""A server's statuses by error number (its exceptionCodeToHTTPStatus.cpp); anything else is 500."""


def create_sql_door(path: Path) -> Starlette:
    """The door to the engine on `path`, which a `Warehouse` of this process must keep open."""
    reader = Reader(path)
    places = CapacityLimiter(READERS_MAX)

    async def answer(request: Request) -> Response:
        headers = {"X-ClickHouse-Query-Id": _query_id(request), "X-ClickHouse-Server-Display-Name": SERVER_NAME}
        try:
            fields = await _fields(request)
            if request.method in ("GET", "HEAD") and not fields["query"]:
                return PlainTextResponse("Ok.\n")
            _admit(request)
            question = _question(request, fields)
            found = await _until_gone(request, places, reader, question, partial(_dress, fields=fields))
        except EngineError as error:
            headers["X-ClickHouse-Exception-Code"] = str(error.code)
            text = f"{error}\n".encode()
            body = compressed(text) if request.query_params.get("compress") == "1" else text
            return PlainTextResponse(body, STATUS.get(error.code, 500), headers)
        except ClientDisconnect:
            found = None
        if found is None:
            return Response(status_code=499)  # nobody is there to read it
        headers |= {
            "Content-Type": found.content_type,
            "X-ClickHouse-Format": found.format,
            "X-ClickHouse-Timezone": found.zone,
            "X-ClickHouse-Summary": _summary(found),
        }
        return Response(found.body, headers=headers)

    async def alive(_: Request) -> Response:
        return PlainTextResponse("Ok.\n")

    return Starlette(
        routes=[
            Route("/", answer, methods=["GET", "POST"]),
            Route("/ping", alive),
            Route("/replicas_status", alive),
        ]
    )


def _query_id(request: Request) -> str:
    """The client's own, if it can stand in a header, or a new one."""
    asked = request.query_params.get("query_id", "")
    return asked if QUERY_ID.fullmatch(asked) else str(uuid.uuid4())


async def _until_gone(
    request: Request, places: CapacityLimiter, reader: Reader, question: Question, dress: Callable[[Answer], Answer]
) -> Answer | None:
    """The answer, computed in a thread; `None` and a killed query when the client goes away first."""
    found = failure = None

    def work() -> Answer:
        return dress(reader.ask(question))

    async with create_task_group() as group:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            asking.cancel()  # still waiting for a place: it never starts
            while True:  # its thread may be about to start the query
                await to_thread.run_sync(reader.kill, question.id)
                await sleep(KILL_AGAIN_S)

        group.start_soon(watch)
        with CancelScope() as asking:
            try:
                found = await to_thread.run_sync(work, limiter=places)
            except EngineError as error:
                failure = error  # raised in the group, it would come out wrapped
        group.cancel_scope.cancel()
    if failure:
        raise failure
    return found


async def _fields(request: Request) -> dict[str, str]:
    """Query parameters and form fields; `query` is the whole statement, the body put after the parameter."""
    fields = dict(request.query_params)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > SQL_BYTES_MAX:
            raise EngineError(229, f"Code: 229. DB::Exception: Body over {SQL_BYTES_MAX} bytes. (QUERY_IS_TOO_LARGE)")
    if request.headers.get("content-encoding", "identity") != "identity" or fields.get("decompress") == "1":
        raise EngineError(164, "Code: 164. DB::Exception: A compressed body is an insert in readonly mode. (READONLY)")
    kind = request.headers.get("content-type", "")
    try:
        if kind.startswith("multipart/form-data"):
            form = BytesParser().parsebytes(f"Content-Type: {kind}\n\n".encode() + body)
            for part in form.walk():
                name = part.get_param("name", header="content-disposition")
                if isinstance(name, str):
                    fields[name] = bytes(part.get_payload(decode=True)).decode()
            text = ""
        else:
            text = body.decode()
    except UnicodeDecodeError as error:
        raise EngineError(62, "Code: 62. DB::Exception: the statement is not UTF-8. (SYNTAX_ERROR)") from error
    fields["query"] = "\n".join(filter(None, (fields.get("query", ""), text)))
    return fields


def _admit(request: Request) -> None:
    """Only `default` without a password lives here; a client that says otherwise expects another server."""
    user, password = request.headers.get("x-clickhouse-user", ""), request.headers.get("x-clickhouse-key", "")
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            user, _, password = base64.b64decode(secret).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user = secret
    user = request.query_params.get("user", user)
    password = request.query_params.get("password", password)
    if user not in ("", "default") or password:
        raise EngineError(
            516,
            f"Code: 516. DB::Exception: {user}: Authentication failed: the only user here is `default`, "
            "without a password. (AUTHENTICATION_FAILED)",
        )


def _question(request: Request, fields: dict[str, str]) -> Question:
    settings = {n: v for n, v in fields.items() if n not in TRANSPORT | OURS and not n.startswith("param_")}
    return Question(
        id=str(uuid.uuid4()),
        sql=fields["query"],
        format=request.headers.get("x-clickhouse-format") or fields.get("default_format") or "TabSeparated",
        database=request.headers.get("x-clickhouse-database") or fields.get("database", ""),
        parameters={n.removeprefix("param_"): v for n, v in fields.items() if n.startswith("param_")},
        settings=settings,
    )


def _dress(found: Answer, fields: dict[str, str]) -> Answer:
    """The answer in the form that two drivers insist on."""
    body = found.body
    if found.format == "Native" and _wants_headers(fields):
        try:
            body = with_headers(body)
        except ValueError as error:
            raise EngineError(48, f"Code: 48. DB::Exception: {error}. (NOT_IMPLEMENTED)") from error
    if fields.get("compress") == "1":
        body = compressed(body)
    return replace(found, body=body)


def _wants_headers(fields: dict[str, str]) -> bool:
    revision = fields.get("client_protocol_version", "")
    return revision.isdecimal() and int(revision) >= REVISION


def _summary(found: Answer) -> str:
    counts = {
        "read_rows": found.rows_read,
        "read_bytes": found.bytes_read,
        "written_rows": 0,
        "written_bytes": 0,
        "total_rows_to_read": found.rows_read,
        "result_rows": found.rows,  # older JDBC drivers see no rows without it
        "result_bytes": len(found.body),
        "elapsed_ns": int(found.elapsed_s * 1e9),
    }
    return json.dumps({name: str(count) for name, count in counts.items()})
