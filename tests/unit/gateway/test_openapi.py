"""The description of the gateway is valid and complete without a broker."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from schemas.events import EVENT_MODEL_OF_TYPE
from services.gateway.app import openapi_document
from services.gateway.openapi import EXAMPLE_EVENT
from services.gateway.problems import KINDS


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document()


def test_it_is_valid(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_it_is_the_same_every_time(document: dict[str, Any]) -> None:
    assert openapi_document() == document


def test_it_names_every_type_of_event_and_every_problem(document: dict[str, Any]) -> None:
    components = document["components"]["schemas"]
    assert set(components["Event"]["discriminator"]["mapping"]) == set(EVENT_MODEL_OF_TYPE)
    operation = document["paths"]["/v1/events"]["post"]
    assert {str(kind.status) for kind in KINDS} <= set(operation["responses"])
    assert components["Problem"]["properties"]["code"]["enum"] == [kind.code for kind in KINDS]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(node: Any) -> set[str]:
        if isinstance(node, dict):
            found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return found.union(*map(references, node.values()))
        return set().union(*map(references, node)) if isinstance(node, list) else set()

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= known


def test_its_example_is_an_event(document: dict[str, Any]) -> None:
    schema = {"$ref": "#/components/schemas/Event", "components": document["components"]}
    Draft202012Validator(schema).validate(EXAMPLE_EVENT)
