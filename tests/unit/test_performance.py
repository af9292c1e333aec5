"""The published figures: the page says what the file says, and a partial run replaces its own rows only."""

from pathlib import Path

import msgspec
import pytest

from benchmarks import __main__ as bench
from benchmarks import report
from benchmarks.report import BEGIN, END, Comparison, Published, part_of_page, publish, read


def row(benchmark: str, *, ours: float = 2.0) -> Published:
    return Published(
        benchmark=benchmark,
        machine="two cores",
        measured_on="2022-01-01",
        **msgspec.structs.asdict(comparison(ours=[ours], peer=[1.0])),
    )


def comparison(*, ours: list[float], peer: list[float], less_is_better: bool = False) -> Comparison:
    return Comparison.of(
        name="a",
        ours=ours,
        peer=peer,
        unit="events/s",
        target=2.0,
        peer_name="b",
        less_is_better=less_is_better,
    )


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page and a file of their own, with rows of two benchmarks; the page's path."""
    monkeypatch.setattr(report, "JSON", tmp_path / "performance.json")
    monkeypatch.setattr(report, "PAGE", tmp_path / "performance.md")
    report.JSON.write_bytes(msgspec.json.encode([row("first"), row("second")]))
    report.PAGE.write_text(f"before\n{BEGIN}{END}after\n")
    return report.PAGE


def test_the_page_says_what_the_file_says() -> None:
    found = report.PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    assert found == part_of_page(read())


def test_published_benchmarks_exist() -> None:
    assert {row.benchmark for row in read()} <= bench.BENCHMARKS.keys()


def test_the_round_with_the_median_ratio_is_told() -> None:
    found = comparison(ours=[10.0, 30.0, 20.0], peer=[10.0, 10.0, 10.0])
    assert (found.ours, found.peer, found.ratio, found.ratio_min, found.ratio_max) == (20.0, 10.0, 2.0, 1.0, 3.0)
    assert found.is_met
    assert not comparison(ours=[20.0, 19.0], peer=[10.0, 10.0]).is_met  # the lower of two


def test_less_may_be_better() -> None:
    assert comparison(ours=[5.0], peer=[20.0], less_is_better=True).ratio == 4.0


def test_a_histogram_is_drawn_on_the_page() -> None:
    drawn = part_of_page([msgspec.structs.replace(row("first"), histogram={"< 5": 3, ">= 5": 1})])
    assert 'x-axis ["< 5", ">= 5"]' in drawn
    assert "bar [3, 1]" in drawn
    assert "how many" not in part_of_page([row("first")])


def test_a_partial_run_replaces_its_own_rows(published: Path) -> None:
    publish([row("second", ours=5.0)], order=["second", "first"])
    assert [(each.benchmark, each.ours) for each in read()] == [("second", 5.0), ("first", 2.0)]
    assert published.read_text() == f"before\n{BEGIN}{part_of_page(read())}{END}after\n"


def test_names_choose_and_a_missed_target_is_told(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missed = comparison(ours=[1.0], peer=[1.0])
    monkeypatch.setattr(bench, "BENCHMARKS", {"first": lambda: [missed], "second": lambda: 1 / 0})
    assert bench.main(["first"]) == 1
    assert [each.ratio for each in read()] == [1.0, 2.0]
    assert bench.main(["second"]) == 1


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        bench.main(["processsor"])
    assert end.value.code == 2
    assert "no benchmark is called processsor; there are " in capsys.readouterr().err


@pytest.mark.usefixtures("published")
def test_an_interrupt_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> list[Comparison]:
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "BENCHMARKS", {"first": lambda: [comparison(ours=[4.0], peer=[1.0])], "x": interrupted})
    assert bench.main(["first", "x"]) == 130
    assert read()[0].ours == 4.0
