"""Payloads of the national portal for tests. All of it is synthetic."""

from typing import Any, Final

from schemas.codec import Event, decode, encode
from services.portal.payloads import Snapshot, Step, read
from services.portal.snapshots import tell_snapshot
from services.portal.source import PortalSource
from services.portal.steps import tell_step
from services.portal.told import Told

DOSSIER: Final = "000.00.20.H49-210301-9001"
UNIT: Final = "06808"
SOURCE: Final = "urn:hoso:test/portal"


def dossier(**changes: Any) -> dict[str, Any]:
    """An accepted dossier's payload; None takes a field away."""
    fields = {
        "MaHoSo": DOSSIER,
        "MaTTHC": "1.001612",
        "DonViXuLy": UNIT,
        "NgayTiepNhan": "20210301083000",
        "NgayHenTra": "20210308170000",
        "TrangThaiHoSo": "2",
    } | changes
    return {name: value for name, value in fields.items() if value is not None}


def step(status: object, at: object, **changes: Any) -> dict[str, Any]:
    """A step's payload."""
    return {"MaHoSo": DOSSIER, "TrangThai": status, "ThoiDiemXuLy": at} | changes


def told(payload: dict[str, Any], reading: PortalSource | None = None) -> Told:
    """What a snapshot tells."""
    return tell_snapshot(read(Snapshot, payload), reading or PortalSource(), unit_id=UNIT, source=SOURCE)


def told_step(payload: dict[str, Any], reading: PortalSource | None = None, **known: Any) -> Told:
    """What a step tells."""
    return tell_step(
        read(Step, payload), reading or PortalSource(), unit_id=UNIT, source=SOURCE, **{"before": None, **known}
    )


def lines(events: list[Event]) -> list[str]:
    """Events as short lines: kind, office time, promise or outcome. Each is an event that the codec takes."""
    for event in events:
        assert decode(encode(event)) == event
    return [
        " ".join(
            [
                event.data.kind,
                event.time.strftime("%d %H:%M"),
                *([f"due {event.data.due_at:%d %H:%M}"] if event.data.due_at else []),
                *([event.data.outcome] if event.data.outcome else []),
                *([event.data.cause] if event.data.cause else []),
            ]
        )
        for event in events
    ]
