"""Through the read-only SQL door: the commands of docs/history.md print what it shows; the process answers."""

import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import pytest
import uvicorn
from typer.testing import CliRunner

from schemas.events import Channel, Kind, Outcome
from services.cli.main import app
from services.cli.output import console
from services.local.leash import leashed
from services.sink.clickhouse import open_embedded
from services.sink.migrations import migrate, read_migrations
from services.sink.sql_door import create_sql_door
from tests.factories import SOURCE, at, event, rules
from tests.kafka import free_port
from tests.logs import Logged, store
from tests.pages import SHOWN

PAGE: Final = Path(__file__).parents[2] / "docs" / "history.md"
WIDTH: Final = 120
ONE, TWO, THREE, FOUR = (f"000.00.20.H49-211220-000{number}" for number in (1, 2, 3, 4))


def logged(kind: Kind, dossier: str, time: str, recorded: str | None = None, **data: Any) -> Logged:
    if kind is Kind.FINISHED:
        data["outcome"] = Outcome.GRANTED
    found = event(kind, time, id=f"{dossier}.{data.pop('id', kind)}", dossier=dossier, **data)
    return Logged(found, at(recorded or time))


LOG: Final = [
    logged(Kind.ACCEPTED, ONE, "2021-12-20 08:00", due_at="2021-12-24 17:00"),
    logged(Kind.FINISHED, ONE, "2021-12-22 09:00"),
    logged(Kind.ACCEPTED, THREE, "2021-12-20 08:10", due_at="2021-12-24 17:00", channel=Channel.ONLINE),
    logged(Kind.ACCEPTED, TWO, "2021-12-20 08:20", due_at="2021-12-24 17:00"),
    logged(Kind.SUPPLEMENT_REQUESTED, THREE, "2021-12-21 08:00"),
    logged(Kind.SUPPLEMENT_RECEIVED, THREE, "2021-12-22 08:00"),
    logged(Kind.ACCEPTED, FOUR, "2021-12-20 09:00", due_at="2021-12-24 17:00"),
    logged(Kind.FINISHED, TWO, "2021-12-24 10:00"),
    logged(Kind.FINISHED, FOUR, "2021-12-24 10:30"),
    logged(Kind.FINISHED, THREE, "2021-12-28 09:00", "2022-01-26 15:00"),
    logged(Kind.RETRACTED, FOUR, "2022-02-01 10:00", retracts_source=SOURCE, retracts_id=f"{FOUR}.finished"),
]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the SQL door over the small log."""
    path = tmp_path_factory.mktemp("clickhouse")
    warehouse = open_embedded(path)
    migrate(warehouse, read_migrations())
    store(warehouse, LOG, rules=rules())
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_sql_door(path), host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the SQL door did not start"
    yield port
    server.should_exit = True
    thread.join()
    warehouse.close()


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's width, whatever the terminal's is."""
    monkeypatch.setattr(console, "_width", WIDTH)


def run(command: str, door: int) -> str:
    environment = {"HOSO_SQL_PORT": str(door), "HOSO_CLOCK": "2022-06-30T12:00:00+07:00"}
    result = CliRunner().invoke(app, shlex.split(command)[1:], env=environment)
    assert result.exit_code in (0, 1), result.output
    return "".join(f"{line.rstrip()}\n" for line in result.stdout.splitlines())


@pytest.mark.parametrize(("commands", "shown"), SHOWN.findall(PAGE.read_text("utf-8")))
def test_commands_print_what_the_page_shows(door: int, commands: str, shown: str) -> None:
    assert "\n".join(run(command, door) for command in commands.splitlines()) == shown


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("hoso explain cell --unit 06808 --counter none --year 2021", "expected one of"),
        ("hoso explain cell --unit 06808 --counter received --from 2021-02-01 --to 2021-01-01", "after the last"),
        ("hoso explain dossier D --at yesterday", "expected a day such as"),
        ("hoso what-if --year 2021", "say which rules to try"),
        ("hoso what-if --policy none --year 2021", "there is no policy none"),
        ("hoso what-if --calendar none --year 2021", "there is no calendar none"),
        ("hoso corrections --since 2022-01-05 --counter none", "expected one of"),
    ],
)
def test_wrong_usage_says_what_is_expected(door: int, command: str, told: str) -> None:
    result = CliRunner().invoke(
        app, shlex.split(command)[1:], env={"HOSO_SQL_PORT": str(door), "COLUMNS": "400", "TERM": "dumb"}
    )
    assert (result.exit_code, told in result.stderr) == (2, True), result.output


def test_the_process_answers_what_the_page_promises(door: int) -> None:
    port = free_port()
    environment = {**os.environ, "HOSO_SQL_PORT": str(door), "HOSO_REPORTS_PORT": str(port)}
    environment["HOSO_CLOCK"] = "2022-06-30T12:00:00+07:00"
    command = leashed([sys.executable, "-m", "services.reports"])
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
                anyio.run(until_ready, str(client.base_url), process)
                path = re.findall(r"18082(/v1/report[^\"]+)", PAGE.read_text("utf-8"))[0]
                january, june = (
                    client.get(url).raise_for_status().json() for url in (path, path.partition("&known")[0])
                )
                assert "hoso_reports_question_seconds_count" in client.get("/metrics").text
            second = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
            assert (second.returncode, "set HOSO_REPORTS_PORT" in second.stderr) == (2, True), second.stderr
        finally:
            process.terminate()
        assert process.wait(30) == 0
    counts = [each["report"]["total"]["counts"] for each in (january, june)]
    totals = [{name: count for name, count in each.items() if count} for each in counts]
    assert totals[0] | {"resolved_on_time": 1, "resolved_overdue": 1} == totals[1]
    assert totals[0]["resolved_on_time"] == 2


async def until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        with anyio.fail_after(60):
            while process.poll() is None:
                try:
                    if (await client.get(f"{url}/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await anyio.sleep(0.05)
    raise AssertionError("the process ended")
