"""The import itself: rows in, records out, and an account of both.

`run_import` reads the files twice: once for what they bring (survey.py), then row by row into the log. Promises: with
`log` None nothing is sent; `Account.stored` counts only what the broker has acknowledged, and rows are sent in order,
so an import that ends early says how far it came and can simply be run again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from schemas.errors import Unavailable
from schemas.events import Kind
from services.importer.errors import Refusal, Reject
from services.importer.facts import Facts, Retimed
from services.importer.rejects import RejectFile
from services.importer.rows import Row, Table
from services.importer.verdicts import Judge

ROWS_PER_SEND: Final = 2500  # 1-2 MB: full batches per partition, and Ctrl-C is heard several times a second
RETIMED_LISTED_MAX: Final = 10_000

Record = tuple[bytes, bytes]  # key, value


class EventLog(Protocol):
    """Where events go: `services.gateway.log.KafkaLog`."""

    async def append(self, records: Sequence[Record]) -> Sequence[tuple[int, int] | None]:
        """Store records; None stands for one that was not acknowledged."""


@dataclass(slots=True)
class Account:
    """What an import did."""

    rows: int = 0
    events: int = 0
    rejects: int = 0
    ignored: int = 0  # rows that the mapping passes over
    kinds: Counter[Kind] = field(default_factory=Counter)
    irregular_times: int = 0  # in an hour that comes twice or never
    retimed: int = 0
    retimed_list: list[Retimed] = field(default_factory=list)
    stored: int = 0  # events that the broker has acknowledged
    reached: str = ""  # the place up to which they are


async def run_import(
    *,
    table: Table,
    files: Sequence[Path],
    facts: Facts,
    rejects: RejectFile,
    account: Account,
    log: EventLog | None,
    judge: Judge | None,
    advance: Callable[[int], None],
) -> None:
    """Read, check and (with `log`) send all rows, accounting for them as it goes; `Unavailable` when sending fails."""
    waiting: list[Record] = []
    unsent = 0
    for path in files:
        for row in table.rows(path):
            account.rows += 1
            unsent += 1
            if (reject := _take(row, facts=facts, account=account, judge=judge, waiting=waiting)) is not None:
                account.rejects += 1
                rejects.write(reject)
            if unsent == ROWS_PER_SEND:
                await _send(log, waiting, account, f"{row.file} line {row.line}")
                advance(unsent)
                unsent = 0
    await _send(log, waiting, account, "the end")
    advance(unsent)


def _take(
    row: Row | Reject, *, facts: Facts, account: Account, judge: Judge | None, waiting: list[Record]
) -> Reject | None:
    """Turn a row into waiting records and account for them; or say why not."""
    if isinstance(row, Reject):
        return row
    try:
        said = facts.of(row)
    except Refusal as refusal:
        return row.reject(refusal.fault, refusal.column)
    if said is None:
        account.ignored += 1
        return None
    for event, value in zip(said.events, said.values, strict=True):
        account.kinds[event.data.kind] += 1
        waiting.append((event.subject.encode(), value))
    account.events += len(said.events)
    account.irregular_times += said.irregular
    account.retimed += len(said.retimed)
    if said.retimed and len(account.retimed_list) < RETIMED_LISTED_MAX:
        account.retimed_list += said.retimed
    if judge is not None:
        judge.compare(file=row.file, line=row.line, theirs=row.values[judge.column], said=said)
    return None


async def _send(log: EventLog | None, waiting: list[Record], account: Account, reached: str) -> None:
    """Send what waits and empty it."""
    if log is None:
        await asyncio.sleep(0)  # a moment for Ctrl-C
    elif waiting:
        addresses = await log.append(waiting)
        missing = sum(address is None for address in addresses)
        account.stored += len(addresses) - missing
        if missing:
            raise Unavailable(f"the broker did not acknowledge {missing:,} events; see `hoso doctor`, then run again")
        account.reached = reached
    waiting.clear()
