"""The national portal's payloads at the gateway: several events each, repeats recognised, promises that move."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.unit.gateway.make import OTHER_UNIT, UNIT, Gateway, gateway
from tests.unit.portal.make import DOSSIER, dossier, step

pytestmark = pytest.mark.asyncio

SYNC = "/v1/portal/DongBoHoSoMC"
PROGRESS = "/v1/portal/CapNhatTienDoHoSoMC"


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path) as opened:
        yield opened


async def post(door: Gateway, path: str, payload: Any, **headers: str) -> httpx.Response:
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return await door.client.post(path, content=content, headers={"content-type": "application/json", **headers})


async def told(door: Gateway, path: str, payload: Any) -> list[str]:
    """The events of one payload's answer: kind and status."""
    answer = await post(door, path, payload)
    assert answer.status_code in (202, 207), answer.text
    return [f"{event['kind']} {event['status']}" for item in answer.json()["items"] for event in item["events"]]


def said(door: Gateway, kind: str) -> list[tuple[str, str | None]]:
    """Time and promise of the log's events of a kind."""
    events = [json.loads(value) for value in door.log.values]
    return [(event["time"], event["data"].get("due_at")) for event in events if event["type"].split(".")[3] == kind]


async def test_one_payload_is_several_events(door: Gateway) -> None:
    ended = dossier(TrangThaiHoSo=9, NgayKetThucXuLy="20210304100000", LoaiKetQua="Kết quả")
    answer = await post(door, SYNC, ended)
    assert answer.status_code == 202
    document = answer.json()
    (item,) = document.pop("items")
    assert document == {"total": 1, "accepted": 1, "duplicate": 0, "noted": 0, "refused": 0, "failed": 0}
    assert [(event["kind"], event["status"]) for event in item["events"]] == [
        ("accepted",) * 2,
        ("finished", "accepted"),
    ]
    assert {json.loads(value)["source"] for value in door.log.values} == {"urn:hoso:test/portal"}


async def test_a_snapshot_sent_again_is_a_duplicate_in_any_form(door: Gateway) -> None:
    assert await told(door, SYNC, dossier()) == ["accepted accepted"]
    assert await told(door, SYNC, dossier(NgayTiepNhan="01/03/2021 08:30:00")) == ["accepted duplicate"]
    assert len(door.log.values) == 1


async def test_a_later_snapshot_adds_only_what_is_new(door: Gateway) -> None:
    await told(door, SYNC, dossier())
    ended = dossier(TrangThaiHoSo=9, NgayKetThucXuLy="20210304100000", HoSoCoThanhPhanSoHoa="1")
    assert await told(door, SYNC, ended) == ["accepted duplicate", "finished accepted"]


async def test_a_promise_that_moved_is_a_correction_each_time(door: Gateway) -> None:
    first, second = dossier(), dossier(NgayHenTra="20210315170000")
    assert await told(door, SYNC, first) == ["accepted accepted"]
    for payload in (second, first, second):
        door.clock.now += timedelta(days=1)
        assert await told(door, SYNC, payload) == ["accepted duplicate", "due_changed accepted"]
        assert await told(door, SYNC, payload) == ["accepted duplicate"]
    assert said(door, "due_changed") == [
        ("2021-06-02T10:00:00+07:00", "2021-03-15T17:00:00+07:00"),
        ("2021-06-03T10:00:00+07:00", "2021-03-08T17:00:00+07:00"),
        ("2021-06-04T10:00:00+07:00", "2021-03-15T17:00:00+07:00"),
    ]


async def test_a_promise_that_a_round_moved_is_no_correction(door: Gateway) -> None:
    await told(door, SYNC, dossier())
    round_ = {"NgayBoSung": "20210303090000", "NgayTiepNhanBoSung": "20210305140000"}
    moved = dossier(
        NgayHenTra="20210312170000",
        DanhSachHoSoBoSung=[round_ | {"NgayHenTraTruoc": "20210308170000", "NgayHenTraMoi": "20210312170000"}],
    )
    assert await told(door, SYNC, moved) == [
        "accepted duplicate",
        "supplement_requested accepted",
        "supplement_received accepted",
    ]
    assert await told(door, SYNC, moved) == [
        "accepted duplicate",
        "supplement_requested duplicate",
        "supplement_received duplicate",
    ]
    again = moved | {"NgayHenTra": "20210319170000"}
    assert (await told(door, SYNC, again))[-1] == "due_changed accepted"
    assert len(await told(door, SYNC, again)) == 3


async def test_a_correction_of_an_ended_dossier_comes_before_its_end(door: Gateway) -> None:
    await told(door, SYNC, dossier())
    ended = dossier(TrangThaiHoSo=9, NgayKetThucXuLy="20210304100000", NgayHenTra="20210309170000")
    assert await told(door, SYNC, ended) == ["accepted duplicate", "finished accepted", "due_changed accepted"]
    assert said(door, "due_changed") == [("2021-03-04T10:00:00+07:00", "2021-03-09T17:00:00+07:00")]


async def test_a_forgotten_dossiers_promise_is_said_again_when_it_is_an_update(tmp_path: Path) -> None:
    async with gateway(tmp_path, repeat_window=0, dossiers_max=0) as door:
        assert await told(door, SYNC, dossier()) == ["accepted accepted"]
        assert await told(door, SYNC, dossier(isUpdating=True)) == ["accepted accepted", "due_changed accepted"]


async def test_an_acceptance_remembered_without_its_dossier_tells_whether_the_promise_moved(tmp_path: Path) -> None:
    """After a restart the window is warm, and the memory of dossiers is not."""
    async with gateway(tmp_path, dossiers_max=0) as door:
        await told(door, SYNC, dossier())
        assert await told(door, SYNC, dossier(isUpdating=True)) == ["accepted duplicate"]
        moved = dossier(isUpdating=True, NgayHenTra="20210315170000")
        assert await told(door, SYNC, moved) == ["accepted duplicate", "due_changed accepted"]


@pytest.mark.parametrize(
    ("before", "is_updating", "notes"),
    [
        (False, "True", ["not_known_here"]),
        (False, False, None),
        (False, None, None),
        (True, "False", ["already_known"]),
        (True, 1, None),
        (True, None, None),
    ],
)
async def test_a_wrong_is_updating_is_noted_and_taken(
    door: Gateway, before: bool, is_updating: object, notes: list[str] | None
) -> None:
    if before:
        await told(door, SYNC, dossier())
    ended = dossier(TrangThaiHoSo=9, NgayKetThucXuLy="20210304100000", LoaiKetQua="Kết quả")
    answer = await post(door, SYNC, {"isUpdating": is_updating, "data": [ended]})
    (item,) = answer.json()["items"]
    assert (item["status"], item.get("notes")) == ("accepted", notes)


async def test_is_updating_and_agency_may_stand_in_the_address(door: Gateway) -> None:
    payload = dossier(DonViXuLy="Phòng không ai biết")
    answer = await post(door, f"{SYNC}?MaDinhDanhDV={OTHER_UNIT}&isUpdating=True", [payload])
    assert answer.json()["items"][0]["notes"] == ["not_known_here"]
    assert json.loads(door.log.values[0])["data"]["unit_id"] == OTHER_UNIT


async def test_steps_across_requests_know_what_came_before(door: Gateway) -> None:
    await told(door, SYNC, dossier())
    stop, back = step(8, "20210304090000"), step(4, "20210305090000")
    assert await told(door, PROGRESS, stop) == ["stopped accepted"]
    assert await told(door, PROGRESS, back) == ["resumed accepted"]
    assert await told(door, PROGRESS, step(5, "20210306090000")) == ["supplement_requested accepted"]
    assert await told(door, PROGRESS, back) == ["resumed duplicate"]
    assert await told(door, PROGRESS, [step(4, "20210307090000"), stop, back]) == [
        "supplement_received accepted",
        "stopped duplicate",
        "resumed duplicate",
    ]
    assert {json.loads(value)["data"]["unit_id"] for value in door.log.values} == {UNIT}


async def test_a_step_sent_again_to_a_gateway_that_forgot_the_dossier_is_what_it_was(tmp_path: Path) -> None:
    async with gateway(tmp_path, dossiers_max=0) as door:
        steps = [step(5, "20210304090000"), step(4, "20210305090000")]
        await told(door, PROGRESS, {"madonvi": UNIT, "data": steps})
        again = {"madonvi": UNIT, "data": steps[1:]}
        assert await told(door, PROGRESS, again) == ["supplement_received duplicate"]


async def test_a_round_that_a_step_told_first_still_brings_its_promise(door: Gateway) -> None:
    await told(door, SYNC, dossier())
    await told(door, PROGRESS, [step(5, "20210303090000"), step(4, "20210305140000")])
    round_ = {
        "NgayBoSung": "20210303090000",
        "NgayTiepNhanBoSung": "20210305140000",
        "NgayHenTraTruoc": "20210308170000",
    }
    moved = dossier(NgayHenTra="20210312170000", DanhSachHoSoBoSung=[round_])
    assert (await told(door, SYNC, moved))[-2:] == ["supplement_received duplicate", "due_changed accepted"]


async def test_a_payload_that_tells_nothing_is_noted(door: Gateway) -> None:
    answer = await post(door, PROGRESS, step(9, "20210304090000"))
    assert answer.status_code == 202
    assert answer.json()["noted"] == 1
    assert answer.json()["items"] == [{"status": "noted", "notes": ["told_by_sync"]}]


async def test_a_bad_payload_costs_its_neighbours_nothing(door: Gateway) -> None:
    other = dossier(MaHoSo="000.00.20.H49-210301-9002")
    answer = await post(door, SYNC, [dossier(), dossier(NgayTiepNhan="hôm qua"), 17, other])
    assert answer.status_code == 207
    items = answer.json()["items"]
    assert [item["status"] for item in items] == ["accepted", "refused", "refused", "accepted"]
    assert items[1]["reason"] == "invalid_value"
    assert [error["pointer"] for error in items[1]["errors"]] == ["/NgayTiepNhan"]
    assert answer.json()["refused"] == 2
    assert len(door.log.values) == 2


@pytest.mark.parametrize(
    ("payload", "status", "reason"),
    [
        (dossier(NgayTiepNhan="hôm qua"), 422, "invalid_value"),
        (dossier(MaTTHC=None), 422, "missing_field"),
        (dossier(DonViXuLy="06999"), 422, "unknown_unit"),
        (b'{"MaHoSo": "x', 400, "not_json"),
        (b"\xff", 400, "not_json"),
        (b"17", 422, "invalid_value"),
    ],
)
async def test_a_single_payload_is_refused_by_a_problem(door: Gateway, payload: Any, status: int, reason: str) -> None:
    answer = await post(door, SYNC, payload)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["content-type"] == "application/problem+json"
    assert door.log.values == []


async def test_a_key_speaks_for_its_units_only(tmp_path: Path) -> None:
    async with gateway(tmp_path, key_units=[UNIT]) as door:
        foreign = await post(door, SYNC, dossier(DonViXuLy=OTHER_UNIT))
        assert (foreign.status_code, foreign.json()["reason"]) == (403, "unit_not_yours")
        # A key of one unit need not name it.
        assert (await post(door, SYNC, dossier(DonViXuLy="", MaHoSo="1"))).status_code == 202


async def test_a_sources_configuration_explains_its_payloads(tmp_path: Path) -> None:
    async with gateway(tmp_path) as door:
        (record,) = json.loads(door.sources_path.read_text())
        record["portal"] = {"agencies": {"Phường thử": UNIT}, "statuses": {"11": 2}}
        door.sources_path.write_text(json.dumps([record]))
        assert await told(door, SYNC, dossier(DonViXuLy="Phường  thử", TrangThaiHoSo=11)) == ["accepted accepted"]


async def test_without_an_acknowledgement_it_says_so_and_may_be_sent_again(door: Gateway) -> None:
    door.log.silent_for.add(DOSSIER.encode())
    answer = await post(door, SYNC, [dossier(), dossier(MaHoSo="000.00.20.H49-210301-9002")])
    assert answer.status_code == 503
    assert [item["status"] for item in answer.json()["items"]] == ["failed", "accepted"]
    door.log.silent_for.clear()
    assert await told(door, SYNC, [dossier(isUpdating=False)]) == ["accepted accepted"]


async def test_a_moved_promise_that_was_not_acknowledged_is_said_again(door: Gateway) -> None:
    await told(door, SYNC, dossier())
    moved = dossier(NgayHenTra="20210315170000")
    door.log.silent_for.add(DOSSIER.encode())
    assert (await post(door, SYNC, moved)).status_code == 503
    door.log.silent_for.clear()
    assert await told(door, SYNC, moved) == ["accepted duplicate", "due_changed accepted"]


async def test_the_door_is_that_of_events(door: Gateway) -> None:
    assert (await post(door, SYNC, dossier(), authorization="Bearer no")).status_code == 401
    assert (await post(door, SYNC, dossier(), **{"content-type": "text/plain"})).status_code == 415
    assert (await post(door, SYNC, b" " * (2 << 20))).status_code == 413
    assert (await door.client.get(SYNC)).status_code == 405
    assert door.log.values == []


async def test_payloads_and_notes_are_counted(door: Gateway) -> None:
    await post(door, f"{SYNC}?isUpdating=True", [dossier(), 17])
    text = (await door.client.get("/metrics")).text
    for line in (
        'hoso_gateway_portal_payloads_total{result="accepted",service="DongBoHoSoMC"} 1.0',
        'hoso_gateway_portal_payloads_total{result="refused",service="DongBoHoSoMC"} 1.0',
        'hoso_gateway_portal_notes_total{note="not_known_here",service="DongBoHoSoMC"} 1.0',
        'hoso_gateway_events_total{reason="",result="accepted"} 2.0',
    ):
        assert line in text
