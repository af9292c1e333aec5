"""The lifecycle as a table one can read aloud, and the verdict on any fact in any status.

Evidence for each row: the transitions observed between the ten statuses of the national portal (docs/glossary.md).
What the table does not hold is kept and marked as an anomaly; it never moves a dossier.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from schemas.events import Kind
from schemas.state import Status

RANK: Final[Mapping[Kind, int]] = MappingProxyType({kind: rank for rank, kind in enumerate(Kind)})

WORKING: Final = (Status.ACCEPTED, Status.PROCESSING)
WAITING: Final = (Status.SUPPLEMENT_REQUESTED, Status.PAYMENT_REQUESTED)

# A fact that needs an accepted dossier, and one that needs a dossier not accepted yet.
AFTER_ACCEPTANCE: Final = frozenset(
    {
        Kind.PROCESSING_STARTED,
        Kind.DUE_CHANGED,
        Kind.PAYMENT_REQUESTED,
        Kind.PAYMENT_RECEIVED,
        Kind.STOPPED,
        Kind.FINISHED,
        Kind.DELIVERED,
    }
)
BEFORE_ACCEPTANCE: Final = frozenset({Kind.REGISTERED, Kind.ACCEPTED, Kind.REFUSED})

# Back to work: PROCESSING, or REGISTERED when the dossier was never accepted.
BACK: Final = None

NEXT: Final[Mapping[tuple[Status | None, Kind], Status | None]] = MappingProxyType(
    {
        (None, Kind.REGISTERED): Status.REGISTERED,
        (None, Kind.ACCEPTED): Status.ACCEPTED,  # at the counter or by post: born accepted
        (Status.REGISTERED, Kind.ACCEPTED): Status.ACCEPTED,
        (Status.REGISTERED, Kind.REFUSED): Status.REFUSED,
        (Status.REGISTERED, Kind.SUPPLEMENT_REQUESTED): Status.SUPPLEMENT_REQUESTED,  # the clock has not started
        (Status.REGISTERED, Kind.WITHDRAWN): Status.WITHDRAWN,
        (Status.REGISTERED, Kind.TRANSFERRED): Status.REGISTERED,
        (Status.ACCEPTED, Kind.PROCESSING_STARTED): Status.PROCESSING,
        **{
            (working, kind): status
            for working in WORKING
            for kind, status in {
                Kind.SUPPLEMENT_REQUESTED: Status.SUPPLEMENT_REQUESTED,
                Kind.PAYMENT_REQUESTED: Status.PAYMENT_REQUESTED,
                Kind.TRANSFERRED: working,
                Kind.DUE_CHANGED: working,
                Kind.STOPPED: Status.STOPPED,
                Kind.WITHDRAWN: Status.WITHDRAWN,
                Kind.FINISHED: Status.FINISHED,  # same-day work skips PROCESSING
                Kind.DELIVERED: Status.DELIVERED,  # a delivery without a finish ends the clock itself
            }.items()
        },
        **{
            (waiting, kind): status
            for waiting in WAITING
            for kind, status in {
                Kind.PROCESSING_STARTED: Status.PROCESSING,
                Kind.TRANSFERRED: waiting,
                Kind.DUE_CHANGED: waiting,
                Kind.STOPPED: Status.STOPPED,  # the time to supplement ran out
                Kind.WITHDRAWN: Status.WITHDRAWN,
                Kind.FINISHED: Status.FINISHED,  # the wait ended without its own report
                Kind.DELIVERED: Status.DELIVERED,
            }.items()
        },
        (Status.SUPPLEMENT_REQUESTED, Kind.SUPPLEMENT_RECEIVED): BACK,
        (Status.SUPPLEMENT_REQUESTED, Kind.PAYMENT_REQUESTED): Status.PAYMENT_REQUESTED,
        (Status.SUPPLEMENT_REQUESTED, Kind.ACCEPTED): Status.ACCEPTED,
        (Status.SUPPLEMENT_REQUESTED, Kind.REFUSED): Status.REFUSED,
        (Status.PAYMENT_REQUESTED, Kind.PAYMENT_RECEIVED): BACK,
        (Status.PAYMENT_REQUESTED, Kind.SUPPLEMENT_REQUESTED): Status.SUPPLEMENT_REQUESTED,
        (Status.STOPPED, Kind.RESUMED): BACK,
        (Status.STOPPED, Kind.REOPENED): BACK,
        (Status.STOPPED, Kind.DUE_CHANGED): Status.STOPPED,
        (Status.WITHDRAWN, Kind.RESUMED): BACK,  # the applicant changed their mind
        (Status.WITHDRAWN, Kind.REOPENED): BACK,
        (Status.REFUSED, Kind.REOPENED): BACK,
        (Status.FINISHED, Kind.DELIVERED): Status.DELIVERED,
        (Status.FINISHED, Kind.REOPENED): BACK,
        (Status.DELIVERED, Kind.REOPENED): BACK,
    }
)


def next_status(status: Status | None, kind: Kind, *, accepted: bool) -> Status | None:
    """The status that follows; None when the lifecycle does not allow the step. Total: any status, any kind."""
    return _STEPS[accepted].get((status, kind))


def ends(pauses: frozenset[Status]) -> frozenset[Status]:
    """The statuses of a closed dossier: a stop is an end unless the policy calls it a pause."""
    return frozenset({Status.REFUSED, Status.WITHDRAWN, Status.FINISHED, Status.DELIVERED, Status.STOPPED}) - pauses


def _steps(*, accepted: bool) -> Mapping[tuple[Status | None, Kind], Status]:
    barred = BEFORE_ACCEPTANCE if accepted else AFTER_ACCEPTANCE
    back = Status.PROCESSING if accepted else Status.REGISTERED
    return {(status, kind): to or back for (status, kind), to in NEXT.items() if kind not in barred}


_STEPS: Final = {accepted: _steps(accepted=accepted) for accepted in (False, True)}
