"""The local stack's own API key."""

import stat
from pathlib import Path

from schemas.settings import Settings
from services.gateway.sources import Sources, create_source, read_sources
from services.local.key import SOURCE, ensure_key, key_path, read_key


def test_the_first_start_makes_a_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    assert read_key(settings) is None
    ensure_key(settings)
    key = read_key(settings)
    assert key
    assert stat.S_IMODE(key_path(settings).stat().st_mode) == 0o600
    sender = Sources(settings.sources_path).sender_of(key)
    assert sender is not None
    assert (sender.source, sender.units) == (SOURCE, None)

    ensure_key(settings)
    assert read_key(settings) == key, "a second start changes nothing"


def test_a_lost_key_is_made_anew_and_other_sources_stay(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    other = create_source(settings.sources_path, "urn:other", ["*"])
    ensure_key(settings)
    key_path(settings).unlink()
    ensure_key(settings)
    sources = Sources(settings.sources_path)
    assert sources.sender_of(read_key(settings) or "") is not None
    assert sources.sender_of(other) is not None


def test_a_key_without_its_sources_file_is_replaced(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    key_path(settings).write_text("old\n")
    key_path(settings).chmod(0o644)
    ensure_key(settings)
    assert read_key(settings) not in (None, "old")
    assert stat.S_IMODE(key_path(settings).stat().st_mode) == 0o600


def test_a_sources_file_that_somebody_named_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    create_source(path, "urn:other", ["*"])
    settings = Settings(var=tmp_path, sources_file=path)
    ensure_key(settings)
    assert read_key(settings) is None
    assert [record.source for record in read_sources(path)] == ["urn:other"]
