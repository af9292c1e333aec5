"""The demo, whole: the article's figures from every side, and the pages' printed answers."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.home import Home, make_home, read_document, stop
from tests.pages import ANSWERED, SHOWN

pytestmark = [pytest.mark.broker, pytest.mark.timeout(600)]

DOCS: Final = Path(__file__).parents[2] / "docs"
ANALYSTS: Final = (DOCS / "analysts.md").read_text("utf-8")
PAGES: Final = ANALYSTS + "".join((DOCS / page).read_text("utf-8") for page in ("report.md", "reference.md"))
COMMANDS: Final = [
    command
    for block in re.findall(r"^```sh\n(.*?)^```", ANALYSTS, re.MULTILINE | re.DOTALL)
    for command in re.findall(r"^hoso (?!sql --csv -)[^<>\n]*$", block, re.MULTILINE)
]
PRINTED: Final = {command.rstrip(): shown for command, shown in SHOWN.findall(ANALYSTS)}
ENDS_WITH_1: Final = re.compile("--known-at|what-if")  # nothing was known yet; dossiers change class


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, broker_jars: list[Path]) -> Iterator[tuple[Home, Any]]:
    """The demo that stays up, and what it printed."""
    home = make_home(tmp_path_factory.mktemp("demo") / "var", broker_jars)
    process = home.start("demo")
    try:
        yield home, read_document(home, process)
    finally:
        assert stop(process) == 0, home.said()


def test_the_articles_figures_come_out_everywhere(demo: tuple[Home, Any]) -> None:
    _, printed = demo
    years = printed["years"]
    assert years.keys() == {"2021", "15/12"}
    for row in (row for year in years.values() for row in year):
        assert {row[source] for source in ("live", "form", "sql")} == {row["article"]}, row
    assert [row for row in printed["catalogue"] if row["sql"] != row["article"]] == []
    assert printed["equal"] is True


@pytest.mark.parametrize(("question", "answer"), ANSWERED.findall(PAGES))
def test_pages_print_what_sql_answers(demo: tuple[Home, Any], question: str, answer: str) -> None:
    said = demo[0].hoso("sql", "--csv", question)
    assert said.stdout.splitlines() == answer.splitlines(), said.stderr


def test_whatever_the_page_shows_is_walked() -> None:
    assert PRINTED.keys() <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_walk_can_be_walked(demo: tuple[Home, Any], command: str) -> None:
    said = demo[0].hoso(*shlex.split(command, comments=True)[1:])
    assert said.returncode == bool(ENDS_WITH_1.search(command)), said.stderr
    assert said.stdout
    if command in PRINTED:
        assert [line.rstrip() for line in said.stdout.splitlines()] == PRINTED[command].splitlines()
