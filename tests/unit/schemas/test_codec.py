"""Both decoders give one verdict on any bytes; errors tell the place and never the value."""

import json
from copy import deepcopy
from pathlib import Path

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured_event, to_binary_event, to_structured_event
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.codec import EVENT_BYTES_MAX, decode, decode_record, encode, explain
from schemas.errors import ContractError, Reason
from schemas.events import EVENT_MODEL_OF_TYPE, FACTS, Kind

SAMPLES = sorted((Path(__file__).parents[3] / "schemas" / "samples").glob("*.json"))
DOCUMENTS = [json.loads(path.read_bytes()) for path in SAMPLES]
ACCEPTED = next(document for document in DOCUMENTS if document["type"] == "vn.hoso.dossier.accepted.v1")


def fast_verdict(value: bytes) -> bool:
    try:
        decode(value)
    except ContractError:
        return False
    return True


def slow_verdict(value: bytes) -> bool:
    """The models alone, without the fast decoder."""
    try:
        document = json.loads(value)
        EVENT_MODEL_OF_TYPE[document["type"]].model_validate_json(value)
    except (ValidationError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return True


ODD_VALUES = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        "",
        " ",
        "x",
        "a\n",
        "Hồ sơ",
        "Ho\u0302\u0300 sơ",
        "\ud800",
        [],
        {},
        "1.0",
        "online",
        "2021-03-01T08:30:00+07:00",
        "2021-03-01 08:30:00+07:00",
        "2021-03-01t08:30:00z",
        "2021-03-01T08:30:00",
        "2021-03-01T08:30+07:00",
        "2021-03-01T08:30:00.123456789Z",
        "2021-02-30T08:30:00Z",
        "2021-03-01T24:00:00Z",
        "2021-03-01T23:59:60Z",
        "9999-03-01T08:30:00Z",
        "0000-03-01T08:30:00Z",
        "2021-03-01T08:30:00+25:00",
        1614562200,
        "urn:x:y",
        "x" * 70,
        "application/json",
    ]
).map(deepcopy)  # a list put into itself would be a circle


@st.composite
def altered(draw: st.DrawFn) -> bytes:
    """A sample with a few fields dropped, added or replaced."""
    document = json.loads(json.dumps(draw(st.sampled_from(DOCUMENTS))))
    for _ in range(draw(st.integers(0, 3))):
        place = document if draw(st.booleans()) or not isinstance(document.get("data"), dict) else document["data"]
        name = draw(st.sampled_from([*place, "ho_ten", "due_at", "traceparent", "partitionkey", "dataschema"]))
        if draw(st.booleans()):
            place[name] = draw(ODD_VALUES)
        else:
            place.pop(name, None)
    return json.dumps(document, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")


@given(altered())
@settings(max_examples=2000)
def test_both_decoders_give_one_verdict_on_altered_events(value):
    assert fast_verdict(value) == slow_verdict(value)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_both_decoders_give_one_verdict_on_any_bytes(value):
    assert fast_verdict(value) == slow_verdict(value)


@pytest.mark.parametrize("document", DOCUMENTS, ids=[path.stem for path in SAMPLES])
def test_every_sample_is_an_event_and_survives_encoding(document):
    event = decode(json.dumps(document).encode())
    assert decode(encode(event)) == event


def test_every_type_has_a_sample():
    assert {document["type"] for document in DOCUMENTS} == {fact.type for fact in FACTS}
    assert {fact.kind for fact in FACTS} == set(Kind)


def replaced(**changes: object) -> bytes:
    document = json.loads(json.dumps(ACCEPTED))
    for name, value in changes.items():
        place = document["data"] if name in document["data"] else document
        place[name] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("value", "reason", "pointer"),
    [
        (b"", Reason.NOT_JSON, ""),
        (replaced()[:-20], Reason.NOT_JSON, ""),
        (b"\xff\xfe", Reason.NOT_UTF8, ""),
        (b"[]", Reason.NOT_CLOUDEVENT, ""),
        (b"{}", Reason.MISSING_FIELD, "/type"),
        (b"[" * 100_000, Reason.TOO_LARGE, ""),
        (b"[" * 50_000, Reason.NOT_JSON, ""),
        (b" " * (EVENT_BYTES_MAX + 1), Reason.TOO_LARGE, ""),
        (replaced(type="vn.hoso.dossier.accepted.v2"), Reason.UNKNOWN_TYPE, "/type"),
        (replaced(type="vn.hoso.dossier.lost.v1"), Reason.UNKNOWN_TYPE, "/type"),
        (replaced(ho_ten="Nguyễn Văn A"), Reason.UNKNOWN_FIELD, "/ho_ten"),
        (replaced(unit_id=7), Reason.INVALID_VALUE, "/data/unit_id"),
        (replaced(unit_id="Hồ sơ"), Reason.INVALID_VALUE, "/data/unit_id"),
        (replaced(subject=""), Reason.INVALID_VALUE, "/subject"),
        (replaced(time="2021-03-01T08:30:00"), Reason.INVALID_VALUE, "/time"),
        (replaced(time="9999-01-01T00:00:00Z"), Reason.INVALID_VALUE, "/time"),
        (replaced(due_at=float("nan")), Reason.NOT_JSON, ""),
        (replaced(channel="fax"), Reason.INVALID_VALUE, "/data/channel"),
    ],
)
def test_a_flaw_names_its_place_and_reason(value, reason, pointer):
    with pytest.raises(ContractError) as raised:
        decode(value)
    assert (raised.value.flaws[0].reason, raised.value.flaws[0].pointer) == (reason, pointer)


@given(altered())
def test_an_error_never_repeats_a_value(value):
    for flaw in explain(value):
        assert "Nguy" not in flaw.message
        assert "Hồ" not in f"{flaw.pointer}{flaw.message}"


def test_a_foreign_key_is_refused():
    with pytest.raises(ContractError) as raised:
        decode_record(key=b"another", value=replaced(), headers=())
    assert raised.value.reason is Reason.KEY_MISMATCH


def test_a_record_without_value_is_refused():
    with pytest.raises(ContractError) as raised:
        decode_record(key=b"d", value=None, headers=())
    assert raised.value.reason is Reason.NO_VALUE


@pytest.mark.parametrize("document", DOCUMENTS, ids=[path.stem for path in SAMPLES])
def test_the_cloudevents_kit_writes_what_we_read_in_both_modes(document):
    value = json.dumps(document).encode()
    key = document["subject"].encode()
    theirs = from_structured_event(KafkaMessage({"content-type": b"application/cloudevents+json"}, key, value))
    for message in (to_structured_event(theirs), to_binary_event(theirs)):
        ours = decode_record(key=key, value=message.value, headers=tuple(message.headers.items()))
        assert (ours.id, ours.subject, ours.data) == (document["id"], document["subject"], decode(value).data)


def test_binary_data_cannot_close_its_own_brace():
    headers = [(f"ce_{name}", str(ACCEPTED[name]).encode()) for name in ("specversion", "id", "source", "type", "time")]
    with pytest.raises(ContractError):
        decode_record(key=b"d", value=b'{}, "subject": "d"', headers=headers)
