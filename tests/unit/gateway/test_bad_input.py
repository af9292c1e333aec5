"""What is no event is refused with a reason and a place, alone and among others, and nothing of it is repeated."""

import gzip
import json
import tracemalloc
import unicodedata
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.codec import EVENT_BYTES_MAX
from tests.unit.gateway.make import BATCH, LINES, OTHER_UNIT, UNIT, accepted, gateway, line

pytestmark = pytest.mark.asyncio

SECRET = "Nguyen-Van-A"  # stands for what a sender should not have sent; no answer may hold it
TRANSFER = {"procedure_id": None, "channel": None, "to_unit_id": "06999"}

# name: (bytes of one event, status of a single one, reason, pointer)
BAD: dict[str, tuple[bytes, int, str, str]] = {
    "not JSON": (b"hello " + SECRET.encode(), 400, "not_json", ""),
    "cut in half": (line()[:80], 400, "not_json", ""),
    "NaN": (line().replace(b'"e-1"', b"NaN"), 400, "not_json", ""),
    "nested without end": (b"[" * 60_000, 400, "not_json", ""),
    "invalid UTF-8": (line(id="e?").replace(b"e?", b"e\xff"), 400, "not_utf8", ""),
    "no object": (b"17", 400, "not_cloudevent", ""),
    "no type": (line(type=None), 422, "missing_field", "/type"),
    "unknown type": (line(type="vn.hoso.dossier.eaten.v1"), 422, "unknown_type", "/type"),
    "unknown version": (line(type="vn.hoso.dossier.accepted.v9"), 422, "unknown_type", "/type"),
    "unknown attribute": (line(applicant=SECRET), 422, "unknown_field", "/applicant"),
    "unknown field": (line(data={"applicant": SECRET}), 422, "unknown_field", "/data/applicant"),
    "unknown field with a telling name": (line(data={"Nguyễn Văn A": 1}), 422, "unknown_field", "/data/*"),
    "missing field": (line(data={"channel": None}), 422, "missing_field", "/data/channel"),
    "wrong type": (line(data={"procedure_id": 17}), 422, "invalid_value", "/data/procedure_id"),
    "wrong code": (line(data={"channel": SECRET}), 422, "invalid_value", "/data/channel"),
    "wrong CloudEvents version": (line(specversion="0.3"), 422, "invalid_value", "/specversion"),
    "missing zone": (line(time="2021-03-01T08:30:00"), 422, "invalid_value", "/time"),
    "year 9999": (line(time="9999-12-31T23:59:59Z"), 422, "invalid_value", "/time"),
    "year 9999 promised": (line(data={"due_at": "9999-01-01T00:00:00Z"}), 422, "invalid_value", "/data/due_at"),
    "empty subject": (line(subject=""), 422, "invalid_value", "/subject"),
    "NFD text": (line(subject=unicodedata.normalize("NFD", "Hồ-sơ-1")), 422, "invalid_value", "/subject"),
    "NFC text": (line(subject=unicodedata.normalize("NFC", "Hồ-sơ-1")), 422, "invalid_value", "/subject"),
    "too large": (line(data={"x": "x" * EVENT_BYTES_MAX}), 413, "too_large", ""),
    "unknown unit": (line(data={"unit_id": "06999"}), 422, "unknown_unit", "/data/unit_id"),
    "unknown target": (
        line(type="vn.hoso.dossier.transferred.v1", data=TRANSFER),
        422,
        "unknown_unit",
        "/data/to_unit_id",
    ),
    "unknown policy": (line(data={"policy_id": "vn-day-9"}), 422, "unknown_policy", "/data/policy_id"),
    "another source": (line(source="urn:hoso:testing"), 403, "source_not_yours", "/source"),
    "an empty source below": (line(source="urn:hoso:tes"), 403, "source_not_yours", "/source"),
}


@pytest.mark.parametrize("name", BAD)
async def test_alone_it_is_a_problem(tmp_path: Path, name: str) -> None:
    value, status, reason, pointer = BAD[name]
    async with gateway(tmp_path) as door:
        answer = await door.post(value)
        check_problem(answer, status=status)
        assert (answer.json()["reason"], answer.json()["errors"][0]["pointer"]) == (reason, pointer)
        assert door.log.values == []


@pytest.mark.parametrize("name", BAD)
async def test_among_others_it_is_refused_alone(tmp_path: Path, name: str) -> None:
    value, _, reason, pointer = BAD[name]
    async with gateway(tmp_path) as door:
        answer = await door.post(b"\n".join([line(id="before"), value, line(id="after")]), media=LINES)
        assert answer.status_code == 207
        before, refused, after = answer.json()["items"]
        assert (before["status"], after["status"], len(door.log.values)) == ("accepted", "accepted", 2)
        assert (refused["reason"], refused["errors"][0]["pointer"]) == (reason, pointer)
        assert SECRET not in answer.text


async def test_every_flaw_is_named(tmp_path: Path) -> None:
    async with gateway(tmp_path, key_units=[UNIT]) as door:
        answer = await door.post(accepted(source="urn:x:y", data={"unit_id": OTHER_UNIT, "policy_id": "none"}))
        assert [error["code"] for error in answer.json()["errors"]] == [
            "source_not_yours",
            "unit_not_yours",
            "unknown_policy",
        ]


async def test_a_unit_of_another_source_is_refused_whether_it_exists_or_not(tmp_path: Path) -> None:
    async with gateway(tmp_path, key_units=[UNIT]) as door:
        for unit in (OTHER_UNIT, "06999"):
            answer = await door.post(accepted(data={"unit_id": unit}))
            check_problem(answer, status=403)
            assert answer.json()["reason"] == "unit_not_yours"
        to_other = accepted(type="vn.hoso.dossier.transferred.v1", data=TRANSFER | {"to_unit_id": OTHER_UNIT})
        assert (await door.post(to_other)).status_code == 202  # handing over is what a transfer is for


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": "Basic dTpw"},
        {"authorization": "", "x_api_key": "wrong"},
        {"authorization": b"Bearer \xff\xfe"},
    ],
)
async def test_without_a_known_key_nothing_is_read(tmp_path: Path, headers: dict[str, Any]) -> None:
    async with gateway(tmp_path) as door:
        answer = await door.post(accepted(), **headers)
        check_problem(answer, status=401)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert door.log.values == []


async def test_the_key_may_come_in_its_own_header(tmp_path: Path) -> None:
    async with gateway(tmp_path) as door:
        key = door.client.headers.pop("authorization").removeprefix("Bearer ")
        assert (await door.post(accepted(), x_api_key=key)).status_code == 202


@pytest.mark.parametrize("media", ["text/plain", "application/xml", ""])
async def test_another_content_type_is_415(tmp_path: Path, media: str) -> None:
    async with gateway(tmp_path) as door:
        check_problem(await door.post(accepted(), media=media), status=415)


async def test_another_encoding_is_415_and_names_ours(tmp_path: Path) -> None:
    async with gateway(tmp_path) as door:
        answer = await door.post(accepted(), content_encoding="br")
        check_problem(answer, status=415)
        assert answer.headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"[" + line() + b"," + line()[:50], 400, "not_json"),
        (line(), 400, "not_cloudevent"),
        (b"", 400, "not_json"),
        (b"\xff\xfe", 400, "not_json"),
        (b'["\xff"]', 207, "not_utf8"),
    ],
)
async def test_a_batch_that_is_no_whole_array_is_refused_whole(
    tmp_path: Path, body: bytes, status: int, reason: str
) -> None:
    async with gateway(tmp_path) as door:
        answer = await door.post(body, media=BATCH)
        assert (answer.status_code, door.log.values) == (status, [])
        found = answer.json() if status == 400 else answer.json()["items"][0]
        assert found["reason"] == reason


async def test_lines_cut_in_half_lose_only_the_last(tmp_path: Path) -> None:
    async with gateway(tmp_path) as door:
        answer = await door.post(line() + b"\n" + line(id="e-2")[:60], media=LINES)
        assert [item["status"] for item in answer.json()["items"]] == ["accepted", "refused"]


@pytest.mark.parametrize(
    ("change", "body", "status", "reason"),
    [
        ({"ce_subject": "H%FF"}, None, 400, "not_json"),
        ({"ce_applicant": SECRET}, None, 422, "unknown_field"),
        ({"ce_data": "1"}, None, 422, "invalid_value"),
        ({}, b"", 400, "no_value"),
        ({}, b'{"unit_id":"06808"},"id":"x"', 400, "not_json"),
        ({}, b"x" * (EVENT_BYTES_MAX + 1), 413, "too_large"),
    ],
)
async def test_a_bad_binary_event_is_refused(
    tmp_path: Path, change: dict[str, str], body: bytes | None, status: int, reason: str
) -> None:
    event = accepted()
    data = json.dumps(event.pop("data")).encode()
    async with gateway(tmp_path) as door:
        attributes = {f"ce_{name}": text for name, text in event.items()} | change
        answer = await door.post(data if body is None else body, media="application/json", **attributes)
        check_problem(answer, status=status)
        assert answer.json()["reason"] == reason


async def test_a_ce_header_that_comes_twice_is_refused(tmp_path: Path) -> None:
    event = accepted()
    headers = [(f"ce-{name}", text) for name, text in event.items() if name != "data"] + [("ce-id", "e-2")]
    async with gateway(tmp_path) as door:
        answer = await door.client.post(
            "/v1/events", json=event["data"], headers=[*headers, ("content-type", "application/json")]
        )
        check_problem(answer, status=422)


async def test_a_body_above_the_limit_is_413_and_names_it(tmp_path: Path) -> None:
    async with gateway(tmp_path, body_bytes_max=1 << 20) as door:
        two_megabytes = line() + b" " * (2 << 20)
        announced = await door.post(two_megabytes, media=LINES)
        streamed = await door.client.post(
            "/v1/events", content=chunks_of(two_megabytes), headers={"content-type": LINES}
        )
        for answer in (announced, streamed):
            check_problem(answer, status=413)
            assert "1048576 bytes" in answer.json()["detail"]
        assert door.log.values == []


@pytest.mark.parametrize("members", [1, 3])
async def test_a_gzip_bomb_is_413_before_it_is_unpacked(tmp_path: Path, members: int) -> None:
    bomb = gzip.compress(b"\n" * (100 << 20)) if members == 1 else gzip.compress(b"\n" * (500 << 10)) * members
    async with gateway(tmp_path, body_bytes_max=1 << 20) as door:
        tracemalloc.start()
        answer = await door.post(bomb, media=LINES, content_encoding="gzip")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        check_problem(answer, status=413)
        assert peak < 10 << 20


@pytest.mark.parametrize("body", [b"", b"no gzip", gzip.compress(line())[:-9], gzip.compress(line()) + b"more"])
async def test_broken_gzip_is_400(tmp_path: Path, body: bytes) -> None:
    async with gateway(tmp_path) as door:
        check_problem(await door.post(body, media=LINES, content_encoding="gzip"), status=400)
        assert door.log.values == []


async def test_a_broken_body_gives_its_room_back(tmp_path: Path) -> None:
    """All bodies together are bounded, and what was refused no longer counts."""
    async with gateway(tmp_path, body_bytes_max=1 << 20) as door:
        for _ in range(10):
            await door.client.post("/v1/events", content=chunks_of(b" " * (2 << 20)), headers={"content-type": LINES})
        assert (await door.post(accepted())).status_code == 202


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/events", 405), ("POST", "/v2/events", 404)])
async def test_wrong_addresses_and_methods_are_problems(tmp_path: Path, method: str, path: str, status: int) -> None:
    async with gateway(tmp_path) as door:
        check_problem(await door.client.request(method, path), status=status)


async def test_every_problem_has_a_page_that_says_what_to_do(tmp_path: Path) -> None:
    async with gateway(tmp_path) as door:
        problem = (await door.post(accepted(subject=""))).json()
        page = await door.client.get(problem["type"])
        assert page.status_code == 200
        assert page.text.startswith("contract (422)")
        assert "schemas/published" in page.text


def check_problem(answer: httpx.Response, *, status: int) -> None:
    """RFC 9457, and silent about what was sent."""
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), document
    assert document["status"] == status
    assert document["type"] == f"/problems/{document['code']}"
    assert document["title"]
    assert document["detail"]
    assert SECRET not in answer.text


async def chunks_of(body: bytes, size: int = 64 << 10) -> Any:
    for start in range(0, len(body), size):
        yield body[start : start + size]
