"""`hoso config`, and the settings as the operator's page lists them."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from schemas.errors import SettingsError
from schemas.settings import Settings, read_settings
from services.cli.config import MASK, config, entries_of, markdown_table

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


def run(arguments: list[str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("services.cli.config.read_settings", lambda: read_settings(environment))
    app = typer.Typer()
    app.command()(config)
    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_every_setting_is_there_with_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {entry["variable"]: entry for entry in json.loads(run(["--json"], {"HOSO_TICK_S": "2"}, monkeypatch))}
    assert len(entries) == len(Settings.model_fields)
    assert entries["HOSO_TICK_S"] == {
        "variable": "HOSO_TICK_S",
        "value": "2.0",
        "default": "1.0",
        "source": "environment",
        "description": "How often the clock alone may move counters.",
    }
    assert entries["HOSO_KAFKA"]["source"] == "default"


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"HOSO_CLICKHOUSE_PASSWORD": "open sesame"}
    for arguments in ([], ["--json"]):
        shown = run(arguments, environment, monkeypatch)
        assert "open sesame" not in shown
        assert MASK in shown


def test_what_is_shown_can_be_read_back() -> None:
    settings = read_settings({"HOSO_LOG_JSON": "true", "HOSO_CLOCK": "2021-12-31T17:00:00+07:00"})
    again = read_settings({entry.variable: entry.value for entry in entries_of(settings)})
    assert again == settings


def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="HOSO_GATEWAYPORT is no setting of Hoso"):
        run([], {"HOSO_GATEWAYPORT": "1"}, monkeypatch)


def test_the_operators_page_lists_the_settings_as_they_are() -> None:
    assert markdown_table() in OPERATIONS.read_text(), (
        "docs/operations.md has drifted; put this in:\n" + markdown_table()
    )
