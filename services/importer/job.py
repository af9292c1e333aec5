"""One import from mapping to summary: what the command line and the tests drive.

`survey()` first, then `send()`, or `run(None)` to check only; `document()` is the summary, of an early end too.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from schemas.reference import PolicyRecord, read_calendars
from schemas.settings import Settings
from schemas.topics import EVENTS
from services.gateway.log import KafkaLog
from services.importer.facts import Books, Facts
from services.importer.mapping import AnyMapping, DossierMapping
from services.importer.mapping_file import columns_of
from services.importer.rejects import RejectFile
from services.importer.rows import Table
from services.importer.run import Account, EventLog, run_import
from services.importer.survey import Survey, survey
from services.importer.units import Published, publish_new_units
from services.importer.verdicts import Judge
from streams.domain.deadline import Rulebook

Advance = Callable[[int], None]


class Job:
    """The files of one command under one mapping."""

    def __init__(
        self,
        *,
        mapping: AnyMapping,
        files: Sequence[Path],
        policies: Mapping[str, PolicyRecord],
        rejects: RejectFile,
    ) -> None:
        self.account = Account()
        self.found = Survey()
        self._mapping = mapping
        self._files = files
        self.rejects = rejects
        self._books = Books.of(mapping)
        self._table = Table(columns=columns_of(mapping), delimiter=mapping.delimiter, empty=mapping.empty)
        self._published: Published | None = None
        verdict = mapping.verdict if isinstance(mapping, DossierMapping) else None
        self._judge = (
            Judge(verdict, Rulebook.of(policies, read_calendars(), default=mapping.policy)) if verdict else None
        )

    def survey(self) -> None:
        """Read everything once; `CannotImport` before anything happened."""
        self.found = survey(self._mapping, self._table, self._files, self._books)
        self._books.close()

    async def send(self, settings: Settings, known_units: Mapping[str, bytes], advance: Advance) -> None:
        """Publish the units that are not known, then send every event; `Unavailable` when the broker takes them not."""
        log = KafkaLog(bootstrap=settings.bootstrap, topic=settings.topics[EVENTS])
        await log.start()
        try:
            self._published = await publish_new_units(settings, self.found.units, known_units)
            await self.run(log, advance)
        finally:
            await log.stop()

    async def run(self, log: EventLog | None, advance: Advance) -> None:
        """Make every event, and send it when there is a log."""
        facts = Facts(self._mapping, self._books)
        await run_import(
            table=self._table,
            files=self._files,
            facts=facts,
            rejects=self.rejects,
            account=self.account,
            log=log,
            judge=self._judge,
            advance=advance,
        )

    @property
    def is_clean(self) -> bool:
        """Whether every row became events and every verdict is the same."""
        return not self.account.rejects and not (self._judge and self._judge.comparison.differ)

    def document(self) -> dict[str, Any]:
        """The summary: counts of the file first, then of the topic, then what a person should look at."""
        account = self.account
        return {
            "rows": account.rows,
            "events": account.events,
            "kinds": {kind.value: count for kind, count in sorted(account.kinds.items(), key=lambda item: -item[1])},
            "stored": account.stored,
            "ignored": account.ignored,
            "rejects": account.rejects,
            "reasons": {reason.value: count for reason, count in self.rejects.reasons.most_common()},
            "rejects_file": str(self.rejects.path) if account.rejects else None,
            "units": msgspec.to_builtins(self._published) or {"found": len(self.found.units)},
            "unfilled_columns": self.found.unfilled,
            "irregular_times": account.irregular_times,
            "retimed": account.retimed,
            "retimed_list": msgspec.to_builtins(account.retimed_list),
            "verdict": msgspec.to_builtins(self._judge.comparison) if self._judge else None,
        }
