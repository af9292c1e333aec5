"""The pages keep to what is there: links, commands, ports, limits; their SQL runs and answers in the columns shown."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import clickhouse_connect
import pytest

from schemas.settings import Settings
from services.cli.main import app
from services.demo.figures import SUMS, figures
from services.sink.clickhouse import Warehouse, open_embedded
from services.sink.migrations import migrate, read_migrations
from services.sink.reader import LIMITS
from tests.pages import ANSWERED

ROOT: Final = Path(__file__).parents[2]
TEXTS: Final = {path: path.read_text("utf-8") for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))}
README: Final = TEXTS[ROOT / "README.md"]
ANALYSTS: Final = TEXTS[ROOT / "docs" / "analysts.md"]

BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
QUESTION: Final = re.compile(r'"(SELECT [^"]+?)(?: FORMAT \w+)?"')  # within a command

PROSE: Final = {path: BLOCK.sub("", text) for path, text in TEXTS.items()}
CODE: Final = [(language, code) for text in TEXTS.values() for language, code in BLOCK.findall(text)]
SHELL: Final = "".join(code for language, code in CODE if language == "sh")
SQL: Final = [
    question
    for language, code in CODE
    for question in ([code] if language == "sql" else QUESTION.findall(code) if language == "sh" else [])
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the engine keeps its tables."""
    return tmp_path_factory.mktemp("clickhouse")


@pytest.fixture(scope="module")
def warehouse(path: Path) -> Iterator[Warehouse]:
    """The tables, empty."""
    warehouse = open_embedded(path)
    migrate(warehouse, read_migrations())
    yield warehouse
    warehouse.close()


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(PROSE[page]):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        if anchor:
            assert anchor in map(slug, HEADING.findall(PROSE[linked])), f"{target}#{anchor}"


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_pages_that_the_code_names_exist() -> None:
    files = [path for folder in ("schemas", "streams", "services", "deploy") for path in (ROOT / folder).rglob("*.*")]
    texts = (path.read_text("utf-8") for path in files if path.suffix in (".py", ".sql", ".toml"))
    named = {name for text in texts for name in re.findall(r"docs/[\w/-]+\.md", text)}
    assert "docs/demo.md" in named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_commands_exist() -> None:
    known = {each.name for each in (*app.registered_commands, *app.registered_groups)}
    assert set(re.findall(r"^(?:\w+=\S+ )*hoso ([a-z][\w-]*)", SHELL, re.MULTILINE)) <= known
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {word for line in re.findall(r"\bmake((?: [a-z]+)+)`", README) for word in line.split()} <= targets


def test_ports_are_the_defaults() -> None:
    known = {str(field.default) for name, field in Settings.model_fields.items() if name.endswith("port")}
    pages = [text for path, text in TEXTS.items() if path.parent != ROOT / "docs" / "adr"]
    assert set(re.findall(r"(?:127\.0\.0\.1:|port `?|port=)(\d+)", "".join(pages))) <= known


def test_the_table_of_the_demo_is_that_of_the_code() -> None:
    group = dict.fromkeys(SUMS, 0)
    sources = ("live", "form", "sql")
    wanted = figures(dict.fromkeys(sources, dict.fromkeys(("centre", "communes", "city"), group)))
    lines = [line for line in README.splitlines() if line.startswith(("┃", "│"))]
    header, *rows = [[cell.strip() for cell in re.split("[┃│]", line)[1:-1]] for line in lines]
    assert header == ["figure", "article", *sources, "equal"]
    assert [(name, article) for name, article, *_ in rows] == [(figure.name, figure.article) for figure in wanted]
    assert all({*found} == {article} and equal == "yes" for _, article, *found, equal in rows)


@pytest.mark.parametrize("sql", SQL)
def test_sql_runs(warehouse: Warehouse, sql: str) -> None:
    warehouse.query(sql)


@pytest.mark.parametrize(("sql", "answer"), [found for text in TEXTS.values() for found in ANSWERED.findall(text)])
def test_answers_have_the_columns_of_their_questions(warehouse: Warehouse, sql: str, answer: str) -> None:
    assert ",".join(str(name) for name, *_ in warehouse.query(f"DESCRIBE ({sql})")) == answer.splitlines()[0]


def test_the_python_example_runs(warehouse: Warehouse, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = clickhouse_connect.get_client

    def embedded(*, host: str, port: int, database: str) -> Any:
        return connect(interface="chdb", path=str(path.resolve()), database=database)

    monkeypatch.setattr(clickhouse_connect, "get_client", embedded)
    (example,) = [code for language, code in BLOCK.findall(ANALYSTS) if language == "python"]
    names: dict[str, Any] = {}
    exec(example, names)
    assert names["answer"].result_rows == []
    names["client"].close()


def test_limits_of_a_question_are_those_of_the_door() -> None:
    assert f"{LIMITS['max_execution_time']} s and {LIMITS['max_memory_usage'] >> 30} GiB" in ANALYSTS
    assert f"{LIMITS['max_result_bytes'] >> 20} MiB" in ANALYSTS
