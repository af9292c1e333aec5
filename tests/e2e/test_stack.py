"""`hoso up` as people use it: everything answers, the dead are replaced, one per folder, and nothing is left behind.

One stack is started for all tests but the last, which run in the order in which they stand here.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_IMODE
from typing import Any, Final

import httpx
import pytest

from tests.e2e.home import PORTS, WAIT_S_MAX, Home, make_home, read_document, stop

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc"),
]

SAMPLE: Final = Path(__file__).parents[2] / "schemas" / "samples" / "accepted.v1.json"
HEALTH: Final = ("WORKER", "GATEWAY", "MONITOR", "REPORTS", "SQL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack(Home):
    """A running one."""

    process: subprocess.Popen[str]
    urls: dict[str, str]


@pytest.fixture
def home(tmp_path: Path, broker_jars: list[Path]) -> Home:
    return make_home(tmp_path / "var", broker_jars)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, broker_jars: list[Path]) -> Iterator[Stack]:
    home = make_home(tmp_path_factory.mktemp("up") / "var", broker_jars)
    process = home.start()
    try:
        yield Stack(var=home.var, environment=home.environment, process=process, urls=read_document(home, process))
    finally:
        stop(process)


def children(process: subprocess.Popen[str]) -> dict[str, int]:
    """Process id by part."""
    names = {
        "kafka.Kafka": "broker",
        "streams": "worker",
        **{f"services.{name}": name for name in ("gateway", "monitor", "reports", "sink")},
    }
    found = {}
    with suppress(FileNotFoundError, ProcessLookupError):  # it ended while we looked
        for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            found |= {name: int(pid) for argument, name in names.items() if argument in arguments}
    return found


def wait_until(condition: Callable[[], Any], otherwise: Callable[[], str]) -> None:
    deadline = time.monotonic() + WAIT_S_MAX
    while not condition():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.05)


def is_ready(home: Home, name: str) -> bool:
    try:
        answer = httpx.get(f"http://127.0.0.1:{home.port(name)}/readyz", timeout=5)
    except httpx.TransportError:
        return False
    return answer.is_success and answer.json().get("ready", True)


def someone_listens(home: Home) -> list[str]:
    """The names of ports on which somebody listens."""
    listening = {
        line.split()[1].rpartition(":")[2]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    }
    return [name for name in PORTS if f"{home.port(name):04X}" in listening]


def test_everything_answers_and_says_where(stack: Stack) -> None:
    assert [name for name in HEALTH if not is_ready(stack, name)] == []
    assert stack.urls == {
        "page": f"http://127.0.0.1:{stack.port('MONITOR')}/",
        "gateway": f"http://127.0.0.1:{stack.port('GATEWAY')}/v1/events",
        "reports": f"http://127.0.0.1:{stack.port('REPORTS')}/v1/report",
        "sql": f"http://127.0.0.1:{stack.port('SQL')}",
        "kafka": f"127.0.0.1:{stack.port('KAFKA')}",
        "logs": str(stack.var / "log"),
    }
    assert children(stack.process).keys() == {"broker", "worker", "gateway", "monitor", "reports", "sink"}
    assert S_IMODE((stack.var / "demo.key").stat().st_mode) == 0o600


def test_an_event_can_be_sent_at_once_and_is_counted(stack: Stack) -> None:
    sent = stack.hoso("send", "--json", str(SAMPLE))
    assert (sent.returncode, json.loads(sent.stdout)["accepted"]) == (0, 1), sent.stderr
    assert json.loads(stack.hoso("send", "--json", str(SAMPLE)).stdout)["duplicate"] == 1
    refused = stack.hoso("send", "--key", "wrong", str(SAMPLE))
    assert (refused.returncode, "another with --key" in refused.stderr) == (2, True)

    def counted() -> bool:
        total = json.loads(stack.hoso("lag", "--json").stdout)["total"]
        return (total["log_end"], total["counted"], total["lag"]) == (1, 1, 0)

    wait_until(counted, lambda: stack.hoso("lag").stdout)


def test_the_doctor_finds_nothing_wrong(stack: Stack) -> None:
    answer = stack.hoso("doctor", "--json")
    assert [finding for finding in json.loads(answer.stdout) if finding["level"] == "problem"] == []
    assert answer.returncode == 0
    due = stack.hoso("migrate", "--check", "--json")
    assert (due.returncode, {step["state"] for step in json.loads(due.stdout)}) == (0, {"there"}), due.stdout


def test_the_audit_finds_everything_equal(stack: Stack) -> None:
    answer = stack.hoso("audit", "--json")
    found = json.loads(answer.stdout)
    assert (answer.returncode, found["differences"], found["notes"]) == (0, [], []), answer.stderr
    once = ("dossier-states", "raw.events", "core.events", "core.dossiers", "mart.dossiers", "mart.unit_daily")
    assert {found["compared"][place] for place in once} == {1}
    assert found["compared"]["monitor"] > 1


def test_sql_is_answered(stack: Stack) -> None:
    def stored() -> bool:
        answer = stack.hoso("sql", "--csv", "SELECT sum(records) AS records FROM mart.freshness")
        return answer.stdout == "records\n1\n"

    wait_until(stored, lambda: stack.hoso("sql", "SELECT * FROM mart.freshness").stderr)
    wrong = stack.hoso("sql", "SELECT nothing FROM mart.freshness")
    assert (wrong.returncode, wrong.stdout, "nothing" in wrong.stderr) == (1, "", True)


def test_a_second_one_says_that_one_is_running(stack: Stack) -> None:
    second = stack.hoso("up")
    assert second.returncode == 1
    assert f"process {stack.process.pid} already runs the stack" in second.stderr.replace("\n", " ")
    assert stack.urls["page"] in second.stderr


def test_an_occupied_port_names_its_setting(stack: Stack, home: Home) -> None:
    answer = home.hoso("up", HOSO_GATEWAY_PORT=str(stack.port("GATEWAY")))
    assert answer.returncode == 2
    assert f"port {stack.port('GATEWAY')} on 127.0.0.1 is taken; set HOSO_GATEWAY_PORT" in answer.stderr


def test_a_killed_child_is_told_and_started_again(stack: Stack) -> None:
    before = children(stack.process)
    os.kill(before["gateway"], signal.SIGKILL)
    wait_until(lambda: "gateway answers again" in stack.said(), stack.said)
    assert "gateway was ended by SIGKILL; starting it again in 1 s" in stack.said()
    assert is_ready(stack, "GATEWAY")
    after = children(stack.process)
    assert after.pop("gateway") != before.pop("gateway")
    assert after == before, "nobody else was touched"


def test_a_part_that_cannot_go_on_stops_everything_and_says_why(stack: Stack, home: Home) -> None:
    other = {"HOSO_KAFKA": stack.urls["kafka"], "HOSO_TOPIC_PREFIX": "other-"}  # quicker than a broker of its own
    process = home.start(HOSO_POLICY="no-such-policy", **other)
    parts: set[str] = set()
    while process.poll() is None:
        parts |= children(process).keys()
        time.sleep(0.05)
    assert stop(process) == 2, home.said()
    assert "cannot go on" in home.said()
    assert "no-such-policy" in home.said()
    assert someone_listens(home) == []
    assert parts == {"worker", "gateway", "monitor", "reports", "sink"}, "the broker that was named is used"


def test_sigterm_leaves_nothing_running(stack: Stack) -> None:
    pids = children(stack.process)
    assert stop(stack.process) == 0, stack.said()
    assert [name for name, pid in pids.items() if Path(f"/proc/{pid}").exists()] == []
    assert someone_listens(stack) == []
    assert "killed" not in stack.said(), "each ended by itself"
    assert (stack.var / "kafka" / "data" / "logs" / ".kafka_cleanshutdown").exists(), "so did the broker"
    assert stack.said().splitlines()[-2:] == ["stopping", "stopped"]


def test_a_stop_while_starting_leaves_nothing_running(home: Home) -> None:
    process = home.start()
    wait_until(lambda: "broker" in children(process), home.said)
    assert stop(process) == 0, home.said()
    assert someone_listens(home) == []
