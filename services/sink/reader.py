"""What a stranger's SQL may do to the embedded engine: read its tables, for a while, and nothing else.

Each question gets a connection of its own (1 ms): settings and limits first, then `readonly = 1`, which the engine lets
nobody take back. It refuses writes, DDL, later settings, and reading through table functions that leave the process.
Tried one by one on 26.9, some doors stay open even so: statements such as KILL and BACKUP, `INTO OUTFILE`, the function
`file()`, DESCRIBE of a table function, `sqlite()`, which makes its file before it asks. Those are judged on the text
that the engine's own parser prints back (`formatQuerySingleLine`): one statement, no comments, one spelling.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import chdb
from chdb.state.sqlitelike import ChdbError, Connection

from services.sink.clickhouse import OFFICE_ZONE

LIMITS: Final[Mapping[str, int]] = {
    "max_execution_time": 60,  # seconds
    "max_memory_usage": 1 << 30,  # bytes of one query
    "max_result_bytes": 128 << 20,  # an answer is held whole until it is sent: measured, three times its size
    "max_threads": max(1, (os.cpu_count() or 1) // 2),  # the sink's inserts keep the other half
}
"""What one question may cost. A client may ask for less."""

SHAPING: Final = frozenset(
    {
        "session_timezone",
        "date_time_output_format",
        "bool_true_representation",
        "bool_false_representation",
        "format_csv_delimiter",
        "format_csv_null_representation",
        "format_tsv_null_representation",
        "join_use_nulls",
        "extremes",
        "max_block_size",
        "max_result_rows",
        "result_overflow_mode",
        "limit",
        "offset",
        "final",
    }
)
"""Settings that say how an answer is written or how much of it is wanted, as do all `output_format_*` but one."""

OUTPUT_FORMAT: Final = re.compile(r"output_format_[a-z0-9_]+")
WRITES_A_FILE: Final = "output_format_schema"

STATEMENTS: Final = frozenset({"SELECT", "WITH", "(", "SHOW", "DESCRIBE", "EXPLAIN", "EXISTS"})
INSIDE: Final = (
    "format generateSeries generate_series merge numbers numbers_mt primes SQLStandardValues values view zeros zeros_mt"
)
"""Table functions that make rows or read our own tables. All others may touch files, the network or this process."""

FORBIDDEN: Final = frozenset(
    {
        "OUTFILE",  # writes a file of this machine
        "INSERT",  # even explained: what follows it is data to one parser and a statement to another
    }
)

_TOKEN: Final = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\w+|\S", re.DOTALL)
_CODE: Final = re.compile(r"Code: (\d+)")
_NESTED: Final = re.compile(r"Code: \d+\. DB::Exception: (Code: .*) \(version [^()]*\)\. \(\w+\)", re.DOTALL)

READONLY: Final = 164
UNKNOWN_FORMAT: Final = 73


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One statement and what came with it. `id` is ours and unique: it is the handle for `kill`."""

    id: str
    sql: str
    format: str = "TabSeparated"  # used when the statement names none
    database: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The formatted result, whole."""

    body: bytes
    format: str
    content_type: str
    zone: str
    rows: int
    rows_read: int
    bytes_read: int
    elapsed_s: float


class EngineError(Exception):
    """ClickHouse's own refusal: its number and its text, for the client."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Reader:
    """Answers questions from the engine that a `Warehouse` of this process keeps open on `path`. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = str(path.resolve())
        self._content_types: dict[str, str] = {}  # by format, filled with the first question
        self._outside: frozenset[str] = frozenset()

    def ask(self, question: Question) -> Answer:
        """Run the question to its end, within the limits; `EngineError` when it is refused or fails."""
        connection = chdb.connect(self._path)
        try:
            if not self._content_types:
                self._learn(connection)
            zone = _restrict(connection, question)
            tokens = _TOKEN.findall(_canonical(connection, question.sql))
            judge(tokens, question.parameters, self._outside)
            chosen = _named_format(tokens) or question.format
            content_type = self._content_type(chosen)
            result = _run(connection, question.sql, question.parameters, chosen)
            return Answer(
                body=result.bytes() or b"",
                format=chosen,
                content_type=content_type,
                zone=zone,
                rows=result.rows_read(),
                rows_read=result.storage_rows_read(),
                bytes_read=result.storage_bytes_read(),
                elapsed_s=result.elapsed(),
            )
        finally:
            connection.close()

    def kill(self, question_id: str) -> None:
        """End the question if it is running; nobody waits for its answer any more."""
        connection = chdb.connect(self._path)
        try:
            _run(connection, "KILL QUERY WHERE Settings['log_comment'] = {id:String} ASYNC", {"id": question_id})
        finally:
            connection.close()

    def _learn(self, connection: Connection) -> None:
        """What this engine's version can write, and what it could reach."""
        functions = _run(connection, "SELECT lower(name) FROM system.table_functions", {}).bytes().decode().split()
        self._outside = frozenset(functions) - set(INSIDE.lower().split())
        formats = _run(connection, "SELECT lower(name), content_type FROM system.formats WHERE is_output", {})
        self._content_types = dict(line.split("\t") for line in formats.bytes().decode().splitlines())

    def _content_type(self, name: str) -> str:
        known = self._content_types.get(name.lower())
        if known is None or name.lower() == "dataframe":  # that one yields an object of this process, not bytes
            raise EngineError(UNKNOWN_FORMAT, f"Code: 73. DB::Exception: Unknown format {name}. (UNKNOWN_FORMAT)")
        return known


def judge(tokens: Sequence[str], parameters: Mapping[str, str], outside: frozenset[str]) -> None:
    """Refuse what `readonly` lets through, given the tokens of the statement as the engine prints it."""
    words = [token.strip("`") for token in tokens if token[0] != "'"]
    substituted = [words[at - 2] for at, word in enumerate(words) if word == "Identifier" and words[at - 1] == ":"]
    names = words + [parameters.get(name, "") for name in substituted]
    head = words[0].upper()
    if head not in STATEMENTS:
        raise _readonly(f"Cannot execute {head}")
    for word in FORBIDDEN & set(words):
        raise _readonly(f"Cannot use {word}")
    for name, following in pairwise(words):
        if following == "(" and name.lower() in outside:
            raise _readonly(f"Cannot use the table function {name}")
    if any(name.lower() == "file" for name in names):  # also as a value: arrayMap(file, ...)
        raise _readonly("Cannot use the name `file`, which is a function that reads files,")
    if head in ("DESCRIBE", "EXISTS", "SHOW") and any("/" in name for name in names):
        raise _readonly("Cannot name a path, which the database `default` would look for,")


def _restrict(connection: Connection, question: Question) -> str:
    """Put the connection under the limits and, last, under `readonly`; the zone it then speaks in."""
    settings = {"session_timezone": OFFICE_ZONE, "log_comment": question.id, **LIMITS}
    for name, value in question.settings.items():
        if name in LIMITS:
            settings[name] = _capped(value, LIMITS[name])
        elif name in SHAPING or (OUTPUT_FORMAT.fullmatch(name) and name != WRITES_A_FILE):
            settings[name] = value  # the name becomes SQL: nothing but letters may come this far
        else:
            raise _readonly(f"Cannot modify '{name}' setting")
    if question.database:
        _run(connection, f"USE {_quoted(question.database, '`')}", {})
    pairs = ", ".join(f"{name} = {_quoted(str(value), chr(39))}" for name, value in settings.items())
    _run(connection, f"SET {pairs}, readonly = 1", {})
    return str(settings["session_timezone"])


def _canonical(connection: Connection, sql: str) -> str:
    """The one statement in the engine's own spelling; code 62 when it is none or several."""
    escaped = sql.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    try:
        printed = _run(connection, "SELECT formatQuerySingleLine({sql:String})", {"sql": escaped})
    except EngineError as error:
        text, _, _ = str(error).partition(": In scope SELECT formatQuerySingleLine(")
        raise EngineError(error.code, f"{text}. (SYNTAX_ERROR)") from None
    return str(printed.bytes().decode()).rstrip("\n")


def _named_format(tokens: Sequence[str]) -> str | None:
    """The statement's own FORMAT, which stands last or before SETTINGS."""
    for at in range(len(tokens) - 2, 0, -1):
        if tokens[at] == "FORMAT" and tokens[at + 2 : at + 3] in ([], ["SETTINGS"]):
            return tokens[at + 1]
    return None


def _capped(value: str, most: int) -> str | int:
    try:
        return value if 0 < float(value) <= most else most
    except ValueError:
        return value  # the engine says what is wrong with it


def _run(connection: Connection, sql: str, parameters: Mapping[str, str], form: str = "TabSeparatedRaw") -> Any:
    try:
        return connection.query(sql, form, params=dict(parameters))
    except ChdbError as error:
        text = str(error)
        while nested := _NESTED.fullmatch(text):
            text = nested[1]
        code = _CODE.match(text)
        raise EngineError(int(code[1]) if code else 0, text) from None


def _readonly(why: str) -> EngineError:
    return EngineError(READONLY, f"Code: 164. DB::Exception: {why} in readonly mode. (READONLY)")


def _quoted(text: str, quote: str) -> str:
    return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote
