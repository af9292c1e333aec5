"""Reference data on a real broker: files to topics, once; what the command says; and on to the tables."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from schemas.reference import RECORDS, Unit, read_records, read_units
from schemas.settings import Settings
from schemas.topics import UNITS
from services.cli.main import app
from services.local.broker import Broker
from services.reference import read_files
from services.topics import compare_reference, ensure_topics, publish_reference, publish_units, read_published
from tests.integration.sink_run import RunningSink, Site

pytestmark = pytest.mark.broker

RECORDS_OF = {kind: len(read_records(kind)) for kind in RECORDS}


@pytest.fixture
def settings(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Fresh topics, also for commands that run here."""
    prefix = f"r{uuid.uuid4().hex[:8]}-"
    monkeypatch.setenv("HOSO_KAFKA", broker.bootstrap)
    monkeypatch.setenv("HOSO_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("HOSO_PARTITIONS", "1")
    made = Settings(kafka=broker.bootstrap, topic_prefix=prefix, partitions=1)
    asyncio.run(ensure_topics(made))
    return made


def hoso(*arguments: str) -> tuple[int, Any]:
    """Exit code and document of `hoso reference ... --json`."""
    result = CliRunner().invoke(app, ["reference", *arguments, "--json"])
    return result.exit_code, json.loads(result.stdout)


def changed_units(folder: Path, **changes: Any) -> Path:
    """The units that come with Hoso, the city's record changed."""
    path = folder / "units.json"
    units = [unit.model_copy(update=changes) if unit.id == "196" else unit for unit in read_units()]
    path.write_text(json.dumps([unit.model_dump(mode="json") for unit in units]))
    return path


def test_files_are_written_once_and_a_change_alone(settings: Settings, tmp_path: Path) -> None:
    async def run() -> None:
        assert await publish_reference(settings) == RECORDS_OF
        assert await publish_reference(settings) == dict.fromkeys(RECORDS, 0)
        await publish_units(settings, [Unit(id="imported", name_vi="Nhập", name_en="Imported")])
        changed = settings.model_copy(update={"units_file": changed_units(tmp_path, name_en="Uong Bi")})
        standing = (await compare_reference(changed, read_files(changed)))["units"]
        assert (standing.new, standing.changed, standing.foreign) == ([], ["196"], ["imported"])
        assert await publish_reference(changed) == {**dict.fromkeys(RECORDS, 0), "units": 1}
        topic = await read_published(changed, UNITS)
        assert Unit.model_validate_json(topic["196"]).name_en == "Uong Bi"
        assert topic.keys() == {unit.id for unit in read_units()} | {"imported"}

    asyncio.run(run())


def test_the_command_says_what_is_due_and_writes_it(settings: Settings) -> None:
    code, report = hoso("check")
    assert (code, report["records"], report["flaws"]) == (1, RECORDS_OF, [])
    assert {kind: len(standing["new"]) for kind, standing in report["topics"].items()} == RECORDS_OF
    assert hoso("load") == (0, {"records": RECORDS_OF, "flaws": [], "topics": {}, "written": RECORDS_OF})
    nothing: dict[str, list[str]] = {"new": [], "changed": [], "foreign": []}
    assert hoso("check") == (0, {"records": RECORDS_OF, "flaws": [], "topics": dict.fromkeys(RECORDS, nothing)})


def test_files_that_are_wrong_reach_no_topic(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSO_UNITS_FILE", str(changed_units(tmp_path, parent_id="99")))
    flaw = {"kind": "units", "id": "196", "what": "has the parent 99, which is not there"}
    for command in ("check", "load"):
        code, report = hoso(command)
        assert (code, report["flaws"]) == (1, [flaw])
    assert asyncio.run(read_published(settings, UNITS)) == {}


async def has_all(sink: RunningSink) -> bool:
    return {kind: await sink.count(f"core.{kind}") for kind in RECORDS} == RECORDS_OF


def test_topics_reach_the_tables(settings: Settings, tmp_path: Path) -> None:
    async def run() -> None:
        await publish_reference(settings)
        site = Site(bootstrap=settings.bootstrap, prefix=settings.topic_prefix, var=tmp_path)
        async with site.running(partitions=1) as sink:
            await sink.until(has_all)
            assert await sink.ask("SELECT unit_id, province_name_en, now_id, is_split FROM mart.units ORDER BY 1") == [
                *(
                    [unit_id, "Quang Ninh Province", now_id, int(now_id in ("06820", "196"))]
                    for unit_id, now_id in sorted(NOW.items())
                )
            ]
            assert await sink.ask(
                "SELECT desk, toInt32(count()), toInt32(sum(is_online)), toInt32(sum(on_national_portal))"
                " FROM mart.procedures GROUP BY desk ORDER BY desk"
            ) == [["centre", 277, 171, 160], ["commune", 111, 71, 67]]
        assert "unreadable" not in sink.tail()

    asyncio.run(run())


NOW = {
    **{id_: id_ for id_ in ("22", "196", "196.TTHCC", "06820", "22.YENTU", "22.VANGDANH", "22.UONGBI")},
    "196.DIENCONG": "06820",  # merged into what was split later
    **dict.fromkeys(("06829", "06832", "06835"), "22.YENTU"),
    **dict.fromkeys(("06808", "06814", "06823"), "22.VANGDANH"),
    **dict.fromkeys(("06811", "06817", "06826"), "22.UONGBI"),
}
