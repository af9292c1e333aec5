"""The audit's questions stay linear: whatever is asked once per dossier is answered by an index."""

from pathlib import Path

from services.audit.compare import FOREIGN
from services.audit.spill import Spill


def test_a_dossier_is_found_in_any_partition_by_an_index(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "log.sqlite")
    spill.index()
    plan = [detail for *_, detail in spill.ask(f"EXPLAIN QUERY PLAN {FOREIGN}", "dossier-states")]
    spill.close()
    assert [detail for detail in plan if detail.startswith(("SCAN", "SEARCH"))] == [
        "SCAN c",
        "SEARCH r USING COVERING INDEX records_by_name (dossier=?)",
    ]
