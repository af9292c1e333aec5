"""Sending events: one and many, each form, repeats, and what the log then holds."""

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.unit.gateway.make import BATCH, LINES, SOURCE, UNIT, Gateway, accepted, gateway, line

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path) as opened:
        yield opened


async def test_an_event_is_accepted_with_its_address_and_stored_verbatim(door: Gateway) -> None:
    sent = json.dumps(dict(reversed(accepted().items())), indent=1).encode()
    answer = await door.post(sent)
    assert answer.status_code == 202, answer.text
    address = answer.json()
    assert address == {"status": "accepted", "partition": address["partition"], "offset": 0}
    assert door.log.partitions[address["partition"]] == [(b"H49-210301-0001", sent)]


async def test_plain_json_is_taken_as_a_whole_event(door: Gateway) -> None:
    answer = await door.post(accepted(), media="application/json; charset=utf-8")
    assert (answer.status_code, json.loads(door.log.values[0])) == (202, accepted())


async def test_binary_mode_is_stored_in_structured_form(door: Gateway) -> None:
    event = accepted()
    attributes = {f"ce_{name}": text for name, text in event.items() if name != "data"}
    data = b'{"unit_id":"06808",  "procedure_id":"1.001612","channel":"direct"}'
    answer = await door.post(data, media="application/json", **attributes)
    assert answer.status_code == 202, answer.text
    assert json.loads(door.log.values[0]) == event
    assert data in door.log.values[0]


async def test_header_values_are_unquoted_and_percent_decoded(door: Gateway) -> None:
    event = accepted(id='a%"b')
    attributes = {f"ce_{name}": text for name, text in event.items() if name != "data"}
    answer = await door.post(
        json.dumps(event["data"]),
        media="application/json",
        **attributes | {"ce_id": '"a%25\\"b"', "ce_type": event["type"]},
    )
    assert answer.status_code == 202, answer.text
    assert json.loads(door.log.values[0])["id"] == 'a%"b'


@pytest.mark.parametrize("media", [BATCH, LINES])
async def test_several_events_are_answered_in_order_and_stored_verbatim_in_order(door: Gateway, media: str) -> None:
    steps = ("accepted", "processing_started", "withdrawn")
    lines = [line(id=f"e-{n}", type=f"vn.hoso.dossier.{step}.v1", data=_data(step)) for n, step in enumerate(steps)]
    body = b"[ " + b" ,\n".join(lines) + b" ]" if media == BATCH else b"\n".join(lines)
    answer = await door.post(body, media=media)
    assert answer.status_code == 202, answer.text
    document = answer.json()
    assert [item["offset"] for item in document.pop("items")] == [0, 1, 2]
    assert document == {"total": 3, "accepted": 3, "duplicate": 0, "refused": 0, "failed": 0}
    assert door.log.values == lines


async def test_lines_may_end_with_return_and_be_empty(door: Gateway) -> None:
    answer = await door.post(line() + b"\r\n\r\n  \n" + line(id="e-2") + b"\n", media=LINES)
    assert (answer.json()["accepted"], door.log.values) == (2, [line(), line(id="e-2")])


async def test_a_body_may_be_gzipped_also_in_several_members(door: Gateway) -> None:
    body = gzip.compress(line() + b"\n") + gzip.compress(line(id="e-2"))
    answer = await door.post(body, media=LINES, content_encoding="gzip")
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)


async def test_a_bad_event_never_costs_its_neighbours(door: Gateway) -> None:
    answer = await door.post(b"\n".join([line(), b"{", line(id="e-2", time="2021-03-01"), line(id="e-3")]), media=LINES)
    assert answer.status_code == 207
    document = answer.json()
    assert [item["status"] for item in document["items"]] == ["accepted", "refused", "refused", "accepted"]
    assert document["items"][1] == {
        "status": "refused",
        "reason": "not_json",
        "errors": [{"pointer": "", "code": "not_json", "message": "expected JSON"}],
    }
    assert document["items"][2]["errors"][0]["pointer"] == "/time"
    assert (document["accepted"], document["refused"], len(door.log.values)) == (2, 2, 2)


async def test_an_empty_batch_is_answered_with_zeros(door: Gateway) -> None:
    answer = await door.post(b"[]", media=BATCH)
    assert (answer.status_code, answer.json()["total"]) == (202, 0)


async def test_a_repeat_says_so_whatever_its_spelling_and_is_not_stored_again(door: Gateway) -> None:
    await door.post(accepted(due_at=None))
    spelled = accepted(time="2021-03-01T01:30:00Z", traceparent="00-" + "0" * 52)
    answer = await door.post(json.dumps(spelled, indent=1))
    assert (answer.status_code, answer.json()) == (200, {"status": "duplicate"})
    assert len(door.log.values) == 1


async def test_a_repeat_inside_one_body_says_so(door: Gateway) -> None:
    answer = await door.post(b"\n".join([line(), line(), line(id="e-2")]), media=LINES)
    assert [item["status"] for item in answer.json()["items"]] == ["accepted", "duplicate", "accepted"]
    assert (answer.status_code, len(door.log.values)) == (202, 2)


async def test_an_id_that_says_something_else_is_refused(door: Gateway) -> None:
    await door.post(accepted())
    answer = await door.post(accepted(data={"channel": "postal"}))
    assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (409, "id_reused", "id_reused")
    many = await door.post(b"\n".join([line(id="e-2"), line(id="e-2", time="2021-03-02T08:30:00+07:00")]), media=LINES)
    assert [item.get("reason") for item in many.json()["items"]] == [None, "id_reused"]


async def test_one_id_may_name_facts_of_two_dossiers(door: Gateway) -> None:
    """The identity in the fold belongs to a dossier: an upstream that numbers per dossier is not refused."""
    answer = await door.post(b"\n".join([line(), line(subject="H49-210301-0002")]), media=LINES)
    assert answer.json()["accepted"] == 2


async def test_what_the_broker_did_not_acknowledge_is_failed_and_may_be_sent_again(door: Gateway) -> None:
    body = b"\n".join([line(subject="lost"), line(id="e-2"), line(subject="lost"), b"{}"])
    door.log.silent_for = {b"lost"}
    answer = await door.post(body, media=LINES)
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (503, "5", "unavailable")
    statuses = [item["status"] for item in answer.json()["items"]]
    assert statuses == ["failed", "accepted", "failed", "refused"]
    assert (answer.json()["failed"], answer.json()["accepted"]) == (2, 1)
    door.log.silent_for = set()
    again = await door.post(body, media=LINES)
    assert [item["status"] for item in again.json()["items"]] == ["accepted", "duplicate", "duplicate", "refused"]


async def test_a_single_event_that_was_not_acknowledged_is_503(door: Gateway) -> None:
    door.log.silent_for = {b"H49-210301-0001"}
    answer = await door.post(accepted())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "items" not in answer.json()


async def test_a_unit_that_is_written_before_its_event_is_known(door: Gateway) -> None:
    door.units.coming = {"06999"}
    body = b"\n".join(line(id=f"e-{n}", data={"unit_id": unit}) for n, unit in enumerate(["06999", "1", "2", UNIT]))
    answer = await door.post(body, media=LINES)
    assert [item.get("reason") for item in answer.json()["items"]] == [None, "unknown_unit", "unknown_unit", None]
    assert door.units.reads == 1  # one look covers the whole body: it was here when the look began


async def test_a_policy_that_is_written_before_its_event_is_known(door: Gateway) -> None:
    door.policies.coming = {"new-1"}
    body = b"\n".join(line(id=f"e-{n}", data={"policy_id": id_}) for n, id_ in enumerate(["new-1", "new-2"]))
    answer = await door.post(body, media=LINES)
    assert [item.get("reason") for item in answer.json()["items"]] == [None, "unknown_policy"]
    assert door.policies.reads == 1


async def test_units_that_cannot_be_read_are_503_and_nothing_is_stored(door: Gateway) -> None:
    door.units.down = True
    answer = await door.post(b"\n".join([line(), line(id="e-2", data={"unit_id": "06999"})]), media=LINES)
    assert (answer.status_code, answer.json()["code"], door.log.values) == (503, "unavailable", [])


async def test_a_source_below_the_keys_own_may_be_named(door: Gateway) -> None:
    answer = await door.post(accepted(source=f"{SOURCE}/desk-3"))
    assert answer.status_code == 202


async def test_events_and_requests_are_counted(door: Gateway) -> None:
    await door.post(b"\n".join([line(), line(), b"{"]), media=LINES)
    text = (await door.client.get("/metrics")).text
    assert 'hoso_gateway_events_total{reason="",result="accepted"} 1.0' in text
    assert 'hoso_gateway_events_total{reason="",result="duplicate"} 1.0' in text
    assert 'hoso_gateway_events_total{reason="not_json",result="refused"} 1.0' in text
    assert 'hoso_gateway_events_total{reason="unknown_unit",result="refused"} 0.0' in text
    assert 'hoso_gateway_request_duration_seconds_count{route="/v1/events",status="207"} 1.0' in text
    assert "hoso_build_info{" in text


async def test_a_request_keeps_its_name_or_gets_one(door: Gateway) -> None:
    named = await door.post(accepted(), x_request_id="upstream-17")
    odd = await door.post(accepted(), x_request_id="a b\t")
    assert named.headers["x-request-id"] == "upstream-17"
    assert len(odd.headers["x-request-id"]) == 32


async def test_a_fault_of_ours_is_a_problem_with_the_requests_name(
    door: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_: object) -> None:
        raise ZeroDivisionError("a payload might stand here")

    monkeypatch.setattr(door.log, "append", fails)
    answer = await door.post(accepted(), x_request_id="upstream-18")
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "upstream-18")
    assert (answer.json()["code"], "payload" in answer.text) == ("internal", False)
    assert 'route="/v1/events",status="500"} 1.0' in (await door.client.get("/metrics")).text


async def test_it_is_alive_and_ready_only_while_its_keys_can_be_read(door: Gateway) -> None:
    assert (await door.client.get("/livez")).json() == {"status": "ok"}
    assert (await door.client.get("/readyz")).status_code == 200
    door.sources_path.unlink()
    answer = await door.client.get("/readyz")
    assert answer.status_code == 503
    assert "HOSO_SOURCES_FILE" in answer.json()["sources"]


def _data(step: str) -> dict[str, None]:
    return {} if step == "accepted" else {"procedure_id": None, "channel": None}
