"""Error answers of every HTTP process: RFC 9457 problems.

Promises: an error names its kind by a code that never changes and by a page that says what to do; no answer repeats
what was sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from schemas.errors import Flaw, Reason


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind of error answer: `code` is for programs, `advice` for people, on the page /problems/{code}."""

    code: str
    status: int
    title: str
    advice: str


NOT_FOUND: Final = ProblemKind("not_found", 404, "There is nothing at this address", "See /openapi.json.")
WRONG_METHOD: Final = ProblemKind("wrong_method", 405, "Not with this method", "The Allow header lists the others.")
WRONG_PARAMETER: Final = ProblemKind("wrong_parameter", 422, "A parameter is wrong", "`errors` points to each.")
INTERNAL: Final = ProblemKind("internal", 500, "The fault is ours", "Try again, and tell the operator the time.")


class Problem(Exception):
    """Raise it in a handler to answer with a problem; `members` are further members of the answer."""

    def __init__(
        self, kind: ProblemKind, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.headers, self.members = kind, detail, headers, members

    def response(self) -> Response:
        """The answer as application/problem+json."""
        kind = self.kind
        document = {"type": f"/problems/{kind.code}", "code": kind.code, "title": kind.title, "status": kind.status}
        content = msgspec.json.encode({**document, "detail": self.detail, **self.members})
        return Response(content, kind.status, self.headers, "application/problem+json")


def errors_of(flaws: Sequence[Flaw]) -> list[dict[str, str]]:
    """Flaws as the member `errors` of a problem."""
    return [{"pointer": flaw.pointer, "code": flaw.reason.value, "message": flaw.message} for flaw in flaws]


def add_problems(app: FastAPI, *kinds: ProblemKind) -> None:
    """Answer every error of `app` as a problem; serve a page for each of `kinds` and of those shared by all."""

    async def answer(_: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code < 500:
            kind = {404: NOT_FOUND, 405: WRONG_METHOD}.get(error.status_code, WRONG_PARAMETER)
            error = Problem(kind, kind.title, headers=error.headers)
        elif isinstance(error, RequestValidationError):
            places = [("/" + "/".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
            flaws = [Flaw(pointer, Reason.INVALID_VALUE, message) for pointer, message in places]
            error = Problem(WRONG_PARAMETER, WRONG_PARAMETER.title, errors=errors_of(flaws))
        return (error if isinstance(error, Problem) else Problem(INTERNAL, INTERNAL.title)).response()

    for raised in (Problem, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(raised, answer)
    pages = {kind.code: kind for kind in (NOT_FOUND, WRONG_METHOD, WRONG_PARAMETER, INTERNAL, *kinds)}

    @app.get("/problems/{code}", include_in_schema=False)
    async def problem_page(code: str) -> Response:
        if (kind := pages.get(code)) is None:
            raise Problem(NOT_FOUND, f"the problems are: {', '.join(pages)}")
        return Response(f"{kind.code} ({kind.status})\n\n{kind.title}.\n\n{kind.advice}\n", media_type="text/plain")
