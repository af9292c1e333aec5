"""Payloads full of personal data (all of it synthetic) through a real gateway and broker: none of it is found again,
neither in topics, rows, answers and metrics nor in what the gateway writes to its log; also when they are refused.
"""

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from services.local.broker import Broker
from services.sink.batches import Batch
from services.sink.event_rows import event_columns
from tests.integration.gateway_run import Running, prepared, read_all
from tests.unit.gateway.make import UNIT
from tests.unit.portal.make import dossier, step

pytestmark = [pytest.mark.broker, pytest.mark.asyncio]

SYNC: Final = "/v1/portal/DongBoHoSoMC"
PROGRESS: Final = "/v1/portal/CapNhatTienDoHoSoMC"

NAME: Final = "Nguyễn Bí Mật"
NUMBER: Final = "079099912345"
PHONE: Final = "0912345987"
EMAIL: Final = "bimat.nguyen@example.invalid"
ADDRESS: Final = "Số 17 ngõ Bí Mật, phường Thử"
TEXT: Final = "Đơn xin trợ cấp của ông Bí Mật"
LINK: Final = "https://motcua.example.invalid/tep/nguyen-bi-mat-cccd.pdf"
OFFICER: Final = "Trần Cán Bộ Kín"
ACCOUNT: Final = "9704361234567"
TOKEN: Final = "session-0b1m4t-7f3a"
PERSONAL: Final = (NAME, NUMBER, PHONE, EMAIL, ADDRESS, TEXT, LINK, OFFICER, ACCOUNT, TOKEN)

PAPER: Final = {"TenTepDinhKem": TEXT, "DuongDanTaiTepTin": LINK, "DuocSoHoa": "1", "MaKetQuaThayThe": NUMBER}
FULL: Final[dict[str, Any]] = {
    "ChuHoSo": NAME,
    "SoDinhDanh": NUMBER,
    "SoGiayToChuHoSo": NUMBER,
    "LoaiDoiTuong": NAME,
    "MaDoiTuong": NUMBER,
    "DinhDanhCHS": [{"LoaiDinhDanh": "1", "SoDinhDanh": NUMBER}],
    "Email": EMAIL,
    "Fax": PHONE,
    "SoDienThoai": PHONE,
    "DiaChi": ADDRESS,
    "ThongTinKhac": ACCOUNT,
    "ThongTinTra": ADDRESS,
    "NoiNopHoSo": ADDRESS,
    "TrichYeuHoSo": TEXT,
    "GhiChu": TEXT,
    "TenTTHC": TEXT,
    "SoTaiKhoan": ACCOUNT,
    "LoaiKetQua": TEXT,
    "TaiLieuNop": [PAPER],
    "DanhSachTepDinhKemKhac": [{"TenGiayTo": TEXT}],
    "DanhSachLePhi": [{"TenPhiLePhi": TEXT, "MaPhiLePhi": NUMBER, "Gia": "50000"}],
    "DanhSachHoSoBoSung": [
        {
            "HoSoBoSungId": NUMBER,
            "NguoiYeuCauBoSung": OFFICER,
            "NoiDungBoSung": TEXT,
            "NgayBoSung": "20210303090000",
            "NguoiTiepNhanBoSung": OFFICER,
            "ThongTinTiepNhan": ADDRESS,
            "NgayTiepNhanBoSung": "20210305140000",
            "DanhSachGiayToBoSung": [PAPER],
            "NgayHenTraMoi": "20210312170000",
        }
    ],
    "DanhSachGiayToKetQua": [{"TenGiayTo": TEXT, "MaGiayToKetQua": NUMBER, "DuongDanTepTinKetQua": LINK}],
    NAME: NUMBER,
    "x": {NAME: [EMAIL, {"y": PHONE}]},
}
WORKER: Final = {"NguoiXuLy": OFFICER, "ChucDanh": OFFICER, "PhongBanXuLy": ADDRESS, "NoiDungXuLy": TEXT, NAME: PHONE}
DELIVERED: Final = {
    "NgayHenTra": "20210312170000",
    "TrangThaiHoSo": 10,
    "NgayKetThucXuLy": "20210310100000",
    "NgayTra": "20210310150000",
}


def good() -> Iterator[tuple[str, Any, int]]:
    """Payloads that are taken: address, body, events."""
    whole = dossier(**FULL, **DELIVERED)
    yield SYNC, whole, 5
    yield SYNC, {"session": TOKEN, "service": NAME, "isUpdating": "True", "data": [whole | {"MaHoSo": "1"}]}, 5
    yield f"{SYNC}?MaDinhDanhDV={UNIT}&session={TOKEN}&ten={NAME}", [whole | {"MaHoSo": "2", "DonViXuLy": NAME}], 5
    yield PROGRESS, [step(4, "20210304090000") | WORKER, step(9, "20210304090000") | WORKER], 1
    yield PROGRESS, {"session": TOKEN, "data": step(5, "20210305090000") | WORKER}, 1


def wrong() -> Iterator[tuple[str, Any]]:
    """Payloads that are refused, each in its own way; personal data stands where it does not belong, too."""
    whole = dossier(**FULL, MaHoSo="3")
    for field in ("MaHoSo", "MaTTHC", "NgayTiepNhan", "NgayHenTra", "TrangThaiHoSo", "KenhThucHien", "isUpdating"):
        for value in (NAME, {NAME: NUMBER}, [EMAIL], 1.5):
            yield SYNC, whole | {field: value}
    for field in ("TaiLieuNop", "DanhSachLePhi", "DanhSachHoSoBoSung", "DanhSachGiayToKetQua"):
        yield SYNC, whole | {field: NAME}
        yield SYNC, [whole | {field: [EMAIL]}]
    yield SYNC, whole | {"DanhSachHoSoBoSung": [{"NgayBoSung": NAME}]}
    yield SYNC, whole | {"TaiLieuNop": [{"DuocSoHoa": NAME}]}
    yield SYNC, whole | {"DonViXuLy": NAME, "MaHoSo": "khong-co-don-vi"}
    yield SYNC, whole | {"TrangThaiHoSo": 77}
    yield SYNC, whole | {"TrangThaiHoSo": PHONE}
    yield SYNC, whole | {"NgayTiepNhan": ""}
    yield SYNC, {"isUpdating": NAME, "data": [whole]}
    yield SYNC, [NAME, NUMBER, None]
    yield SYNC, NAME
    text = json.dumps(whole, ensure_ascii=False).encode()
    yield SYNC, text[: len(text) // 2]
    yield SYNC, text.replace("Nguyễn".encode(), b"\xff\xfe")
    yield SYNC, b'{"ChuHoSo": "' + NAME.encode() + b'", "TrangThaiHoSo": NaN}'
    yield PROGRESS, step(4, NAME) | WORKER
    yield PROGRESS, step(NAME, "20210304090000") | WORKER
    yield PROGRESS, [step(4, "") | WORKER]
    yield "/v1/events", text
    yield f"/v1/portal/{NAME}", whole


def spellings(value: str) -> set[bytes]:
    """A value as it may lie in bytes: in either form of Unicode, escaped as JSON, or as a part of an address."""
    forms = {unicodedata.normalize(form, value) for form in ("NFC", "NFD")}
    return {form.encode() for form in forms} | {json.dumps(form).strip('"').encode() for form in forms}


def found_in(place: bytes) -> list[str]:
    return [value for value in PERSONAL if any(spelling in place for spelling in spellings(value))]


async def post(gateway: Running, address: str, payload: Any) -> tuple[int, bytes]:
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    answer = await gateway.client.post(address, content=content, headers={"content-type": "application/json"})
    return answer.status_code, b"\n".join([answer.content, *(b": ".join(pair) for pair in answer.headers.raw)])


async def test_nothing_personal_goes_further_than_the_door(broker: Broker, tmp_path: Path) -> None:
    async with prepared(tmp_path, broker.bootstrap) as start:
        gateway = await start()
        answers: list[bytes] = []
        events = 0
        for address, payload, count in good():
            status, answer = await post(gateway, address, payload)
            assert status == 202, answer
            answers.append(answer)
            events += count
        for address, payload in wrong():
            status, answer = await post(gateway, address, payload)
            assert status in (207, 400, 404, 422), (address, answer)
            answers.append(answer)
        answers.append((await gateway.client.get("/metrics")).content)
        assert [found for answer in answers if (found := found_in(answer))] == []

        records = [record for topic in await topics_of(gateway) for record in await read_all(broker.bootstrap, topic)]
        lines = [part for each in records for part in (each.key, each.value, *map(b"=".join, headers_of(each)))]
        assert [found for line in lines if (found := found_in(line or b""))] == []

        stored = await gateway.log()
        assert len(stored) == events
        rows: Any = event_columns(Batch(topic="t", partition=0, records=stored, prev_offset=-1)).columns
        assert set(rows["flaw"]) == {""}
        assert found_in(repr(rows).encode()) == []

        assert await gateway.stop() == 0
        log = (tmp_path / "gateway.log").read_bytes()
        assert found_in(log) == []
        assert b"rror" not in log


def headers_of(record: Any) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value) for name, value in record.headers]


async def topics_of(gateway: Running) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=gateway.settings.bootstrap)
    await admin.start()
    try:
        return [name for name in await admin.list_topics() if name.startswith(gateway.settings.topic_prefix)]
    finally:
        await admin.close()


async def test_the_search_finds_what_is_there() -> None:
    """A search that cannot find would prove nothing."""
    for value in PERSONAL:
        assert found_in(json.dumps({"x": value}).encode()) == [value]
        assert found_in(json.dumps({"x": value}, ensure_ascii=False).encode()) == [value]
