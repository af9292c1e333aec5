"""Stock Faust reading a table back from its changelog: `python -m benchmarks.peers.faust_recovery STATES OUT`.

Its clock runs from the assignment of partitions until Faust says that the table is recovered.
"""

import sys
from pathlib import Path
from typing import Any

import faust

from benchmarks.peers.result import Clock
from schemas.settings import Settings, read_settings


def changelog_of(settings: Settings) -> str:
    """The topic that Faust reads the table from."""
    return f"{app_id(settings)}-states-changelog"


def app_id(settings: Settings) -> str:
    """What Faust calls the application."""
    return f"{settings.topic_prefix}recovery"


def create_app(out: Path) -> faust.App:
    """A worker with a table of states, which it finds in the changelog."""
    settings = read_settings()
    clock = Clock()
    folder = settings.var / "recovery"
    folder.mkdir(parents=True)  # Faust does not make it
    app = faust.App(
        app_id(settings),
        broker=f"kafka://{settings.bootstrap}",
        store="memory://",
        datadir=str(folder),
        cython_optimizations=True,
        topic_partitions=settings.partitions,
        topic_replication_factor=1,
        table_standby_replicas=0,
        web_enabled=False,
        autodiscover=False,
    )
    states = app.Table("states", key_type=bytes, value_type=bytes)

    @app.on_partitions_assigned.connect
    async def on_assigned(*_: Any, **__: Any) -> None:
        clock.tick()

    @states.on_recover
    async def on_recovered() -> None:
        clock.write(out, received=len(states))

    return app


if __name__ == "__main__":
    faust.Worker(create_app(Path(sys.argv[2])), loglevel="WARNING").execute_from_commandline()
