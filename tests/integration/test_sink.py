"""The sink on a real broker and the real engine: every record once, whatever ends it, and no start that is not safe."""

import random
import socket
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from schemas.codec import Event, encode
from schemas.events import Kind
from schemas.reference import Unit
from schemas.state import Dossier, Flow, Status
from schemas.tables import RAW_EVENTS
from schemas.tallies import Progress, Tally, progress_key
from schemas.topics import EVENTS, STATES, TALLIES, UNITS, Topic
from services.local.broker import HOST, Broker
from services.sink.clickhouse import open_embedded
from services.sink.marks import count_repeats, find_gaps
from tests.factories import event
from tests.integration.sink_run import RunningSink, Site, create_topics
from tests.kafka import create_topic

pytestmark = [pytest.mark.broker, pytest.mark.asyncio]

POISON = (b"not json", b"\xff\xfe", None, b"{}", b"")
PARTITIONS = 2


@pytest_asyncio.fixture
async def site(broker: Broker, tmp_path: Path) -> Site:
    """Fresh topics under a prefix of their own, and an empty directory."""
    prefix = f"s{uuid.uuid4().hex[:8]}-"
    await create_topics(broker.bootstrap, prefix, partitions=PARTITIONS)
    return Site(bootstrap=broker.bootstrap, prefix=prefix, var=tmp_path)


def events(count: int, *, seed: int = 1) -> list[Event]:
    """Acceptances, each twentieth sent twice, in no order."""
    dice = random.Random(seed)
    once = [
        event(Kind.ACCEPTED, "2021-03-01 08:30", id=f"{seed}-{number}", dossier=f"D{seed}-{number // 3}")
        for number in range(count)
    ]
    all_ = once + dice.sample(once, count // 20)
    dice.shuffle(all_)
    return all_


async def produce(site: Site, topic: str, records: Sequence[tuple[bytes | None, bytes | None]]) -> None:
    """Send all and wait for the last acknowledgement."""
    producer = AIOKafkaProducer(bootstrap_servers=site.bootstrap, linger_ms=5)
    async with producer:
        for sent in [await producer.send(topic, value, key=key) for key, value in records]:
            await sent


async def produce_events(site: Site, count: int, *, seed: int = 1) -> int:
    """Events with 5 % repeats and poison in between; how many records they are."""
    records: list[tuple[bytes | None, bytes | None]] = [
        (one.subject.encode(), encode(one)) for one in events(count, seed=seed)
    ]
    for number in range(count // 50):
        records.insert(number * 50, (b"D0", POISON[number % len(POISON)]))
    await produce(site, site.prefix + EVENTS.name, records)
    return len(records)


async def read_log(site: Site, topic: str) -> dict[tuple[int, int], tuple[bytes | None, bytes | None]]:
    """Every committed record by its address: what the table must equal."""
    parts = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    found: dict[tuple[int, int], tuple[bytes | None, bytes | None]] = {}
    async with AIOKafkaConsumer(bootstrap_servers=site.bootstrap, isolation_level="read_committed") as consumer:
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        ends = await consumer.end_offsets(parts)
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for part, records in (await consumer.getmany(timeout_ms=200)).items():
                found |= {(part.partition, record.offset): (record.key, record.value) for record in records}
    return found


def read_table(var: Path) -> dict[tuple[int, int], tuple[bytes | None, bytes | None]]:
    """Every row by its address, once its sink has ended; checks that no row is missing or there twice."""
    warehouse = open_embedded(var / "clickhouse")
    try:
        assert find_gaps(warehouse) == []
        assert count_repeats(warehouse) == 0
        rows = warehouse.query(f"SELECT kpart, koffset, hex(key), hex(value) FROM {RAW_EVENTS}")
    finally:
        warehouse.close()
    return {(part, at): tuple(None if t is None else bytes.fromhex(t) for t in texts) for part, at, *texts in rows}  # type: ignore[misc]


async def has_rows(sink: RunningSink, table: str, count: int) -> bool:
    return await sink.count(table) >= count


async def test_every_record_is_stored_verbatim_and_facts_once(site: Site) -> None:
    count = await produce_events(site, 2000)
    async with site.running() as sink:
        await sink.until(lambda s: has_rows(s, RAW_EVENTS, count))
        assert await sink.count("core.events") == 2000
        reasons = dict(
            await sink.ask(f"SELECT flaw, toInt32(count()) FROM {RAW_EVENTS} WHERE flaw != '' GROUP BY flaw")
        )
        assert reasons == {"not_json": 16, "not_utf8": 8, "no_value": 8, "missing_field": 8}
        assert 'hoso_sink_rows_total{status="poison",topic="dossier-events"} 40.0' in await sink.metrics()
    assert read_table(site.var) == await read_log(site, site.prefix + EVENTS.name)


async def test_kill_9_loses_nothing_and_doubles_nothing(site: Site) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # shown when this fails
    dice = random.Random(seed)
    count = await produce_events(site, 6000, seed=seed)
    small = {"sink_rows_max": 97, "sink_wait_s": 0.02}  # many inserts, so that a kill meets one
    stored = 0
    for _ in range(4):
        stored += dice.randrange(100, count // 5)
        sink = site.start(**small)
        await sink.until(RunningSink.is_ready)
        target = stored
        await sink.until(lambda s, target=target: has_rows(s, RAW_EVENTS, target))
        await sink.kill()
    async with site.running(**small) as sink:
        await sink.until(lambda s: has_rows(s, RAW_EVENTS, count))
        assert await sink.count("core.events") == 6000
    assert read_table(site.var) == await read_log(site, site.prefix + EVENTS.name)


async def test_numbers_that_hold_no_record_leave_the_chain_whole(site: Site) -> None:
    topic = site.prefix + EVENTS.name
    producer = AIOKafkaProducer(bootstrap_servers=site.bootstrap, transactional_id=site.prefix)
    async with producer:
        for number in range(6):
            await producer.begin_transaction()
            await producer.send(topic, b"x", key=b"D1", partition=0)
            await (producer.abort_transaction() if number % 3 == 1 else producer.commit_transaction())
    async with site.running() as sink:
        await sink.until(lambda s: has_rows(s, RAW_EVENTS, 4))
        chain = await sink.ask(f"SELECT toInt32(prev_offset), toInt32(koffset) FROM {RAW_EVENTS} ORDER BY koffset")
        assert chain == [[-1, 0], [0, 4], [4, 6], [6, 10]]
    assert read_table(site.var) == await read_log(site, topic)
    async with site.running() as sink:
        assert await sink.count(RAW_EVENTS) == 4


async def test_states_tallies_and_units_are_upserts(site: Site) -> None:
    async def send(topic: Topic, *values: tuple[str, object]) -> None:
        records = [(key.encode(), None if value is None else msgspec.json.encode(value)) for key, value in values]
        await produce(site, site.prefix + topic.name, records)

    def share(day: str | None, **counts: int) -> tuple[str, Tally]:
        tally = Tally(unit_id="06808", partition=1, offset=9, as_of=5, counts=counts, day=day)
        return tally.key, tally

    unit = Unit(id="06808", name_vi="Phường Trưng Vương", name_en="Trưng Vương ward")
    received = [Flow("2021-03-01", "06808", "received_direct")]
    await send(UNITS, ("06808", unit.model_dump()))
    await send(STATES, ("D1", Dossier(id="D1", status=Status.ACCEPTED, unit_id="06808", flows=received)))
    await send(TALLIES, share(None, open_undated=1), share("2021-03-01", received_direct=1))
    beat = Progress(partition=1, offset=9, as_of=5, dossiers=1, anomalies=0, parked=0)
    await send(TALLIES, (progress_key(1), beat))
    async with site.running() as sink:
        await sink.until(lambda s: has_rows(s, "core.tallies", 3))
        await sink.until(lambda s: has_rows(s, "mart.dossiers", 1))
        await sink.until(lambda s: has_rows(s, "core.units", 1))
    await send(
        STATES, ("D1", Dossier(id="D1", status=Status.FINISHED, unit_id="06808", ended_at=7)), ("D2", Dossier(id="D2"))
    )
    await send(STATES, ("D3", Dossier(id="D3", status=Status.REGISTERED)), ("D2", None), ("foreign", {"id": 3}))
    await send(TALLIES, share("2021-03-01", received_direct=1, resolved_undated=1), share(None))
    async with site.running() as sink:
        await sink.until(lambda s: s.count("mart.dossiers", "dossier_id = 'D3'"))
        await sink.until(lambda s: s.count("mart.unit_daily", "resolved = 1"))
        assert await sink.ask("SELECT dossier_id, unit_name_vi, status FROM mart.dossiers ORDER BY dossier_id") == [
            ["D1", "Phường Trưng Vương", "finished"],
            ["D3", "", "registered"],
        ]
        assert await sink.ask("SELECT day, toInt32(received), toInt32(closing) FROM mart.unit_daily") == [
            ["2021-03-01", 1, 0]
        ]
        assert await sink.ask("SELECT partition, toInt32(counted_offset), toInt32(dossiers) FROM mart.freshness") == [
            [1, 9, 1]
        ]
    assert "unreadable record skipped" in sink.tail()


async def test_the_sink_stops_rather_than_start_unsafely(site: Site) -> None:
    topic = site.prefix + EVENTS.name
    count = await produce_events(site, 100)

    async def refuses(*arguments: str, because: str) -> None:
        sink = site.start(*arguments)
        assert await sink.code() == 2, sink.tail()
        assert because in sink.tail().splitlines()[-1]

    async with site.running() as sink:
        await sink.until(lambda s: has_rows(s, RAW_EVENTS, count))

    warehouse = open_embedded(site.var / "clickhouse")
    warehouse.command(f"RENAME TABLE {RAW_EVENTS} TO raw.kept")
    warehouse.command(f"CREATE TABLE {RAW_EVENTS} AS raw.kept")
    warehouse.close()
    await refuses(because="the table is empty")
    async with site.running("--rebuild") as sink:
        await sink.until(lambda s: has_rows(s, RAW_EVENTS, count))

    admin = AIOKafkaAdminClient(bootstrap_servers=site.bootstrap)
    await admin.start()
    try:
        await produce_events(site, 100, seed=2)
        end = Counter(part for part, _ in await read_log(site, topic))[0]
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=end)})
        await refuses(because="the log begins at")

        await admin.delete_topics([topic])
        await create_topic(site.bootstrap, topic, partitions=PARTITIONS)
        await refuses(because="created anew")
    finally:
        await admin.close()


async def test_a_taken_port_names_its_setting(site: Site) -> None:
    with socket.create_server((HOST, site.port)):
        sink = site.start()
        assert await sink.code() == 2
    assert "HOSO_SQL_PORT" in sink.tail()
