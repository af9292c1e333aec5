"""The wall page in a real browser: it moves by itself, and what it cannot know it does not show as known.

Skipped where no Chromium is installed (Debian: `apt-get install chromium`).
"""

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect
from prometheus_client import CollectorRegistry

from schemas.reference import read_units
from schemas.tallies import of_procedure
from services.http import serve
from services.local.broker import HOST
from services.monitor.api import create_app
from services.monitor.board import Board
from services.monitor.published import Published
from tests.kafka import free_port
from tests.unit.monitor.make import TallyRecord, apply, board, freshness, heartbeat, procedure, tally

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WALL, PHONE = {"width": 1920, "height": 1080}, {"width": 390, "height": 844}
CENTRE, WARD, QUIET, UNSEEN = "196.TTHCC", "06808", "06811", "06814"
PROCEDURES = (
    procedure("9.1", "DD", field_vi="Đất đai", field_en="Land"),
    procedure("9.2", "HT", field_vi="Hộ tịch", field_en="Civil status"),
)
FIELD_RECORDS = (
    tally(CENTRE, subset=of_procedure("9.1"), day="2020-01-01", received_direct=580),
    tally(
        CENTRE, subset=of_procedure("9.1"), day="2021-01-01",
        received_online=100_000, resolved_early=90_000, resolved_on_time=5_977,
    ),
    tally(CENTRE, subset=of_procedure("9.2"), day="2021-01-01", received_direct=28_443, resolved_early=32_562),
    tally(CENTRE, subset=of_procedure("9.1"), open_within_due=400),
    tally(CENTRE, subset=of_procedure("9.2"), open_due_soon=84),
    tally(WARD, subset=of_procedure("9.9"), day="2021-01-01", received_direct=10, resolved_overdue=1),
    tally(WARD, subset=of_procedure("9.9"), open_overdue=2, open_within_due=7),
)  # fmt: skip

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]


class Wall:
    """A monitor without a broker: the test says what was counted and how the processor does."""

    def __init__(self) -> None:
        self.board: Board = board(
            tally(CENTRE, day="2020-12-30", received_direct=580),
            tally(CENTRE, day="2021-06-01", received_online=100_000, received_direct=28_443, resolved_early=122_562),
            tally(CENTRE, day="2021-12-31", resolved_on_time=5_977),
            tally(CENTRE, open_within_due=400, open_due_soon=84),
            tally(WARD, day="2021-03-01", received_direct=10, resolved_overdue=1),
            tally(WARD, open_overdue=2, open_within_due=7),
            tally(QUIET),
            *FIELD_RECORDS,
            units=read_units(),
            procedures=PROCEDURES,
        )
        self._port = free_port()
        self._runs = count(1)
        self.published = self._new_run()

    def _new_run(self) -> Published:
        made = Published(run=next(self._runs), page="build", freshness=freshness())
        made.show(self.board)
        return made

    def beat(self, *, silent_s: float = 0, lag: int = 0) -> None:
        """The processor's last sign of life was so long ago, and so many events wait."""
        now_s = time.time()
        apply(self.board, heartbeat(offset=1000, at_s=now_s - silent_s))
        self.published.advance(freshness(self.board, now_s=now_s, ends={0: 1000 + lag}), now_s=now_s)

    def move(self, *records: TallyRecord) -> None:
        apply(self.board, *records)
        self.beat()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve as a process would; a second time on the same port, as a restarted one does."""
        self.published = self._new_run()
        self.beat()
        app = create_app(self.published, checks={}, registry=CollectorRegistry())
        stop = asyncio.Event()
        server = asyncio.create_task(serve(app, host=HOST, port=self._port, setting="HOSO_MONITOR_PORT", stop=stop))
        try:
            await asyncio.sleep(0)  # it listens in its first step
            yield f"http://{HOST}:{self._port}/"
        finally:
            self.published.close()
            stop.set()
            await server


_browsers: list[Browser] = []  # one at most: to start it takes longer than most of these tests


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def _browser() -> AsyncIterator[None]:
    async with async_playwright() as playwright:
        _browsers.append(await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS))
        yield
        await _browsers.pop().close()


@asynccontextmanager
async def browsing(*, size: Any = WALL) -> AsyncIterator[Page]:
    """A page as of a browser that was never used; what it complains about, and a foreign host, fail the test."""
    complaints: list[str] = []
    hosts: set[str] = set()
    page = await _browsers[0].new_page(viewport=size)  # in a context of its own
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    yield page
    await page.close()
    assert len(hosts) == 1
    assert not [text for text in complaints if "ERR_CONNECTION_REFUSED" not in text]


@asynccontextmanager
async def opened(wall: Wall, query: str = "", *, size: Any = WALL) -> AsyncIterator[Page]:
    """The wall's page, once it has its first numbers."""
    async with wall.serving() as url, browsing(size=size) as page:
        await page.goto(url + query)
        await expect(page.locator("body")).not_to_have_attribute("data-state", "connecting")
        yield page


def figure(page: Page, name: str) -> Any:
    return page.locator(f"#figures [data-n={name}]")


def cell(page: Page, unit_id: str, name: str) -> Any:
    return page.locator(f"[id='unit-{unit_id}'] [data-n={name}]")


async def test_the_city_and_every_unit_are_shown_in_vietnamese_notation() -> None:
    async with opened(Wall()) as page:
        await expect(page.locator("h1")).to_have_text("Thành phố Uông Bí")
        # Neither the province, which has nothing beside the city, nor units of another time.
        await expect(page.locator("#units tr:visible")).to_have_count(12)
        await expect(page.locator("[id='unit-22']")).to_be_hidden()
        await expect(page.locator("[id='unit-22.YENTU']")).to_be_hidden()
        await expect(page.locator("#state")).to_have_text("Đang cập nhật")
        await expect(page.locator("#as-of")).to_have_text("31/12/2021 17:00:00")
        for name, text in {
            "workload": "129.033", "opening": "580", "resolved": "128.540", "early": "122.562", "onTime": "5.977",
            "late": "1", "open": "493", "within": "407", "soon": "84", "overdue": "2", "paused": "0",
        }.items():  # fmt: skip
            await expect(figure(page, name)).to_have_text(text)
        await expect(page.locator("dt[data-t=soon]")).to_have_attribute("title", re.compile("trong một ngày làm việc"))
        await expect(cell(page, CENTRE, "earlyShare")).to_have_text("95,35 %")
        await expect(cell(page, CENTRE, "earlyShare")).to_have_attribute(
            "title", "% trước hạn = giải quyết trước hạn ÷ đã giải quyết = 122.562 ÷ 128.539"
        )


async def test_a_unit_of_another_time_is_shown_once_it_has_numbers() -> None:
    wall = Wall()
    async with opened(wall) as page:
        wall.move(tally("22.YENTU", day="2021-12-31", received_direct=1))
        await expect(page.locator("[id='unit-22.YENTU']")).to_be_visible()
        await expect(page.locator("h1")).to_have_text("Tỉnh Quảng Ninh")  # it holds more than the city now
        await expect(page.locator("#units tr:visible")).to_have_count(14)
        await expect(figure(page, "workload")).to_have_text("129.034")


async def test_numbers_move_without_a_reload_and_are_marked() -> None:
    wall = Wall()
    async with opened(wall) as page:
        await page.evaluate("window.sameDocument = true")
        await expect(cell(page, WARD, "overdue")).to_have_text("2")
        wall.move(tally(WARD, open_overdue=1234, open_within_due=7))
        await expect(cell(page, WARD, "overdue")).to_have_text("1.234")
        await expect(figure(page, "overdue")).to_have_text("1.234")
        await expect(cell(page, WARD, "overdue")).to_have_class("moved")
        await expect(cell(page, WARD, "within")).not_to_have_class("moved")
        await expect(cell(page, WARD, "overdue")).not_to_have_class("moved")  # and the mark goes
        assert await page.evaluate("window.sameDocument")


async def test_zero_and_no_data_look_different() -> None:
    async with opened(Wall()) as page:
        await expect(cell(page, QUIET, "resolved")).to_have_text("0")
        await expect(cell(page, UNSEEN, "resolved")).to_have_text("—")
        await expect(cell(page, UNSEEN, "resolved")).to_have_attribute("title", "chưa có số liệu")
        await expect(page.locator(f"#unit-{UNSEEN} .missing")).to_be_visible()
        await expect(page.locator(f"#unit-{QUIET} .missing")).to_be_hidden()
        await expect(cell(page, QUIET, "earlyShare")).to_have_text("")  # of nothing there is no share


async def test_live_behind_stale_and_no_data_look_different() -> None:
    wall = Wall()
    async with opened(wall) as page:
        body, notice, numbers = page.locator("body"), page.locator("#notice"), page.locator("main")
        await expect(notice).to_be_hidden()
        wall.beat(lag=12_345)
        await expect(body).to_have_attribute("data-state", "behind")
        await expect(notice).to_contain_text("12.345 sự kiện chưa tính")
        await expect(numbers).to_have_css("filter", "none")
        wall.beat(silent_s=61)
        await expect(body).to_have_attribute("data-state", "stale")
        await expect(notice).to_contain_text("Không còn tín hiệu từ bộ xử lý từ ")
        await expect(numbers).to_have_css("filter", "grayscale(1)")
        await expect(page.locator("#announcement")).to_contain_text("Ngừng cập nhật")
        wall.beat()
        await expect(body).to_have_attribute("data-state", "live")
        await expect(numbers).to_have_css("filter", "none")
        wall.board = board(units=read_units())
        wall.published.show(wall.board)
        wall.published.advance(freshness(), now_s=time.time())
        await expect(body).to_have_attribute("data-state", "no_data")
        await expect(figure(page, "resolved")).to_have_text("—")


async def test_a_server_that_goes_away_is_said_and_comes_back_by_itself() -> None:
    wall = Wall()
    async with browsing() as page:
        body = page.locator("body")
        async with wall.serving() as url:
            await page.goto(url)
            await expect(body).to_have_attribute("data-state", "live")
        await expect(body).to_have_attribute("data-state", "offline", timeout=20_000)
        await expect(page.locator("#notice")).to_contain_text("Mất kết nối với máy chủ từ ")
        await expect(page.locator("main")).to_have_css("filter", "grayscale(1)")
        apply(wall.board, tally(WARD, open_overdue=77))
        async with wall.serving():
            await expect(body).to_have_attribute("data-state", "live", timeout=20_000)
            await expect(cell(page, WARD, "overdue")).to_have_text("77")


async def test_a_new_build_of_the_page_is_loaded_by_itself() -> None:
    wall = Wall()
    async with opened(wall) as page:
        await page.evaluate("window.sameDocument = true")
        wall.published.page = "another build"
        wall.published.show(wall.board)
        wall.beat()
        await page.wait_for_function("window.sameDocument === undefined")
        await expect(page.locator("#state")).to_have_text("Đang cập nhật")


async def test_a_period_is_chosen_with_the_keyboard_and_stays_in_the_address() -> None:
    async with opened(Wall()) as page:
        labels = page.locator("#periods label")
        await expect(labels).to_have_text(["Năm 2020", "Năm 2021", "Tất cả", "Hôm nay"])
        await page.get_by_role("radio", name="Năm 2021").focus()
        await page.keyboard.press("ArrowLeft")
        await expect(figure(page, "workload")).to_have_text("580")
        await expect(figure(page, "earlyShare")).to_have_text("")
        assert page.url.endswith("?period=2020")
        await page.get_by_role("radio", name="Hôm nay").check()
        await expect(figure(page, "resolved")).to_have_text("5.977")
        await page.reload()
        await expect(figure(page, "resolved")).to_have_text("5.977")
        await expect(cell(page, QUIET, "resolved")).to_have_text("0")


async def test_english_is_a_click_away() -> None:
    async with opened(Wall()) as page:
        await page.get_by_role("link", name="English").click()
        await expect(page.locator("h1")).to_have_text("Uong Bi City")
        await expect(figure(page, "early")).to_have_text("122,562")
        await expect(cell(page, CENTRE, "earlyShare")).to_have_text("95.35 %")
        await expect(page.locator("html")).to_have_attribute("lang", "en")
        assert page.url.endswith("?lang=en")
        await page.get_by_role("link", name="Tiếng Việt").click()
        await expect(figure(page, "early")).to_have_text("122.562")


async def test_a_phone_shows_cards_and_never_scrolls_sideways() -> None:
    wall = Wall()
    for query in ("", "?lang=en"):
        async with opened(wall, query, size=PHONE) as page:
            await expect(page.locator("thead")).to_be_hidden()
            await expect(cell(page, CENTRE, "resolved")).to_have_text("128.539" if not query else "128,539")
            for silent_s, lag in ((0, 0), (0, 9), (60, 0)):
                wall.beat(silent_s=silent_s, lag=lag)
                assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


async def test_the_table_is_one_to_assistive_technology_also_on_a_phone() -> None:
    for size in (WALL, PHONE):
        async with opened(Wall(), size=size) as page:
            row = page.get_by_role("row", name="Phường Vàng Danh")
            await expect(row.get_by_role("rowheader")).to_have_text("Phường Vàng Danhchưa có số liệu")
            await expect(row.get_by_role("cell")).to_have_count(14)
            await expect(page.get_by_role("table", name="Số liệu từng đơn vị")).to_be_visible()


def field(page: Page, field_id: str, name: str) -> Any:
    return page.locator(f"[id='field-{field_id}'] [data-n={name}]")


async def test_a_unit_opens_its_fields_and_they_move_without_a_reload() -> None:
    wall = Wall()
    async with opened(wall) as page:
        await page.evaluate("window.sameDocument = true")
        await page.locator(f"[id='unit-{CENTRE}']").click()
        await expect(page.locator("tr.field .label")).to_have_text(["Đất đai", "Hộ tịch"])
        await expect(page.locator(".fields-note")).to_have_text("Theo lĩnh vực")
        for name, text in {"workload": "100.580", "resolved": "95.977", "early": "90.000", "within": "400"}.items():
            await expect(field(page, "DD", name)).to_have_text(text)
        await expect(field(page, "HT", "soon")).to_have_text("84")
        await expect(field(page, "HT", "overdue")).to_have_text("0")
        assert page.url.endswith(f"?unit={CENTRE}")
        wall.move(
            tally(CENTRE, open_within_due=400, open_overdue=84),
            tally(CENTRE, subset=of_procedure("9.2"), open_overdue=84),
        )
        await expect(field(page, "HT", "overdue")).to_have_text("84")
        await expect(field(page, "HT", "overdue")).to_have_class("moved")
        await expect(field(page, "DD", "within")).not_to_have_class("moved")
        assert await page.evaluate("window.sameDocument")
        await page.reload()  # a wall may show one unit's fields for good
        await expect(field(page, "HT", "overdue")).to_have_text("84")
        await page.locator(f"[id='unit-{CENTRE}']").click()
        await expect(page.locator("tr.field, .fields-note")).to_have_count(0)


async def test_fields_follow_the_period_and_the_language() -> None:
    async with opened(Wall(), f"?unit={CENTRE}") as page:
        await expect(field(page, "DD", "workload")).to_have_text("100.580")
        await page.get_by_role("radio", name="Năm 2020").check()
        await expect(field(page, "DD", "workload")).to_have_text("580")
        await page.get_by_role("radio", name="Hôm nay").check()
        await expect(page.locator(".fields-note")).to_contain_text("chỉ có số đang giải quyết")
        await expect(field(page, "DD", "workload")).to_have_text("")
        await expect(field(page, "DD", "within")).to_have_text("400")
        await page.get_by_role("link", name="English").click()
        await expect(page.locator("tr.field .label")).to_have_text(["Land", "Civil status"])
        await expect(page.locator(".fields-note")).to_contain_text("By field")


async def test_a_unit_is_opened_with_the_keyboard_and_says_so() -> None:
    async with opened(Wall()) as page:
        opens = page.get_by_role("button", name="Phường Vàng Danh")
        await expect(opens).to_have_attribute("aria-expanded", "false")
        await opens.focus()
        await page.keyboard.press("Enter")
        await expect(opens).to_have_attribute("aria-expanded", "true")
        await expect(page.locator("tr.field .label")).to_have_text(["Chưa rõ lĩnh vực"])
        await expect(field(page, "", "overdue")).to_have_text("2")


async def test_fields_of_nothing_and_of_no_data_look_different() -> None:
    for unit, text in ((QUIET, "không có hồ sơ nào trong kỳ"), (UNSEEN, "chưa có số liệu")):
        async with opened(Wall(), f"?unit={unit}") as page:
            await expect(page.locator(".fields-note")).to_have_text(f"Theo lĩnh vực: {text}")
            await expect(page.locator("tr.field")).to_have_count(0)


async def test_fields_lose_their_colour_with_the_rest_and_come_back_by_themselves() -> None:
    wall = Wall()
    async with browsing() as page:
        async with wall.serving() as url:
            await page.goto(f"{url}?unit={WARD}")
            await expect(field(page, "", "overdue")).to_have_text("2")
            wall.beat(silent_s=61)
            await expect(page.locator("main")).to_have_css("filter", "grayscale(1)")
        await expect(page.locator("body")).to_have_attribute("data-state", "offline", timeout=20_000)
        await expect(field(page, "", "overdue")).to_have_text("2")  # old, and the page says so
        apply(wall.board, tally(WARD, open_overdue=5), tally(WARD, subset=of_procedure("9.9"), open_overdue=5))
        async with wall.serving():
            await expect(field(page, "", "overdue")).to_have_text("5", timeout=20_000)


async def test_fields_on_a_phone_are_cards_and_the_city_opens_too() -> None:
    async with opened(Wall(), size=PHONE) as page:
        await page.get_by_role("button", name="Thành phố Uông Bí").click()
        await expect(page.locator("tr.field .label")).to_have_text(["Đất đai", "Hộ tịch", "Chưa rõ lĩnh vực"])
        assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


async def test_screenshots_for_the_eye(tmp_path: Path) -> None:
    """Nothing is compared: open them when the page was changed (`pytest --basetemp=...` keeps them)."""
    for name, size in (("wall", WALL), ("phone", PHONE)):
        for shown, query in {"vi": "", "en": "?lang=en", "fields": f"?unit={CENTRE}"}.items():
            async with opened(Wall(), query, size=size) as page:
                if shown == "fields":
                    await field(page, "DD", "within").scroll_into_view_if_needed()
                path = tmp_path / f"{name}-{shown}.png"
                await page.screenshot(path=path)
                assert path.stat().st_size > 10_000
