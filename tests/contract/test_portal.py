"""The national portal's payloads: each sample is exactly these events, answered so, and published as it is read."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from services.publish import PUBLISHED, SAMPLES
from tests.unit.gateway.make import gateway

GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("portal_golden.json").read_bytes())
PAYLOADS = {path.stem: path.read_bytes() for path in sorted((SAMPLES / "portal").glob("*.json"))}


def test_every_sample_has_its_events() -> None:
    assert GOLDEN.keys() == PAYLOADS.keys()


@pytest.mark.asyncio
@pytest.mark.parametrize("name", PAYLOADS)
async def test_a_sample_is_exactly_these_events(tmp_path: Path, name: str) -> None:
    wanted = GOLDEN[name]
    async with gateway(tmp_path) as door:
        door.units.known.add("196.TTHCC")
        address = f"/v1/portal/{name.partition('.')[0]}"
        answer = await door.client.post(address, content=PAYLOADS[name], headers={"content-type": "application/json"})
        assert answer.status_code == 202
        said = [{key: text for key, text in item.items() if key != "events"} for item in answer.json()["items"]]
        assert said == wanted["items"]
        ids = [event["id"] for item in answer.json()["items"] for event in item.get("events", ())]
        assert ids == [event["id"] for event in wanted["events"]]
        assert [json.loads(value) for value in door.log.values] == wanted["events"]


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_sample_is_what_the_published_api_takes(name: str) -> None:
    document = json.loads((PUBLISHED / "openapi-gateway.json").read_bytes())
    operation = document["paths"][f"/v1/portal/{name.partition('.')[0]}"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
    validator.validate(json.loads(PAYLOADS[name]))
    validator.validate(operation["requestBody"]["content"]["application/json"]["example"])
    with pytest.raises(jsonschema.ValidationError):
        validator.validate([{"MaHoSo": "Hồ sơ"}])
