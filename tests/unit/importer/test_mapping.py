"""The mapping file: what is wrong with it is said by its key, before anything is read."""

from pathlib import Path

import pytest

from schemas.events import Kind
from schemas.reference import read_policies
from services.importer.errors import CannotImport
from services.importer.mapping_file import columns_of, read_mapping
from tests.unit.importer.make import DOSSIER_TOML, EVENTS_TOML, MAPPINGS, mapping


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_mappings_that_come_with_hoso_are_valid(path: Path) -> None:
    read_mapping(path, read_policies())


def test_every_column_is_known_by_the_key_that_names_it(tmp_path: Path) -> None:
    assert columns_of(mapping(tmp_path)) == {
        "id": "dossier",
        "unit": "unit.columns",
        "procedure": "procedure.columns",
        "accepted": "times.accepted.column",
        "due": "times.due.column",
        "finished": "times.finished.column",
    }
    assert set(columns_of(mapping(tmp_path, EVENTS_TOML))) == {
        "id", "unit", "procedure", "channel", "due", "to", "reason", "retracts", "time", "kind",
    }  # fmt: skip


def test_an_event_log_can_yield_every_kind(tmp_path: Path) -> None:
    assert set(mapping(tmp_path, EVENTS_TOML).kinds()) == set(Kind)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"shape": '"rows"'}, 'shape: expected "dossier"'),
        ({"shape": ""}, 'shape: expected "dossier"'),
        ({"source": '"Boston 311"'}, "source: String should match pattern"),
        ({"zone": '"Asia/Hanoi"'}, "zone: expected a zone of the IANA database"),
        ({"policy": '"vn-day-9"'}, "policy: expected one of vn-day-1, "),
        ({"dossier": ""}, "dossier: Field required"),
        ({"dossier": '" "'}, "dossier: expected a text that is not empty"),
        ({"colour": '"red"'}, "colour: Extra inputs are not permitted"),
        ({"delimiter": '"||"'}, "delimiter: String should match pattern"),
        ({"unit": "{ }"}, "unit: expected `columns`, or a `default`"),
        ({"unit": '{ columns = ["unit"], codes = { X = "Vàng" } }'}, "unit.codes.X: String should match pattern"),
        ({"procedure": ""}, "procedure: missing, and accepted events need it"),
        ({"channel": ""}, "channel: missing, and accepted events need it"),
        ({"channel": '{ column = "c" }'}, "channel: expected a `map`"),
        ({"channel": '{ map = { a = "direct" } }'}, "channel: expected a `column`"),
        ({"channel": '{ default = "phone" }'}, "channel.default: Input should be 'online', 'direct' or 'postal'"),
        ({"outcome": ""}, "outcome: missing, and finished events need it"),
        ({"finished": '{ column = "f", formats = ["dd.mm.yyyy"] }'}, "times.finished.formats.0: expected"),
        ({"finished": '{ column = "f", formats = [] }'}, "times.finished.formats: Tuple should have at least 1"),
        ({"closed": '{ column = "f" }'}, "times.closed: Extra inputs are not permitted"),
        ({"clock_skew_s_max": "3600"}, "clock_skew_s_max: Input should be less than or equal to 300"),
    ],
)
def test_an_error_of_a_row_per_dossier_names_the_key(tmp_path: Path, replaced: dict[str, str], message: str) -> None:
    toml = DOSSIER_TOML
    for key in ("finished", "closed"):  # those stand in a table further down
        if key in replaced:
            lines = [line for line in toml.splitlines() if not line.startswith(f"{key} ")]
            toml = "\n".join([*lines, f"{key} = {replaced[key]}"])
            replaced = {}
    with pytest.raises(CannotImport) as error:
        mapping(tmp_path, toml, **replaced)
    assert f"mapping.toml: {message}" in str(error.value)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"to_unit": ""}, "to_unit: missing, and transferred events need it"),
        ({"due": ""}, "due: missing, and due_changed events need it"),
        ({"cause": ""}, "cause: missing, and due_changed events need it"),
        ({"retracts_id": ""}, "retracts_id: missing, and retracted events need it"),
        ({"time": ""}, "time: Field required"),
        ({"clock_skew_s_max": "5"}, "clock_skew_s_max: Extra inputs are not permitted"),
        ({"map": '{ seen = "looked_at" }'}, "kind.map.seen: Input should be"),
    ],
)
def test_an_error_of_an_event_log_names_the_key(tmp_path: Path, replaced: dict[str, str], message: str) -> None:
    toml = EVENTS_TOML
    if "map" in replaced:
        toml = "\n".join(
            [*(line for line in toml.splitlines() if not line.startswith("map")), f"map = {replaced['map']}"]
        )
        replaced = {}
    with pytest.raises(CannotImport) as error:
        mapping(tmp_path, toml, **replaced)
    assert f"mapping.toml: {message}" in str(error.value)


def test_a_mapping_without_a_date_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match="times: expected at least one date"):
        mapping(tmp_path, DOSSIER_TOML.split("[times]")[0] + "[times]\n")


@pytest.mark.parametrize("content", [b"shape = ", b"\xff\xfe", b"shape = 'dossier'\nshape = 'dossier'"])
def test_a_file_that_is_no_toml(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mapping.toml").write_bytes(content)
    with pytest.raises(CannotImport, match="is no TOML in UTF-8"):
        read_mapping(tmp_path / "mapping.toml", read_policies())


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match="No such file or directory; expected a mapping file"):
        read_mapping(tmp_path / "mapping.toml", read_policies())
