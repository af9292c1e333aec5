"""The demo, whole: the article's figures from every side, the pages' printed answers."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.home import HOSO, Home, make_home, read_document, stop

pytestmark = [pytest.mark.broker, pytest.mark.timeout(600)]

DOCS: Final = Path(__file__).parents[2] / "docs"
ANALYSTS: Final = (DOCS / "analysts.md").read_text("utf-8")
PAGES: Final = ANALYSTS + (DOCS / "report.md").read_text("utf-8")
ANSWERED: Final = re.compile(r"^```sql\n([^`]*)^```\n\n```csv\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
SHOWN: Final = re.compile(r"^```sh\n(hoso [^\n]*)\n```\n\n```text\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
COMMAND: Final = re.compile(r"^hoso (?!sql --csv -)[^<>\n]*$", re.MULTILINE)
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


@pytest.mark.parametrize(("command", "shown"), SHOWN.findall(ANALYSTS))
def test_pages_show_what_commands_print(demo: tuple[Home, Any], command: str, shown: str) -> None:
    said = run(demo[0], command)
    assert [line.rstrip() for line in said.stdout.splitlines()] == shown.splitlines(), said.stderr


@pytest.mark.parametrize("command", COMMAND.findall("".join(re.findall(r"^```sh\n(.*?)^```", ANALYSTS, re.M | re.S))))
def test_the_walk_can_be_walked(demo: tuple[Home, Any], command: str) -> None:
    said = run(demo[0], command)
    assert said.returncode == bool(ENDS_WITH_1.search(command)), said.stderr
    assert said.stdout


def run(home: Home, command: str) -> subprocess.CompletedProcess[str]:
    """A line of the page, in a shell."""
    return subprocess.run(
        ["/bin/sh", "-c", command],
        env=home.environment | {"PATH": f"{HOSO.parent}:{home.environment['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
