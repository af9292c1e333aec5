"""Keys: made, kept as hashes, changed and taken away while the gateway runs."""

import asyncio
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schemas.errors import SettingsError
from services.gateway.sources import Sender, Sources, create_source, read_sources


def test_a_key_opens_its_source_and_is_kept_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "var" / "sources.json"
    key = create_source(path, "urn:hoso:demo", ["06808", "06811"])
    assert Sources(path).sender_of(key) == Sender("urn:hoso:demo", frozenset({"06808", "06811"}))
    assert key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["sources.json"]


def test_a_star_stands_for_every_unit(tmp_path: Path) -> None:
    key = create_source(tmp_path / "s.json", "urn:hoso:demo", ["*"])
    sender = Sources(tmp_path / "s.json").sender_of(key)
    assert sender is not None
    assert sender.speaks_for("anything")


def test_a_source_owns_what_is_below_it_and_nothing_beside_it() -> None:
    sender = Sender("urn:hoso:demo", None)
    owned = ["urn:hoso:demo", "urn:hoso:demo/", "urn:hoso:demo/desk/3"]
    foreign = ["urn:hoso:demo2", "urn:hoso:demo:3", "urn:hoso", "URN:hoso:demo", "urn:hoso:dem/o"]
    assert all(sender.owns(source) for source in owned)
    assert not any(sender.owns(source) for source in foreign)


def test_changes_are_seen_by_a_running_gateway(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    sources = Sources(path)
    assert sources.sender_of("early") is None
    old = create_source(path, "urn:a:1", ["*"])
    other = create_source(path, "urn:b:1", ["*"])
    assert sources.sender_of(old) is not None
    new = create_source(path, "urn:a:1", ["1"])
    assert sources.sender_of(old) is None
    assert sources.sender_of(new) == Sender("urn:a:1", frozenset({"1"}))
    assert sources.sender_of(other) is not None


def test_a_source_may_have_two_keys_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    first = create_source(path, "urn:a:1", ["1"])
    entries = json.loads(path.read_text())
    second = create_source(path, "urn:a:1", ["1"])
    path.write_text(json.dumps(entries + json.loads(path.read_text())))
    sources = Sources(path)
    assert sources.sender_of(first) == sources.sender_of(second) == Sender("urn:a:1", frozenset({"1"}))


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '[{"source":"urn:a:1","key_sha256":"x","units":["*"]}]', '[{"source":"urn:a:1"}]']
)
def test_a_broken_file_leaves_the_last_good_keys_and_says_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "s.json"
    key = create_source(path, "urn:a:1", ["*"])
    sources = Sources(path)
    assert asyncio.run(sources.check()) == ""
    path.write_text(content)
    assert "is no list of sources" in asyncio.run(sources.check())
    assert sources.sender_of(key) is not None
    path.unlink()
    assert "HOSO_SOURCES_FILE" in asyncio.run(sources.check())
    create_source(path, "urn:b:1", ["*"])
    assert asyncio.run(sources.check()) == ""
    assert sources.sender_of(key) is None


@pytest.mark.parametrize(("source", "units"), [("no uri", ["*"]), ("urn:a:1", []), ("urn:a:1", ["a unit"])])
def test_a_source_that_cannot_be_is_not_written(tmp_path: Path, source: str, units: list[str]) -> None:
    with pytest.raises(SettingsError):
        create_source(tmp_path / "s.json", source, units)
    assert not (tmp_path / "s.json").exists()


def test_keys_made_at_once_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda number: create_source(path, f"urn:a:{number}", ["*"]), range(24)))
    sources = Sources(path)
    assert {sender.source for key in keys if (sender := sources.sender_of(key))} == {f"urn:a:{n}" for n in range(24)}
    assert len(read_sources(path)) == 24
