"""What the doctor says about files and the machine; what it says about a running stack is in tests/e2e."""

from collections.abc import Iterable
from pathlib import Path
from shutil import _ntuple_diskusage as Usage  # noqa: N812 - the type of shutil.disk_usage
from typing import Any

import pytest

from schemas.settings import Settings
from services.cli import checks
from services.cli.checks import GIB, Finding
from services.local.key import ensure_key


def levels(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(finding.what, finding.level) for finding in findings]


def test_no_key_yet_is_a_warning_and_a_key_for_all_eyes_is_a_problem(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    assert levels(checks._keys(settings)) == [("api keys", "warning")]
    ensure_key(settings)
    assert levels(checks._keys(settings)) == [("api keys", "ok")]
    settings.sources_path.chmod(0o644)
    [finding] = checks._keys(settings)
    assert (finding.level, finding.todo) == ("problem", f"chmod 600 {settings.sources_path}")
    settings.sources_path.write_text("{}")
    assert levels(checks._keys(settings)) == [("api keys", "problem")]


@pytest.mark.parametrize(("free", "level"), [(6 * GIB, "ok"), (4 * GIB, "warning"), (GIB // 2, "problem")])
def test_a_full_disk_is_told_before_it_is_full(
    free: int, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(total=8 * GIB, used=0, free=free))
    assert levels(checks._folder(Settings(var=tmp_path / "not" / "there"))) == [("disk", level)]


def test_reference_data_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    wrong = tmp_path / "units.json"
    wrong.write_text('[{"id": "1"}]')
    cases: list[dict[str, Any]] = [{"units_file": tmp_path / "none"}, {"units_file": wrong}, {"policy": "none"}]
    for case in cases:
        assert levels(checks._reference(Settings(**case))) == [("reference", "problem")]
    assert levels(checks._reference(Settings())) == [("reference", "ok")]


def test_a_clock_that_is_held_is_told() -> None:
    settings = Settings.model_validate({"clock": "2021-12-31T17:00:00+07:00"})
    assert levels(checks._reference(settings)) == [("reference", "ok"), ("clock", "warning")]


def test_java_is_not_needed_with_a_broker_of_ones_own() -> None:
    assert levels(checks._java(Settings(kafka="kafka:9092"))) == [("java", "ok")]
