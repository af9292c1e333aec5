"""`hoso migrate`: topics, units and ClickHouse tables as this release wants them. Doing it twice changes nothing."""

import asyncio
from typing import Annotated, Final

import msgspec
import typer

from schemas.errors import Unavailable
from schemas.settings import Settings, read_settings
from services.cli.output import AsJson, complain, note, print_json, print_rows
from services.cli.sql import address_of, open_reader

THERE: Final = "there"
MADE: Final = "made"
DUE: Final = "due"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that this release wants, and where it stands: there, made just now, or due."""

    what: str
    state: str


def migrate(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit code 1 when something is due.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the topics, write the units, and apply the numbered migrations to a ClickHouse server (HOSO_CLICKHOUSE).

    The embedded engine is migrated by its sink whenever that starts, and `hoso up` does the rest itself.

    Exit code: 0; 1 something is due (--check), or the database and this release do not fit, and the output says what;
    2 a topic has other partitions than the settings; 3 Kafka or ClickHouse does not answer.
    """
    from services.sink.migrations import MigrationError  # with ClickHouse's client, which `hoso --help` does not need

    settings = read_settings()
    try:
        steps = asyncio.run(_check_kafka(settings) if check else _migrate_kafka(settings))
        steps += _check_tables(settings) if check or not settings.clickhouse else _migrate_tables(settings)
    except MigrationError as error:
        complain(str(error))
        raise typer.Exit(1) from None
    if as_json:
        print_json(steps)
    else:
        print_rows([msgspec.structs.asdict(step) for step in steps])
    if check and any(step.state == DUE for step in steps):
        raise typer.Exit(1)


async def _check_kafka(settings: Settings) -> list[Step]:
    from schemas.reference import read_units
    from services.cli.kafka import published_units, topic_states

    states = await topic_states(settings)
    units = {unit.id: unit.model_dump_json().encode() for unit in read_units(settings.units_file)}
    published = await published_units(settings) if all(state.partitions for state in states) else {}
    due = sum(published.get(id_) != value for id_, value in units.items())
    return [
        *(
            Step(
                what=f"topic {state.name}, {state.partitions_wanted} partitions",
                state=THERE if state.partitions == state.partitions_wanted else DUE,
            )
            for state in states
        ),
        Step(what=f"units, {due} of {len(units)} to write", state=DUE if due else THERE),
    ]


async def _migrate_kafka(settings: Settings) -> list[Step]:
    from services.cli.kafka import topic_states
    from services.topics import ensure_topics, publish_units

    states = await topic_states(settings)  # tells what to do when no broker answers
    made = await ensure_topics(settings)
    written = await publish_units(settings)
    return [
        *(
            Step(
                what=f"topic {state.name}, {state.partitions_wanted} partitions",
                state=MADE if state.name in made else THERE,
            )
            for state in states
        ),
        Step(what=f"units, {written} written", state=MADE if written else THERE),
    ]


def _check_tables(settings: Settings) -> list[Step]:
    from services.sink.clickhouse import Warehouse
    from services.sink.migrations import State, read_migrations, status

    try:
        with open_reader(settings) as client:
            found = status(Warehouse(client, where="{}:{}".format(*address_of(settings))), read_migrations())
    except Unavailable as error:
        if settings.clickhouse:
            raise
        note(f"tables are not checked: {error}")
        return []
    return [Step(what=migration.name, state=THERE if state is State.APPLIED else DUE) for migration, state in found]


def _migrate_tables(settings: Settings) -> list[Step]:
    from services.sink.clickhouse import Warehouse
    from services.sink.migrations import migrate as apply
    from services.sink.migrations import read_migrations

    migrations = read_migrations()
    with open_reader(settings) as client:
        applied = apply(Warehouse(client, where=settings.clickhouse), migrations)
    return [Step(what=migration.name, state=MADE if migration in applied else THERE) for migration in migrations]
