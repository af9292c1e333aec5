"""Published files say what the code does: no drift, samples validate, references lead somewhere, topics are whole."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate as validate_openapi

from schemas import topics
from schemas.codec import decode
from schemas.errors import ContractError
from schemas.events import FACTS
from services import publish

PUBLISHED = publish.PUBLISHED
SAMPLES = [json.loads(path.read_bytes()) for path in sorted(publish.SAMPLES.glob("*.json"))]


def published(name: str) -> Any:
    return json.loads((PUBLISHED / name).read_bytes())


def event_schema(type_: str) -> Any:
    kind = next(fact.kind for fact in FACTS if fact.type == type_)
    return published(f"events/{kind}.v1.json")


def test_nothing_has_drifted(capsys):
    assert publish.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample['type']}-{sample['id']}")
def test_every_sample_validates_against_its_published_schema(sample):
    jsonschema.validate(sample, event_schema(sample["type"]), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "change",
    [
        {"specversion": "0.3"},
        {"subject": ""},
        {"subject": "Hồ sơ"},
        {"subject": "a\n"},
        {"ho_ten": "x"},
        {"data": {}},
        {"data": {"unit_id": "06808", "ho_ten": "x"}},
        {"id": None},
    ],
)
def test_the_schema_refuses_what_the_decoder_refuses(change):
    sample = SAMPLES[0] | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(sample, event_schema(sample["type"]), jsonschema.Draft202012Validator)
    with pytest.raises(ContractError):
        decode(json.dumps(sample).encode())


@pytest.mark.parametrize("path", sorted(PUBLISHED.rglob("*.json")), ids=lambda path: path.name)
def test_every_reference_leads_somewhere(path):
    document = json.loads(path.read_bytes())
    for reference in _references(document):
        file, _, pointer = reference.partition("#")
        target = json.loads((path.parent / file).read_bytes()) if file else document
        for part in pointer.strip("/").split("/") if pointer else ():
            target = target[part.replace("~1", "/").replace("~0", "~")]


def _references(document: Any) -> list[str]:
    if isinstance(document, dict):
        own = [document["$ref"]] if isinstance(document.get("$ref"), str) else []
        return own + [found for value in document.values() for found in _references(value)]
    if isinstance(document, list):
        return [found for value in document for found in _references(value)]
    return []


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*/*.json")), ids=lambda path: path.name)
def test_every_schema_is_a_schema(path):
    jsonschema.Draft202012Validator.check_schema(json.loads(path.read_bytes()))


@pytest.mark.parametrize("name", ["openapi-gateway.json", "openapi-monitor.json", "openapi-reports.json"])
def test_the_apis_are_described_in_valid_openapi(name):
    validate_openapi(published(name))


def test_asyncapi_lists_every_topic_with_writer_reader_and_messages():
    document = published("asyncapi.json")
    assert set(document["channels"]) == {topic.name for topic in topics.TOPICS}
    for topic in topics.TOPICS:
        assert {f"send-{topic.name}", f"receive-{topic.name}"} <= document["operations"].keys()
        assert document["channels"][topic.name]["messages"]


def test_every_topic_has_a_writer_a_reader_and_a_retention():
    for topic in topics.TOPICS:
        assert topic.writers
        assert topic.readers
        assert topic.config["retention.ms"] == "-1"
        assert topic.config["cleanup.policy"] in ("delete", "compact")


def test_a_deployments_prefix_stands_before_every_name():
    assert topics.TopicNames("a-")[topics.EVENTS] == "a-dossier-events"


def test_the_samples_folder_holds_nothing_else():
    assert {path.suffix for path in Path(publish.SAMPLES).rglob("*.*")} == {".json"}
