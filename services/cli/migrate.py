"""`hoso migrate`: what this release wants of Kafka and ClickHouse, reference data included. Twice changes nothing."""

import asyncio
from typing import Annotated, Final

import msgspec
import typer

from schemas.errors import Unavailable
from schemas.settings import Settings, read_settings
from services.cli.output import AsJson, complain, note, print_json, print_rows
from services.clickhouse import open_reader, where_of

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
    """Make the topics, write the reference data, and apply the migrations to a ClickHouse server (HOSO_CLICKHOUSE).

    The embedded engine is migrated by its sink whenever that starts, and `hoso up` does the rest itself.

    Exit code: 0; 1 something is due (--check), or the database and this release do not fit, and the output says what;
    2 a topic has other partitions than the settings, or the reference data is wrong; 3 Kafka or ClickHouse does not
    answer.
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
    from services.cli.kafka import topic_states
    from services.reference import read_sound_files
    from services.topics import compare_reference

    states = await topic_states(settings)
    files = read_sound_files(settings)
    due = {kind: len(records) for kind, records in files.items()}
    if all(state.partitions for state in states):
        due = {kind: standing.due for kind, standing in (await compare_reference(settings, files)).items()}
    return [
        *(
            Step(
                what=f"topic {state.name}, {state.partitions_wanted} partitions",
                state=THERE if state.partitions == state.partitions_wanted else DUE,
            )
            for state in states
        ),
        *(
            Step(what=f"{kind}, {count} of {len(files[kind])} to write", state=DUE if count else THERE)
            for kind, count in due.items()
        ),
    ]


async def _migrate_kafka(settings: Settings) -> list[Step]:
    from services.cli.kafka import topic_states
    from services.topics import ensure_topics, publish_reference

    states = await topic_states(settings)  # tells what to do when no broker answers
    made = await ensure_topics(settings)
    written = await publish_reference(settings)
    return [
        *(
            Step(
                what=f"topic {state.name}, {state.partitions_wanted} partitions",
                state=MADE if state.name in made else THERE,
            )
            for state in states
        ),
        *(Step(what=f"{kind}, {count} written", state=MADE if count else THERE) for kind, count in written.items()),
    ]


def _check_tables(settings: Settings) -> list[Step]:
    from services.sink.clickhouse import Warehouse
    from services.sink.migrations import State, read_migrations, status

    try:
        with open_reader(settings) as client:
            found = status(Warehouse(client, where=where_of(settings)), read_migrations())
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
