"""`hoso import` against a real broker: what arrives, what a second import changes, what an interrupted one leaves."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from typer.testing import CliRunner

from schemas.codec import STRUCTURED, decode_record
from schemas.errors import Unavailable
from schemas.reference import Unit, read_calendars, read_policies
from schemas.settings import Settings, read_settings
from schemas.state import Dossier, Entry
from schemas.topics import EVENTS, UNITS
from services.cli.import_ import import_
from services.importer.errors import CannotImport
from services.importer.run import ROWS_PER_SEND
from services.local.broker import Broker
from services.topics import ensure_topics, publish_units
from streams.domain.deadline import Rulebook
from streams.domain.dossier import entry_of, fold
from streams.kafka import partition_of
from tests.unit.importer.make import A_DOSSIER, DOSSIER_TOML, csv_file

pytestmark = pytest.mark.broker

PARTITIONS: Final = 3
WAIT_S_MAX: Final = 60.0

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(import_)


@pytest.fixture
def environment(broker: Broker, tmp_path: Path) -> dict[str, str]:
    """The settings of a deployment of its own, whose topics are made."""
    found = {
        "HOSO_KAFKA": broker.bootstrap,
        "HOSO_TOPIC_PREFIX": f"t{uuid.uuid4().hex[:8]}-",
        "HOSO_PARTITIONS": str(PARTITIONS),
        "HOSO_VAR": str(tmp_path / "var"),
    }
    asyncio.run(ensure_topics(read_settings(found)))
    return found


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "mapping.toml"
    path.write_text(DOSSIER_TOML, encoding="utf-8")
    return path


def run(environment: dict[str, str], *arguments: object) -> tuple[int, dict[str, Any]]:
    """Exit code and summary; what the command raises is raised."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"], env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout)


def read_topic(settings: Settings, topic: str, partitions: int) -> list[Any]:
    """All records of a topic."""

    async def read() -> list[Any]:
        tps = [TopicPartition(topic, partition) for partition in range(partitions)]
        records: list[Any] = []
        async with AIOKafkaConsumer(
            bootstrap_servers=settings.bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
        ) as consumer:
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for fetched in (await consumer.getmany(timeout_ms=200)).values():
                    records += fetched
        return records

    return asyncio.run(read())


def dossiers(settings: Settings) -> dict[str, Dossier]:
    """The log folded, and every record's key, header and place checked."""
    histories: defaultdict[str, list[Entry]] = defaultdict(list)
    for record in read_topic(settings, settings.topics[EVENTS], PARTITIONS):
        event = decode_record(key=record.key, value=record.value, headers=record.headers)
        assert ("content-type", STRUCTURED.encode()) in record.headers
        assert record.partition == partition_of(event.subject, PARTITIONS)
        histories[event.subject].append(entry_of(event))
    rules = Rulebook.of(read_policies(), read_calendars(), default="vn-day-1")
    return {id_: fold(id_, history, rules) for id_, history in histories.items()}


def units(settings: Settings) -> dict[str, Unit]:
    records = read_topic(settings, settings.topics[UNITS], 1)
    return {record.key.decode(): Unit.model_validate_json(record.value) for record in records}


def test_a_second_import_and_a_longer_file_change_only_what_is_new(
    environment: dict[str, str], mapping: Path, tmp_path: Path
) -> None:
    settings = read_settings(environment)
    rows = [{**A_DOSSIER, "id": f"H49-{number}", "unit": "Phường Vàng Danh"} for number in range(200)]
    still_open = {**rows[0], "finished": ""}
    code, summary = run(environment, mapping, csv_file(tmp_path, [still_open, *rows[1:]]))
    assert (code, summary["stored"], summary["units"]) == (0, 399, {"new": 1, "known": 0, "kept": []})
    assert units(settings)["Phuong-Vang-Danh"].name_vi == "Phường Vàng Danh"
    first = dossiers(settings)
    assert len(first) == 200
    assert not any(dossier.anomalies for dossier in first.values())

    code, summary = run(environment, mapping, csv_file(tmp_path, [still_open, *rows[1:]]))
    assert (code, summary["stored"], summary["units"]) == (0, 399, {"new": 0, "known": 1, "kept": []})
    assert dossiers(settings) == first

    code, _ = run(environment, mapping, csv_file(tmp_path, rows[::-1]))  # a later export, in another order
    later = dossiers(settings)
    assert code == 0
    assert [id_ for id_ in later if later[id_] != first[id_]] == ["H49-0"]
    assert later["H49-0"].finished_at is not None


def test_a_known_unit_is_never_changed(environment: dict[str, str], mapping: Path, tmp_path: Path) -> None:
    settings = read_settings(environment)
    known = Unit(id="06808", name_vi="Phường Vàng Danh", name_en="Vang Danh Ward", parent_id="196")
    asyncio.run(publish_units(settings, [known]))
    named = mapping.read_text().replace('columns = ["unit"]', 'columns = ["unit"], name = "name"')
    mapping.write_text(named)
    rows = [{**A_DOSSIER, "name": "Phường khác"}, {**A_DOSSIER, "unit": "06811", "name": "Phường Thanh Sơn"}]
    _, summary = run(environment, mapping, csv_file(tmp_path, rows))
    assert summary["units"] == {"new": 1, "known": 1, "kept": ["06808"]}
    assert units(settings)["06808"] == known
    assert units(settings)["06811"].name_vi == "Phường Thanh Sơn"


def test_rejects_are_listed_the_rest_is_stored_and_the_exit_code_says_so(
    environment: dict[str, str], mapping: Path, tmp_path: Path
) -> None:
    path = csv_file(tmp_path, [A_DOSSIER, {**A_DOSSIER, "due": "soon"}, {**A_DOSSIER, "id": "H49-2"}])
    code, summary = run(environment, mapping, path)
    assert (code, summary["stored"], summary["rejects"]) == (1, 4, 1)
    rejects = tmp_path / "var" / "dossiers.csv.rejects.ndjson"
    assert summary["rejects_file"] == str(rejects)
    assert json.loads(rejects.read_text()) == {"file": str(path), "line": 3, "reason": "bad_time", "column": "due"}


def test_a_dry_run_needs_no_broker_and_sends_nothing(
    environment: dict[str, str], mapping: Path, tmp_path: Path
) -> None:
    path = csv_file(tmp_path, [A_DOSSIER])
    code, summary = run({**environment, "HOSO_KAFKA": "127.0.0.1:1"}, mapping, path, "--dry-run")
    assert (code, summary["events"], summary["stored"], summary["units"]) == (0, 2, 0, {"found": 1})
    assert dossiers(read_settings(environment)) == {}


def test_an_input_is_never_taken_for_the_reject_file(
    environment: dict[str, str], mapping: Path, tmp_path: Path
) -> None:
    path = csv_file(tmp_path, [A_DOSSIER])
    with pytest.raises(CannotImport, match="is an input"):
        run(environment, mapping, path, "--rejects", path)
    assert path.exists()


def test_without_topics_nothing_is_sent_and_the_error_says_what_to_do(
    environment: dict[str, str], mapping: Path, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match=r"there is no topic .*: make it with `hoso migrate`"):
        run({**environment, "HOSO_TOPIC_PREFIX": "nobody-made-these-"}, mapping, csv_file(tmp_path, [A_DOSSIER]))


def test_without_a_broker_the_error_comes_at_once(environment: dict[str, str], mapping: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no Kafka broker answers"):
        run({**environment, "HOSO_KAFKA": "127.0.0.1:1"}, mapping, csv_file(tmp_path, [A_DOSSIER]))


def test_an_interrupted_import_says_how_far_it_came_and_goes_on_when_run_again(
    environment: dict[str, str], mapping: Path, tmp_path: Path
) -> None:
    settings = read_settings(environment)
    path = csv_file(tmp_path, [{**A_DOSSIER, "id": f"H49-{number}"} for number in range(30_000)])
    program = "import typer; from services.cli.import_ import import_; typer.run(import_)"
    command = [sys.executable, "-c", program, str(mapping), str(path)]
    process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + WAIT_S_MAX
    while _stored(settings) <= 2 * ROWS_PER_SEND:  # more than the first chunk: that one was acknowledged
        assert process.poll() is None
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=WAIT_S_MAX)
    assert process.returncode == 130
    stored = int(said.split("Stopped: ")[1].split(" ")[0].replace(",", ""))
    assert "Run the same command again" in said
    assert "Traceback" not in said
    assert 0 < stored <= _stored(settings) < 60_000

    code, summary = run(environment, mapping, path)
    assert (code, summary["stored"]) == (0, 60_000)
    found = dossiers(settings)
    assert len(found) == 30_000
    assert all(dossier.finished_at is not None and not dossier.anomalies for dossier in found.values())


def _stored(settings: Settings) -> int:
    """How many records the event topic holds."""

    async def ask() -> int:
        tps = [TopicPartition(settings.topics[EVENTS], partition) for partition in range(PARTITIONS)]
        async with AIOKafkaConsumer(bootstrap_servers=settings.bootstrap) as consumer:
            return sum((await consumer.end_offsets(tps)).values())

    return asyncio.run(ask())
