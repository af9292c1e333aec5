"""What the OpenAPI document says beyond the routes: bodies, answers and keys, built from the vocabulary."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from schemas.events import EVENT_MODEL_OF_TYPE
from services.gateway.answers import Answer, Item
from services.gateway.portal import PortalAnswer
from services.gateway.problems import KINDS
from services.portal.payloads import AGENCY, IS_UPDATING, Snapshot, Step

_SCHEMA: Final = "#/components/schemas/"
_PROBLEM: Final = "application/problem+json"

EXAMPLE_EVENT: Final = {
    "specversion": "1.0",
    "type": "vn.hoso.dossier.accepted.v1",
    "id": "H49-16-2021-000123-accepted",
    "source": "urn:hoso:demo",
    "subject": "H49.16-210301-0001",
    "time": "2021-03-01T08:30:00+07:00",
    "data": {
        "unit_id": "H49.16",
        "procedure_id": "1.004193",
        "channel": "direct",
        "due_at": "2021-03-11T17:00:00+07:00",
    },
}
_EVENT: Final = {"$ref": f"{_SCHEMA}Event"}
_BODY: Final = {
    "required": True,
    "content": {
        "application/cloudevents+json": {"schema": _EVENT, "example": EXAMPLE_EVENT},
        "application/cloudevents-batch+json": {
            "schema": {"type": "array", "items": _EVENT},
            "example": [EXAMPLE_EVENT],
        },
        "application/x-ndjson": {
            "schema": {"type": "string", "description": "One event per line; empty lines are skipped."}
        },
        "application/json": {
            "schema": {
                "type": "object",
                "description": "A whole event; or, when ce-* headers carry the attributes, the event's data alone.",
            }
        },
    },
}
_ENCODING: Final = {
    "name": "Content-Encoding",
    "in": "header",
    "schema": {"type": "string", "enum": ["identity", "gzip"], "default": "identity"},
}
OPERATION: Final[dict[str, Any]] = {
    "requestBody": _BODY,
    "parameters": [_ENCODING],
    "security": [{"bearer": []}, {"key": []}],
}


def _portal_operation(schema: str, example: dict[str, Any]) -> dict[str, Any]:
    payload = {"$ref": f"{_SCHEMA}{schema}"}
    envelope = {
        "type": "object",
        "description": "The portal's own envelope. What else it holds (session, service) is not looked at.",
        "required": ["data"],
        "properties": {
            "data": {"oneOf": [payload, {"type": "array", "items": payload}]},
            IS_UPDATING: {"type": ["boolean", "string", "integer"]},
            "madonvi": {"type": "string"},
            AGENCY: {"type": "string"},
        },
    }
    choices = [payload, {"type": "array", "items": payload}, envelope]
    query = [
        {"name": AGENCY, "in": "query", "schema": {"type": "string"}, "description": "The agency of all payloads."},
        {"name": IS_UPDATING, "in": "query", "schema": {"type": "string"}, "description": "True: they are known."},
    ]
    return {
        **OPERATION,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"anyOf": choices}, "example": [example]}},
        },
        "parameters": [_ENCODING, *query],
    }


EXAMPLE_SYNC: Final = {
    "MaHoSo": "000.00.20.H49-210301-9201",
    "MaTTHC": "1.001612",
    "DonViXuLy": "196.TTHCC",
    "KenhThucHien": "1",
    "NgayTiepNhan": "20210301083000",
    "NgayHenTra": "20210308170000",
    "TrangThaiHoSo": "2",
}
EXAMPLE_STEP: Final = {"MaHoSo": "000.00.20.H49-210301-9201", "ThoiDiemXuLy": "20210302090000", "TrangThai": "4"}
SYNC_OPERATION: Final = _portal_operation("Snapshot", EXAMPLE_SYNC)
PROGRESS_OPERATION: Final = _portal_operation("Step", EXAMPLE_STEP)


def _answered(description: str, *schemas: str) -> dict[str, Any]:
    choices = [{"$ref": f"{_SCHEMA}{name}"} for name in schemas]
    schema = choices[0] if len(choices) == 1 else {"oneOf": choices}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problem(*titles: str) -> dict[str, Any]:
    return {
        "description": ". Or: ".join(titles),
        "content": {_PROBLEM: {"schema": {"$ref": f"{_SCHEMA}Problem"}}},
    }


def _responses() -> dict[int | str, dict[str, Any]]:
    titles: dict[int, list[str]] = {}
    for kind in KINDS:
        titles.setdefault(kind.status, []).append(kind.title)
    return {
        200: _answered("A single event that is in the log already.", "Item"),
        202: _answered(
            "In the log: the event, or every event of the body that was not there already.", "Item", "Answer"
        ),
        207: _answered("Some events of the body were refused; `items` says which and why.", "Answer"),
        **{status: _problem(*texts) for status, texts in sorted(titles.items())},
    }


RESPONSES: Final = _responses()
PORTAL_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    **{status: answer for status, answer in RESPONSES.items() if status not in (200, 202, 207)},
    202: _answered("Nothing was refused; every event of the payloads is in the log.", "PortalAnswer"),
    207: _answered("Some payloads or events were refused; `items` says which and why.", "PortalAnswer"),
}


def describe(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """A replacement of `app.openapi` that adds our components to FastAPI's document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(_components())
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "The key of your source."},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
        }
        return document

    return openapi


def _components() -> dict[str, Any]:
    models = [(model, "validation") for model in (*EVENT_MODEL_OF_TYPE.values(), Snapshot, Step)]
    _, events = models_json_schema(models, ref_template=_SCHEMA + "{model}")  # type: ignore[arg-type]
    _, answers = msgspec.json.schema_components([Answer, Item, PortalAnswer], ref_template=_SCHEMA + "{name}")
    mapping = {kind: f"{_SCHEMA}{model.__name__}" for kind, model in EVENT_MODEL_OF_TYPE.items()}
    return {
        **events["$defs"],
        **answers,
        "Event": {
            "oneOf": [{"$ref": reference} for reference in mapping.values()],
            "discriminator": {"propertyName": "type", "mapping": mapping},
        },
        "Problem": {
            "type": "object",
            "description": "RFC 9457. `type` is a page of this gateway; `code` never changes.",
            "required": ["type", "code", "title", "status", "detail"],
            "properties": {
                "type": {"type": "string", "format": "uri-reference"},
                "code": {"type": "string", "enum": [kind.code for kind in KINDS]},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "reason": {"$ref": f"{_SCHEMA}Reason"},
                "errors": {"type": "array", "items": {"$ref": f"{_SCHEMA}Error"}},
                "items": {"type": "array", "items": {"$ref": f"{_SCHEMA}Item"}},
            },
        },
    }
