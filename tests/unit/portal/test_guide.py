"""The guide names every field that is read, every note and every kind of result."""

from pathlib import Path

import pytest

from services.gateway.portal import NOTED
from services.portal.payloads import Fee, Letter, Paper, Result, Round, Snapshot, Step
from services.portal.source import OUTCOMES, PortalSource
from services.portal.told import Note

GUIDE = (Path(__file__).parents[3] / "docs" / "portal.md").read_text()
PARTS = (Snapshot, Paper, Fee, Round, Result, Step, Letter)
FIELDS = sorted({str(field.alias) for part in PARTS for field in part.model_fields.values()})


@pytest.mark.parametrize("name", [*FIELDS, *Note, *PortalSource.model_fields, NOTED])
def test_every_name_is_in_the_guide(name: str) -> None:
    assert f"`{name}`" in GUIDE


@pytest.mark.parametrize("kind", OUTCOMES)
def test_every_kind_of_result_is_in_the_guide(kind: str) -> None:
    assert f"`{kind}`" in GUIDE.lower()
