"""Bytes to event and back: one definition (schemas/events.py), a fast decoder derived from it.

`decode` promises the same verdict as the pydantic models on any bytes (a property test holds this) at a fraction of
their cost. Only what it refuses is read a second time, by pydantic, for reasons that a person can act on.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from operator import attrgetter
from types import UnionType
from typing import Annotated, Any, ClassVar, Final, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel, StringConstraints, ValidationError

from schemas.errors import ContractError, Flaw, Reason
from schemas.events import EVENT_MODEL_OF_TYPE, FACTS, Channel, DueCause, Fact, Kind, Mark, Outcome, is_plausible
from schemas.ids import BEGIN, END

# The largest of our events is below 1 KiB; a hundred times that is no event but a mistake or an attack.
EVENT_BYTES_MAX: Final = 64 * 1024

STRUCTURED: Final = "application/cloudevents+json"


class Data(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The data of any event. What a kind does not have reads as None, so that the fold asks without branching."""

    kind: ClassVar[Kind]
    procedure_id: ClassVar[str | None] = None
    channel: ClassVar[Channel | None] = None
    policy_id: ClassVar[str | None] = None
    due_at: ClassVar[datetime | None] = None
    to_unit_id: ClassVar[str | None] = None
    cause: ClassVar[DueCause | None] = None
    outcome: ClassVar[Outcome | None] = None
    retracts_source: ClassVar[str | None] = None
    retracts_id: ClassVar[str | None] = None
    root_id: ClassVar[str | None] = None
    marks: ClassVar[tuple[Mark, ...]] = ()

    unit_id: str


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A decoded CloudEvent; its subclasses, one per type, are derived from the pydantic models."""

    type: ClassVar[str]
    texts_fit: ClassVar[Any]  # of an event, whether its required texts fit their patterns

    specversion: str
    id: str
    source: str
    subject: str
    time: datetime
    data: Data


def _pattern_of(annotation: Any) -> str | None:
    """The pattern of a constrained string."""
    if get_origin(annotation) is not Annotated or get_args(annotation)[0] is not str:
        return None
    (constraints,) = (arg for arg in get_args(annotation)[1:] if isinstance(arg, StringConstraints))
    return str(constraints.pattern)


def _fast_type(annotation: Any) -> Any:
    """The msgspec reading of a pydantic annotation."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated and args[0] is datetime:
        return Annotated[datetime, msgspec.Meta(tz=True)]
    if pattern := _pattern_of(annotation):
        return Annotated[str, msgspec.Meta(pattern=pattern)]
    if origin in (Union, UnionType):
        return Union[tuple(_fast_type(arg) for arg in args)]  # noqa: UP007 - built at run time
    if origin is Annotated:
        raise TypeError(f"no fast reading of {annotation}")
    return annotation


def _fast_fields(model: type[BaseModel]) -> tuple[list[Any], dict[str, str]]:
    """The fields, and the patterns of those required texts that `_texts_fit` checks all at once."""
    hints = get_type_hints(model, include_extras=True)
    fields: list[Any] = []
    patterns: dict[str, str] = {}
    for name, field in model.model_fields.items():
        if name in ("type", "data"):
            continue
        pattern = _pattern_of(hints[name])
        if pattern and field.is_required():
            patterns[name] = pattern
            fields.append((name, str))
        elif field.is_required():
            fields.append((name, _fast_type(hints[name])))
        else:
            fields.append((name, _fast_type(hints[name]), field.default))
    return fields, patterns


def _texts_fit(patterns: Mapping[str, str]) -> Callable[[Any], bool]:
    """One search for all required texts of an event: one by one they are more than half of the decoder's time.

    They are joined by a character that no pattern takes.
    """
    texts = attrgetter(*patterns)
    bodies = (pattern.removeprefix(BEGIN).removesuffix(END) for pattern in patterns.values())
    fits = re.compile("\0".join(bodies)).fullmatch
    return lambda event: fits("\0".join(texts(event))) is not None


def _fast_event(fact: type[Fact]) -> type[Event]:
    options: dict[str, Any] = {
        "frozen": True,
        "gc": False,
        "kw_only": True,
        "forbid_unknown_fields": True,
        "omit_defaults": True,
    }
    data_fields, data_patterns = _fast_fields(fact)
    data: Any = msgspec.defstruct(
        f"{fact.__name__}Data", data_fields, bases=(Data,), namespace={"kind": fact.kind}, **options
    )
    fields, patterns = _fast_fields(EVENT_MODEL_OF_TYPE[fact.type])
    patterns |= {f"data.{name}": pattern for name, pattern in data_patterns.items()}
    event: Any = msgspec.defstruct(
        fact.__name__,
        [*fields, ("data", data)],
        bases=(Event,),
        namespace={"type": fact.type, "texts_fit": staticmethod(_texts_fit(patterns))},
        tag_field="type",
        tag=fact.type,
        **options,
    )
    return cast("type[Event]", event)


EVENT_OF_KIND: Final[Mapping[Kind, type[Event]]] = {fact.kind: _fast_event(fact) for fact in FACTS}
_DATA_OF_KIND: Final[Mapping[Kind, type[Data]]] = {
    kind: get_type_hints(event)["data"] for kind, event in EVENT_OF_KIND.items()
}
_DECODER: Final = msgspec.json.Decoder(Union[tuple(EVENT_OF_KIND.values())])  # noqa: UP007 - built at run time
_ENCODER: Final = msgspec.json.Encoder()


def decode(value: bytes) -> Event:
    """Read a structured CloudEvent; `ContractError` lists every flaw and never repeats a value."""
    if len(value) > EVENT_BYTES_MAX:
        raise ContractError(Flaw("", Reason.TOO_LARGE, f"expected at most {EVENT_BYTES_MAX} bytes"))
    try:
        event: Event = _DECODER.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ContractError(*explain(value)) from None
    due_at = event.data.due_at
    if not event.texts_fit(event) or not is_plausible(event.time) or (due_at is not None and not is_plausible(due_at)):
        raise ContractError(*explain(value))
    return event


def decode_record(*, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> Event:
    """Read a Kafka record in structured or binary mode (CloudEvents Kafka binding); its key must be the dossier.

    The key decides the partition, and one partition orders and owns a dossier: a foreign key would give a dossier
    two owners.
    """
    if value is None:
        raise ContractError(Flaw("", Reason.NO_VALUE, "expected an event, found a record without value"))
    for name, _ in headers:
        if name.startswith("ce_"):
            value = _unpacked(headers, value)
            break
    event = decode(value)
    if key != event.subject.encode():
        raise ContractError(Flaw("/subject", Reason.KEY_MISMATCH, "expected the record's key to equal the subject"))
    return event


def structured(*, attributes: Mapping[str, bytes | str], data: bytes) -> bytes:
    """The structured form of a binary-mode event: attributes from headers, data from the body."""
    try:
        texts = {name: text if isinstance(text, str) else text.decode() for name, text in attributes.items()}
        msgspec.json.decode(data)  # data is embedded as it stands: it must not be able to close its own brace
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ContractError(Flaw("/data", Reason.NOT_JSON, "expected JSON data and UTF-8 attributes")) from None
    return _ENCODER.encode({**texts, "data": msgspec.Raw(data)})


def encode(event: Event) -> bytes:
    """The structured JSON form, without what is absent."""
    return _ENCODER.encode(event)


def new_event(
    kind: Kind,
    *,
    id: str,
    source: str,
    subject: str,
    time: datetime,
    unit_id: str,
    **data: Any,
) -> Event:
    """Build an event in code. It is not checked here: `decode(encode(event))` is the check."""
    return EVENT_OF_KIND[kind](
        specversion="1.0",
        id=id,
        source=source,
        subject=subject,
        time=time,
        data=_DATA_OF_KIND[kind](unit_id=unit_id, **data),
    )


def _unpacked(headers: Iterable[tuple[str, bytes]], value: bytes) -> bytes:
    """The structured form of a record whose headers repeat (structured mode) or are (binary mode) the attributes."""
    for name, text in headers:
        if name.lower() == "content-type" and text.startswith(b"application/cloudevents"):
            return value
    attributes = {name[3:]: text for name, text in headers if name.startswith("ce_")}
    return structured(attributes=attributes, data=value)


def explain(value: bytes) -> list[Flaw]:
    """Every flaw of bytes that are no event, read by the pydantic models; pointers and expectations, never values."""
    try:
        document = msgspec.json.decode(value.decode())
    except UnicodeDecodeError:
        return [Flaw("", Reason.NOT_UTF8, "expected UTF-8")]
    except (msgspec.MsgspecError, RecursionError):
        return [Flaw("", Reason.NOT_JSON, "expected JSON")]
    if not isinstance(document, dict):
        return [Flaw("", Reason.NOT_CLOUDEVENT, "expected a JSON object with CloudEvents attributes")]
    if "type" not in document:
        return [Flaw("/type", Reason.MISSING_FIELD, "expected an event type, such as vn.hoso.dossier.accepted.v1")]
    model = EVENT_MODEL_OF_TYPE.get(document["type"]) if isinstance(document["type"], str) else None
    if model is None:
        return [Flaw("/type", Reason.UNKNOWN_TYPE, "expected one of the types and versions in schemas/published")]
    try:
        model.model_validate_json(value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        return [field_flaw(detail["type"], detail["loc"], detail["msg"]) for detail in details]
    return [Flaw("", Reason.INVALID_VALUE, "expected an event that both decoders accept")]


_REASONS: Final[Mapping[str, Reason]] = {"extra_forbidden": Reason.UNKNOWN_FIELD, "missing": Reason.MISSING_FIELD}
_FIELD_NAME_LENGTH_MAX: Final = 40


def field_flaw(code: str, location: tuple[int | str, ...], message: str) -> Flaw:
    """A flaw from pydantic's words on it: its code, its place and a message that holds no value."""
    # A field's own name is the sender's text: only what looks like a name is repeated.
    shown = [
        str(part) if isinstance(part, int) or (part.isidentifier() and len(part) <= _FIELD_NAME_LENGTH_MAX) else "*"
        for part in location
    ]
    pointer = "".join(f"/{part}" for part in shown)
    return Flaw(pointer, _REASONS.get(code, Reason.INVALID_VALUE), message.removeprefix("Value error, "))
