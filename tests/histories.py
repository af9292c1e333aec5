"""Hypothesis strategies for histories: any facts in any order, as the log may bring them. Synthetic."""

from hypothesis import strategies as st

from schemas.events import Channel, DueCause, Kind, Mark, Outcome
from schemas.state import Entry
from tests.factories import OTHER_UNIT, UNIT, days

START = 1_609_434_000_000_000  # 2021-01-01 00:00 in the office
MOMENTS = st.integers(0, 40).map(lambda step: START + step * days(0.25))
UNITS = st.sampled_from([UNIT, UNIT, UNIT, OTHER_UNIT])
IDENTITIES = st.integers(0, 9).map(lambda number: f"{number:016x}")  # few, so that facts meet their retractions
POLICIES = [None, None, "vn-instant-1", "vn-half-day-1", "vn-766-1", "vn-day-reset-1", "vn-day-s3-1"]
MAYBE_DUE = st.none() | MOMENTS


@st.composite
def entries(draw: st.DrawFn, kinds: st.SearchStrategy[Kind] = st.sampled_from(Kind)) -> Entry:  # noqa: B008
    """One fact of any kind, with what that kind may carry."""
    kind = draw(kinds)
    return Entry(
        at=draw(MOMENTS),
        kind=kind,
        identity=draw(IDENTITIES),
        unit_id=draw(UNITS),
        due_at=draw(
            MOMENTS
            if kind is Kind.DUE_CHANGED
            else MAYBE_DUE
            if kind
            in (
                Kind.ACCEPTED,
                Kind.TRANSFERRED,
                Kind.SUPPLEMENT_RECEIVED,
                Kind.PAYMENT_RECEIVED,
                Kind.RESUMED,
                Kind.REOPENED,
            )
            else st.none()
        ),
        procedure_id="1.001612" if kind in (Kind.REGISTERED, Kind.ACCEPTED) else None,
        channel=draw(st.sampled_from(Channel)) if kind in (Kind.REGISTERED, Kind.ACCEPTED) else None,
        policy_id=draw(st.sampled_from(POLICIES)) if kind in (Kind.REGISTERED, Kind.ACCEPTED) else None,
        to_unit_id=draw(UNITS) if kind is Kind.TRANSFERRED else None,
        cause=draw(st.sampled_from(DueCause)) if kind is Kind.DUE_CHANGED else None,
        outcome=draw(st.sampled_from(Outcome)) if kind is Kind.FINISHED else None,
        retracts=draw(IDENTITIES) if kind is Kind.RETRACTED else None,
        root_id=draw(st.sampled_from([None, None, "root"])) if kind in (Kind.REGISTERED, Kind.ACCEPTED) else None,
        marks=tuple(draw(st.lists(st.sampled_from(Mark), max_size=3)))
        if kind in (Kind.ACCEPTED, Kind.PAYMENT_RECEIVED, Kind.FINISHED)
        else (),
    )


@st.composite
def lifelike(draw: st.DrawFn) -> list[Entry]:
    """A history that begins with an acceptance, so that most of what follows is allowed."""
    first = draw(entries(st.just(Kind.ACCEPTED)))
    rest = draw(st.lists(entries(), max_size=10))
    return [Entry(**{**_fields(first), "at": START, "unit_id": UNIT}), *rest]


def _fields(entry: Entry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in Entry.__struct_fields__}


HISTORIES = lifelike() | st.lists(entries(), max_size=12)
