"""Writes what is published about messages and APIs from the models: JSON Schemas, AsyncAPI 3, OpenAPI.

`python -m services.publish` writes `schemas/published/`; with `--check` it writes nothing and exits 1 when a file there
differs from the models. Published files of a released version are never edited by hand.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from schemas import topics
from schemas.events import EVENT_MODEL_OF_TYPE, FACTS
from schemas.reference import RECORDS
from schemas.state import Dossier, Entry
from schemas.tallies import Progress, Tally, UnitCounters
from services.gateway.app import openapi_document as gateway_document
from services.monitor.api import openapi_document as monitor_document
from services.reports.api import openapi_document as reports_document

PUBLISHED: Final = Path(__file__).parents[1] / "schemas" / "published"
SAMPLES: Final = Path(__file__).parents[1] / "schemas" / "samples"
DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def documents() -> dict[str, Any]:
    """Every published document by its path below schemas/published/."""
    found: dict[str, Any] = {f"events/{fact.kind}.v1.json": _event_schema(fact.type) for fact in FACTS}
    for name, model in RECORDS.items():
        found[f"reference/{name}.json"] = {"$schema": DRAFT, **model.model_json_schema()}
    for name, struct in _CONCLUSIONS.items():
        found[f"conclusions/{name}.json"] = _struct_schema(struct)
    found["asyncapi.json"] = _asyncapi()
    found["openapi-gateway.json"] = gateway_document()
    found["openapi-monitor.json"] = monitor_document()
    found["openapi-reports.json"] = reports_document()
    return found


_CONCLUSIONS: Final[Mapping[str, type]] = {
    "dossier-state": Dossier,
    "tally": Tally,
    "progress": Progress,
    "unit-counters": UnitCounters,
}

_MESSAGES: Final[Mapping[str, tuple[str, ...]]] = {
    topics.EVENTS.name: tuple(fact.kind.value for fact in FACTS),
    topics.STATES.name: ("dossier-state",),
    topics.TALLIES.name: ("tally", "progress"),
    topics.COUNTERS.name: ("unit-counters",),
    topics.DEAD_LETTERS.name: ("dead-letter",),
    **{topic.name: (topic.name,) for topic in topics.REFERENCE},
}


def _event_schema(type_: str) -> dict[str, Any]:
    samples = [json.loads(path.read_bytes()) for path in sorted(SAMPLES.glob("*.json"))]
    return {
        "$schema": DRAFT,
        **EVENT_MODEL_OF_TYPE[type_].model_json_schema(),
        "examples": [sample for sample in samples if sample["type"] == type_],
    }


def _struct_schema(struct: type) -> dict[str, Any]:
    parts = [struct, Entry] if struct is Dossier else [struct]
    _, components = msgspec.json.schema_components(parts, ref_template="#/$defs/{name}")
    schema = components.pop(struct.__name__)
    if struct is Dossier:  # kept encoded in memory, an array of entries in the topic
        schema["properties"]["history"] = {"type": "array", "items": {"$ref": "#/$defs/Entry"}}
    return {"$schema": DRAFT, **schema, "$defs": components}


def _asyncapi() -> dict[str, Any]:
    """The Kafka side: channels, messages and who sends or receives, from the list of topics."""
    messages: dict[str, Any] = {
        fact.kind.value: {
            "name": fact.type,
            "title": (fact.__doc__ or "").splitlines()[0],
            "contentType": "application/cloudevents+json",
            "payload": {"$ref": f"events/{fact.kind}.v1.json"},
            "bindings": {"kafka": {"key": {"type": "string", "description": "The dossier: equal to the subject."}}},
        }
        for fact in FACTS
    }
    for name in _CONCLUSIONS:
        messages[name] = {"contentType": "application/json", "payload": {"$ref": f"conclusions/{name}.json"}}
    for name in RECORDS:
        messages[name] = {"contentType": "application/json", "payload": {"$ref": f"reference/{name}.json"}}
    messages["dead-letter"] = {
        "title": "Bytes that are no event, verbatim, with reason and address in the headers.",
        "headers": {
            "type": "object",
            "properties": {
                name: {"type": "string"}
                for name in (
                    topics.DLQ_REASON,
                    topics.DLQ_DETAIL,
                    topics.DLQ_TOPIC,
                    topics.DLQ_PARTITION,
                    topics.DLQ_OFFSET,
                )
            },
        },
    }
    channels = {topic.name: _channel(topic) for topic in topics.TOPICS}
    operations = {
        f"{action}-{topic.name}": {
            "action": action,
            "channel": {"$ref": f"#/channels/{topic.name}"},
            "summary": f"{verb}: {', '.join(who)}.",
        }
        for topic in topics.TOPICS
        for action, verb, who in (("send", "Written by", topic.writers), ("receive", "Read by", topic.readers))
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Hoso on Kafka",
            "version": "1",
            "description": "Facts about administrative dossiers, and what Hoso concludes from them.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _channel(topic: topics.Topic) -> dict[str, Any]:
    kafka: dict[str, Any] = {"topic": topic.name, "bindingVersion": "0.5.0"}
    if isinstance(topic.partitions, int):
        kafka["partitions"] = topic.partitions
    configuration: dict[str, Any] = {"cleanup.policy": [topic.config["cleanup.policy"]]}
    configuration |= {
        name: int(topic.config[name]) for name in ("retention.ms", "retention.bytes") if name in topic.config
    }
    return {
        "address": topic.name,
        "description": f"{topic.content}. Key: {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _MESSAGES[topic.name]},
        "bindings": {"kafka": {**kafka, "topicConfiguration": configuration}},
    }


def _bytes(document: Any) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` compare them."""
    wanted = {PUBLISHED / name: _bytes(document) for name, document in documents().items()}
    present = {path: path.read_bytes() for path in PUBLISHED.rglob("*.json")}
    if arguments == ["--check"]:
        drifted = sorted(path for path in wanted.keys() | present.keys() if wanted.get(path) != present.get(path))
        for path in drifted:
            print(f"{path.relative_to(PUBLISHED.parents[1])} differs from the models: make published")
        return int(bool(drifted))
    for path in present.keys() - wanted.keys():
        path.unlink()
    for path, content in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    print(f"{len(wanted)} files written to {PUBLISHED.relative_to(Path.cwd())}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
