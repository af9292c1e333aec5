"""How `hoso send` reads a file, and what it makes of the gateway's answers."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from schemas.errors import SettingsError, Unavailable
from schemas.settings import Settings
from services.cli import send as module
from services.cli.send import events_in

ONE = b'{\n  "id": "1",\n  "data": {"n": 1.10}\n}\n'
CLIENT = httpx.Client
SMALL = b'{"id":"1","data":{"n":1.10}}'


@pytest.mark.parametrize(
    ("content", "events"),
    [
        (ONE, [SMALL]),
        (b"[" + ONE + b", " + ONE + b"]", [SMALL, SMALL]),
        (SMALL + b"\n\r\n" + SMALL + b"\r\n", [SMALL, SMALL]),
        (SMALL + b"\n{broken\n", [SMALL, b"{broken"]),
        (b"{broken\n" + SMALL, [b"{broken", SMALL]),
        (b'{\n  "id": "1",\n', [b'{ "id": "1",']),
        (b"", []),
        (b"[]", []),
    ],
)
def test_one_event_an_array_and_lines_become_lines(content: bytes, events: list[bytes]) -> None:
    assert events_in(content) == events


class Gateway:
    """Answers each body as told, and remembers what it got."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answers.pop(0)


def answered(*items: dict[str, Any]) -> httpx.Response:
    return httpx.Response(207, json={"items": items})


def problem(status: int, **members: Any) -> httpx.Response:
    return httpx.Response(status, json={"title": "Title", "detail": "detail"}, headers={"retry-after": "0"}, **members)


REFUSED = {
    "status": "refused",
    "reason": "not_json",
    "errors": [{"pointer": "", "code": "not_json", "message": "expected JSON"}],
}


def run(gateway: Gateway, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Any:
    file = tmp_path / "events"
    file.write_bytes(content)
    transport = httpx.MockTransport(gateway)
    monkeypatch.setattr(httpx, "Client", lambda **given: CLIENT(**given, transport=transport))
    monkeypatch.setattr(module, "read_settings", lambda: Settings(var=tmp_path))
    app = typer.Typer()
    app.command()(module.send)
    return CliRunner().invoke(app, [str(file), "--key", "k", *options])


def test_each_event_is_answered_and_a_refusal_is_the_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway(answered({"status": "accepted", "partition": 3, "offset": 7}, {"status": "duplicate"}, REFUSED))
    result = run(gateway, b"\n".join([SMALL, SMALL, b"{broken"]), tmp_path, monkeypatch)
    assert result.stdout.splitlines() == [
        "1: accepted, partition 3, offset 7",
        "2: duplicate",
        "3: refused, / not_json: expected JSON",
        "3 events: 1 accepted, 1 duplicate, 1 refused",
    ]
    assert result.exit_code == 1
    [request] = gateway.requests
    assert (request.headers["authorization"], request.content) == ("Bearer k", SMALL + b"\n" + SMALL + b"\n{broken")


def test_a_long_file_is_sent_in_bodies_and_numbered_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVENTS_PER_BODY", 2)
    accepted = {"status": "accepted"}
    gateway = Gateway(answered(accepted, accepted), answered(accepted))
    result = run(gateway, b"\n".join([SMALL] * 3), tmp_path, monkeypatch, "--json")
    document = json.loads(result.stdout)
    assert [item["number"] for item in document["items"]] == [1, 2, 3]
    assert (document["accepted"], document["refused"], result.exit_code) == (3, 0, 0)


def test_a_log_that_does_not_acknowledge_is_asked_again_and_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(Gateway(problem(503), answered({"status": "accepted"})), SMALL, tmp_path, monkeypatch)
    assert result.exit_code == 0
    given_up = run(Gateway(*[problem(503)] * module.TRIES_MAX), SMALL, tmp_path, monkeypatch)
    assert isinstance(given_up.exception, Unavailable)


def test_a_wrong_key_and_a_body_refused_as_a_whole_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(run(Gateway(problem(401)), SMALL, tmp_path, monkeypatch).exception, SettingsError)
    assert run(Gateway(problem(413)), SMALL, tmp_path, monkeypatch).exit_code == 1


def test_a_file_without_events_is_wrong_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(Gateway(), b"\n", tmp_path, monkeypatch).exit_code == 2
