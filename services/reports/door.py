"""The way to ClickHouse for questions: the same client as the command line's, to a server or the local SQL door."""

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.settings import Settings
from services.clickhouse import open_reader, where_of
from services.reports.log import Ask
from services.sink.clickhouse import Warehouse


@contextmanager
def open_tables(settings: Settings) -> Iterator[Ask]:
    """What asks the tables; `Unavailable` when nothing answers, then or later."""
    with open_reader(settings) as client:
        yield Warehouse(client, where=where_of(settings)).query
