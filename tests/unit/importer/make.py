"""Mappings and files for the importer's tests. All of it is synthetic."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from schemas.codec import Event
from schemas.reference import read_policies
from services.importer.errors import Refusal, Reject
from services.importer.facts import Books, Facts, Said
from services.importer.job import Job
from services.importer.mapping import AnyMapping
from services.importer.mapping_file import columns_of, read_mapping
from services.importer.rejects import RejectFile
from services.importer.rows import Row, Table

MAPPINGS: Final = Path("schemas/reference/mappings")

DOSSIER_TOML: Final = """
shape = "dossier"
source = "urn:hoso:test"
zone = "Asia/Ho_Chi_Minh"
policy = "vn-day-1"
dossier = "id"
unit = { columns = ["unit"] }
procedure = { columns = ["procedure"] }
channel = { default = "direct" }
outcome = { default = "granted" }
[times]
accepted = { column = "accepted" }
due = { column = "due" }
finished = { column = "finished" }
"""

EVENTS_TOML: Final = """
shape = "events"
source = "urn:hoso:test"
zone = "Asia/Ho_Chi_Minh"
policy = "vn-day-1"
dossier = "id"
unit = { columns = ["unit"] }
procedure = { columns = ["procedure"] }
channel = { column = "channel", map = { counter = "direct", web = "online" } }
outcome = { default = "granted" }
due = { column = "due" }
to_unit = ["to"]
cause = { default = "apology" }
reason = { column = "reason", map = { papers = "ineligible" }, default = "other" }
retracts_id = "retracts"
time = { column = "time" }
[kind]
column = "kind"
ignore = ["viewed"]
map = { KINDS }
""".replace("KINDS", ", ".join(f'"{kind}" = "{kind}"' for kind in (
    "registered", "accepted", "refused", "processing_started", "transferred", "due_changed", "supplement_requested",
    "supplement_received", "payment_requested", "payment_received", "stopped", "resumed", "withdrawn", "finished",
    "delivered", "reopened", "retracted",
)))  # fmt: skip

A_DOSSIER: Final = {
    "id": "H49-1",
    "unit": "06808",
    "procedure": "1.001612",
    "accepted": "2021-03-01 08:30",
    "due": "2021-03-05 17:00",
    "finished": "2021-03-04 10:00",
}
AN_ACTION: Final = {
    "id": "H49-1",
    "unit": "06808",
    "procedure": "1.001612",
    "channel": "web",
    "kind": "accepted",
    "time": "2021-03-01 08:30",
    "due": "2021-03-05 17:00",
    "to": "06811",
    "reason": "papers",
    "retracts": "accepted-1",
}


def mapping(folder: Path, toml: str = DOSSIER_TOML, *, more: str = "", **replaced: str) -> AnyMapping:
    """A mapping from TOML; `more` goes first, `replaced` replaces the line of a top-level key."""
    lines = [line for line in toml.splitlines() if line.split(" ")[0] not in replaced]
    head = [f"{key} = {value}" for key, value in replaced.items() if value]
    path = folder / "mapping.toml"
    path.write_text("\n".join([more, *head, *lines]), encoding="utf-8")
    return read_mapping(path, read_policies())


def table(plan: AnyMapping) -> Table:
    return Table(columns=columns_of(plan), delimiter=plan.delimiter, empty=plan.empty)


def say(plan: AnyMapping, values: dict[str, str]) -> Said | None:
    """What one row says."""
    return Facts(plan, Books.of(plan)).of(Row("file.csv", 2, {**dict.fromkeys(columns_of(plan), ""), **values}))


def events(plan: AnyMapping, values: dict[str, str]) -> list[Event]:
    said = say(plan, values)
    assert said is not None
    return said.events


def refusal(plan: AnyMapping, values: dict[str, str]) -> tuple[str, str | None]:
    """Why a row is refused, and the column."""
    try:
        say(plan, values)
    except Refusal as refused:
        return refused.fault.value, refused.column
    raise AssertionError("the row was taken")


def csv_file(folder: Path, rows: Sequence[dict[str, str]], name: str = "dossiers.csv") -> Path:
    path = folder / name
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def job(folder: Path, plan: AnyMapping, files: Sequence[Path]) -> Job:
    """A surveyed job."""
    made = Job(mapping=plan, files=files, policies=read_policies(), rejects=RejectFile(folder / "rejects.ndjson"))
    made.survey()
    return made


def places(rows: Sequence[Row | Reject]) -> list[Any]:
    """Rows as (line, texts), rejects as (line, last line, reason, column)."""
    return [
        (row.line, list(row.values.values()))
        if isinstance(row, Row)
        else (row.line, row.last_line, row.reason.value, row.column)
        for row in rows
    ]
