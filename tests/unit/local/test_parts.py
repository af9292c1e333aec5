"""What a child process is given, and what a health route's answer means."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from schemas.settings import Settings, read_settings
from services.local.parts import environment_of, what_is_missing
from services.local.processes import TAIL_LINES, put_aside, tail


def test_a_child_reads_the_same_settings_from_its_environment(tmp_path: Path) -> None:
    settings = read_settings(
        {
            "HOSO_VAR": str(tmp_path),
            "HOSO_CLOCK": "2021-12-31T17:00:00+07:00",
            "HOSO_CLICKHOUSE_PASSWORD": "secret",
            "HOSO_CLICKHOUSE_SECURE": "true",
            "HOSO_UNITS_FILE": "/data/units.json",
            "HOSO_TICK_S": "0.25",
        }
    )
    environment = environment_of(settings, {"PATH": "/bin", "HOSO_TICK_S": "9", "HOSO_GATEWAY_PORT": "1"})
    assert environment["PATH"] == "/bin"
    again = read_settings(environment)
    assert again.model_dump() == settings.model_dump()
    assert again.clock == datetime(2021, 12, 31, 10, tzinfo=UTC)


def test_a_child_finds_the_data_wherever_it_runs() -> None:
    environment = environment_of(Settings(var=Path("var")), {})
    assert environment["HOSO_VAR"] == str(Path.cwd() / "var")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        (httpx.Response(200, json={"status": "ok", "broker": "ok"}), ""),
        (httpx.Response(200, json={"ready": True, "partitions": {}}), ""),
        (httpx.Response(200, json={"ready": False}), "ready: False"),
        (httpx.Response(503, json={"status": "not ready", "broker": "no answer", "units": "ok"}), "broker: no answer"),
        (httpx.Response(200, text="<html>"), "http://hoso/readyz answers something else"),
        (httpx.Response(200, json=[1]), "http://hoso/readyz answers something else"),
    ],
)
async def test_a_health_route_says_what_is_missing(answer: httpx.Response, missing: str) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer)) as client:
        assert await what_is_missing(client, "http://hoso/readyz") == missing


@pytest.mark.asyncio
async def test_a_part_that_is_not_there_does_not_answer() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
        assert await what_is_missing(client, "http://hoso/readyz") == "http://hoso/readyz does not answer"


def test_the_tail_is_of_this_run_only_and_short(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text("earlier\n")
    begins = log.stat().st_size
    assert tail(log, since=begins) == ""
    with log.open("a") as file:
        file.writelines(f"line {number}\n" for number in range(100))
    assert tail(log, since=begins).splitlines() == [f"line {number}" for number in range(100 - TAIL_LINES, 100)]


def test_a_long_log_is_put_aside_and_a_short_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.local.processes.LOG_BYTES_MAX", 10)
    log = tmp_path / "part.log"
    put_aside(log)
    log.write_text("x" * 10)
    put_aside(log)
    assert log.exists()
    log.write_text("x" * 11)
    put_aside(log)
    assert (log.exists(), (tmp_path / "part.log.1").stat().st_size) == (False, 11)
