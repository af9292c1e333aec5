"""The integrators' guide names everything that they can meet."""

from pathlib import Path

import pytest

from schemas import topics
from schemas.errors import Reason
from schemas.events import FACTS, Channel, DueCause, Mark, Outcome, ReasonCode
from services.gateway.problems import KINDS

GUIDE = (Path(__file__).parents[3] / "docs" / "integrators.md").read_text()
HEADERS = [topics.DLQ_REASON, topics.DLQ_DETAIL, topics.DLQ_TOPIC, topics.DLQ_PARTITION, topics.DLQ_OFFSET]
CODES = [code.value for codes in (Channel, DueCause, Mark, Outcome, ReasonCode, Reason) for code in codes]


@pytest.mark.parametrize("name", [*CODES, *(kind.code for kind in KINDS), *HEADERS, topics.EVENTS.name])
def test_every_code_is_named(name: str) -> None:
    assert f"`{name}`" in GUIDE


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.kind.value)
def test_every_event_stands_in_the_table_with_its_fields(fact: type) -> None:
    (row,) = [row for row in GUIDE.splitlines() if row.startswith(f"| `{fact.type}` |")]
    fields = ((name, field.is_required()) for name, field in fact.model_fields.items() if name != "unit_id")
    assert row.split("|")[3].strip() == ", ".join(f"`{name}`{'' if needed else '?'}" for name, needed in fields)
