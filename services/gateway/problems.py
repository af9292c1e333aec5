"""The gateway's error answers. Codes never change; each has a page at /problems/{code}."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from schemas.errors import Reason
from services.gateway.answers import Error
from services.problems import Problem, ProblemKind

RETRY_AFTER_S: Final = 5

UNREADABLE: Final = ProblemKind(
    "unreadable",
    400,
    "The body cannot be read",
    "Send UTF-8 JSON: one CloudEvent, a JSON array of them (application/cloudevents-batch+json), or one per line "
    "(application/x-ndjson). A body that ends early, or gzip that does, is refused whole: send it again.",
)
UNAUTHORIZED: Final = ProblemKind(
    "unauthorized",
    401,
    "The key is missing or not known",
    "Send `Authorization: Bearer KEY` with the key of your source; the operator of this gateway makes keys.",
)
NOT_YOURS: Final = ProblemKind(
    "not_yours",
    403,
    "The key may not speak for this source or unit",
    "An event's `source` is your key's source or one below it, and `data.unit_id` one of your key's units. "
    "Ask the operator for more units.",
)
SLOW_BODY: Final = ProblemKind(
    "slow_body", 408, "The body did not arrive in time", "Send smaller bodies; nothing of this one was taken."
)
ID_REUSED: Final = ProblemKind(
    "id_reused",
    409,
    "The id was taken by another event",
    "`source` and `id` name one fact for ever. A new fact needs a new id; to correct an earlier one, send "
    "vn.hoso.dossier.retracted.v1 and then the right one. Type, time and data are compared, not their spelling.",
)
TOO_LARGE: Final = ProblemKind(
    "too_large", 413, "The body or event is too large", "Split it; the limit is in `detail`, after decompression."
)
WRONG_MEDIA: Final = ProblemKind(
    "wrong_media",
    415,
    "The content type or encoding is not taken",
    "Types: application/cloudevents+json, application/cloudevents-batch+json, application/x-ndjson, and "
    "application/json with or without ce-* headers. Encodings: none, gzip.",
)
CONTRACT: Final = ProblemKind(
    "contract",
    422,
    "The event breaks the contract",
    "`errors` points to each place and says what is expected there; the schemas are in schemas/published. "
    "The same event will be refused again.",
)
BUSY: Final = ProblemKind(
    "busy", 503, "Too many bodies at once", "Wait as Retry-After says and send it again; nothing of it was taken."
)
UNAVAILABLE: Final = ProblemKind(
    "unavailable",
    503,
    "The log did not acknowledge",
    "Wait as Retry-After says and send the same body again, as often as needed. Events that had arrived are "
    "recognised as repeats. `items`, when present, tells how far each event came.",
)
KINDS: Final = (
    UNREADABLE,
    UNAUTHORIZED,
    NOT_YOURS,
    SLOW_BODY,
    ID_REUSED,
    TOO_LARGE,
    WRONG_MEDIA,
    CONTRACT,
    BUSY,
    UNAVAILABLE,
)

# How the refusal of a single event is answered; every other reason is CONTRACT.
KIND_OF_REASON: Final[Mapping[Reason, ProblemKind]] = {
    Reason.NO_VALUE: UNREADABLE,
    Reason.NOT_UTF8: UNREADABLE,
    Reason.NOT_JSON: UNREADABLE,
    Reason.NOT_CLOUDEVENT: UNREADABLE,
    Reason.TOO_LARGE: TOO_LARGE,
    Reason.SOURCE_NOT_YOURS: NOT_YOURS,
    Reason.UNIT_NOT_YOURS: NOT_YOURS,
    Reason.ID_REUSED: ID_REUSED,
}


def refusal(errors: Sequence[Error]) -> Problem:
    """The answer to a single event, or to a whole body, that has these errors."""
    first = errors[0]
    kind = KIND_OF_REASON.get(first.code, CONTRACT)
    return Problem(kind, f"{first.pointer or 'body'}: {first.message}", reason=first.code, errors=errors)


def unavailable(detail: str, **members: Any) -> Problem:
    """Try again later."""
    return Problem(UNAVAILABLE, detail, headers={"retry-after": str(RETRY_AFTER_S)}, **members)
