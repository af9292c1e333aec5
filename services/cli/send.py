"""`hoso send`: a file of events to the gateway, and what became of each."""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from schemas.errors import SettingsError, Unavailable
from schemas.settings import Settings, read_settings
from services.cli.output import AsJson, complain, print_json
from services.local.ports import url

if TYPE_CHECKING:
    import httpx

EVENTS_PER_BODY: Final = 2000
BYTES_PER_BODY: Final = 4 * 1024 * 1024  # a quarter of what the gateway takes
TRIES_MAX: Final = 5  # of one body, while the gateway says that the log does not acknowledge
ANSWER_S_MAX: Final = 120.0
SHOWN_MAX: Final = 20  # accepted events, each on a line of its own; of longer files only what needs attention
FROM_STDIN: Final = "-"
LINES: Final = "application/x-ndjson"

Item = dict[str, Any]  # what the gateway answers for one event, with its number in the file


def send(
    file: Annotated[str, typer.Argument(help="One CloudEvent, an array or one per line; `-`: standard input.")],
    key: Annotated[str, typer.Option(help="API key of the source; without: the local stack's.")] = "",
    as_json: AsJson = False,
) -> None:
    """Send events to the gateway and print what became of each: accepted, duplicate or refused with the reason.

    Sending a file again is safe: what is in the log already is a duplicate.

    Example: hoso send schemas/samples/accepted.v1.json

    Exit code: 0 all are in the log; 1 some were refused; 2 the file holds no events or the key is not known; 3 the
    gateway does not answer.
    """
    settings = read_settings()
    events = events_in(sys.stdin.buffer.read() if file == FROM_STDIN else _read(file))
    if not events:
        raise typer.BadParameter("there is no event in it", param_hint="FILE")
    items = []
    for item in _sent(events, key or _local_key(settings), settings):
        items.append(item)
        if not as_json and (item["status"] != "accepted" or len(events) <= SHOWN_MAX):
            sys.stdout.write(f"{_line(item)}\n")
    counts = Counter(item["status"] for item in items)
    if as_json:
        print_json({"total": len(items), **_counted(counts), "items": items})
    else:
        summary = ", ".join(f"{count} {status}" for status, count in _counted(counts).items())
        sys.stdout.write(f"{len(items)} events: {summary}\n")
    if counts["refused"]:
        raise typer.Exit(1)


def events_in(content: bytes) -> list[bytes]:
    """Each event on a line of its own, from one event, an array, or lines, of which some may be broken."""
    try:
        whole = bytes(msgspec.json.decode(content, type=msgspec.Raw))
    except msgspec.DecodeError:
        lines = [line for text in content.split(b"\n") if (line := text.strip())]
        # One event, broken, over several lines gets one answer, not one for each line.
        return lines if any(map(_is_json, lines)) else [b" ".join(lines)] if lines else []
    events = msgspec.json.decode(whole, type=list[msgspec.Raw]) if whole.startswith(b"[") else [whole]
    return [msgspec.json.format(bytes(event), indent=-1) for event in events]


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:  # and its child ValidationError
        return False
    return True


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="FILE") from None


def _local_key(settings: Settings) -> str:
    from services.local.key import key_path, read_key  # pydantic's models of it take a while

    if found := read_key(settings):
        return found
    raise SettingsError(f"there is no key in {key_path(settings)}: give one with --key, or start `hoso up`")


def _sent(events: list[bytes], key: str, settings: Settings) -> Iterator[Item]:
    """The gateway's answer to each, in order, as the bodies are answered."""
    import httpx  # takes 0.1 s, which `hoso --help` should not

    number = 0
    address = f"{url(settings, settings.gateway_port)}/v1/events"
    headers = {"authorization": f"Bearer {key}", "content-type": LINES}
    with httpx.Client(headers=headers, timeout=ANSWER_S_MAX, trust_env=False) as client:
        for body in _bodies(events, bytes_max=min(BYTES_PER_BODY, settings.body_bytes_max)):
            try:
                answer = _post(client, address, body)
            except httpx.TransportError as error:
                raise Unavailable(f"no gateway answers at {address}: start the local stack with `hoso up`") from error
            for item in answer["items"]:
                number += 1
                yield {"number": number, **item}


def _bodies(events: Iterable[bytes], *, bytes_max: int) -> Iterator[bytes]:
    lines: list[bytes] = []
    size = 0
    for event in events:
        if lines and (size + len(event) >= bytes_max or len(lines) == EVENTS_PER_BODY):
            yield b"\n".join(lines)
            lines, size = [], 0
        lines.append(event)
        size += len(event) + 1
    yield b"\n".join(lines)


def _post(client: "httpx.Client", address: str, body: bytes) -> dict[str, Any]:
    for _ in range(TRIES_MAX):
        answer = client.post(address, content=body)
        if answer.status_code != 503:
            break
        time.sleep(float(answer.headers.get("retry-after", "1")))
    document: dict[str, Any] = answer.json()
    if answer.status_code == 503:
        raise Unavailable(f"the gateway at {address}: {document['detail']}")
    if answer.status_code == 401:
        raise SettingsError("the gateway does not know this key: give another with --key")
    if answer.is_error:
        complain(f"{document['title']}: {document['detail']}")
        raise typer.Exit(1)
    return document


def _counted(counts: Counter[str]) -> dict[str, int]:
    return {status: counts[status] for status in ("accepted", "duplicate", "refused")}


def _line(item: Item) -> str:
    if item["status"] == "accepted":
        place = f", partition {item['partition']}, offset {item['offset']}" if "offset" in item else ""
        return f"{item['number']}: accepted{place}"
    errors = "; ".join(
        f"{error['pointer'] or '/'} {error['code']}: {error['message']}" for error in item.get("errors", ())
    )
    return f"{item['number']}: {item['status']}{', ' if errors else ''}{errors}"
