"""The indicators of QD 766: fractions, half up, n/a without a denominator, and who is judged by the statutory limit."""

from dataclasses import replace
from decimal import Decimal

from schemas.reference import PeriodUnit, ProcessingTime, read_calendars
from services.reports.indicator_facts import COUNTS, Facts, Handling
from services.reports.indicators import Indicator, indicators_of, mean_times
from streams.domain.dossier import micros
from streams.domain.working_time import Calendar
from tests.factories import at

CALENDARS = {id_: Calendar.of(record) for id_, record in read_calendars().items()}
FIVE_DAYS = ProcessingTime(amount=5, unit=PeriodUnit.WORKING_DAYS)
NOTHING = Facts(counts=dict.fromkeys(COUNTS, 0), undated=[], finished=[])


def moment(text: str) -> int:
    return micros(at(text))


def handling(start: str, end: str, *pauses: tuple[str, str], procedure: str = "1.001612") -> Handling:
    starts, ends = [moment(pause[0]) for pause in pauses], [moment(pause[1]) for pause in pauses]
    return Handling(procedure, "vn-1", moment(start), moment(end), starts, ends)


def found(facts: Facts, limits: dict[str, ProcessingTime] | None = None) -> dict[str, Indicator]:
    return {each.number: each for each in indicators_of(facts, calendars=CALENDARS, limits=limits or {})}


def test_every_indicator_that_events_give_is_there_with_formula_and_source() -> None:
    indicators = found(NOTHING)
    assert [*indicators] == ["2.1", "2.2", "3.3", "3.6", "4.1", "4.2", "4.3", "4.4"]
    assert {each.as_document()["value"] for each in indicators.values()} == {"n/a"}
    assert all(each.formula and each.source.startswith("QD 766/QD-TTg") for each in indicators.values())


def test_shares_are_rounded_half_up_to_two_decimals() -> None:
    facts = replace(NOTHING, counts={**NOTHING.counts, "received": 128_539, "online": 122_562, "reused": 1})
    assert (found(facts)["3.3"].value, found(facts)["4.3"].value) == (Decimal("95.35"), Decimal("0.00"))
    eighth = replace(NOTHING, counts={**NOTHING.counts, "received": 800, "reused": 1})
    assert found(eighth)["4.3"].value == Decimal("0.13")  # 0.125: half even would give 0.12


def test_each_share_divides_its_own_counts() -> None:
    counts = {name: 1000 + number for number, name in enumerate(COUNTS)}
    fractions = {
        number: (each.numerator, each.denominator)
        for number, each in found(replace(NOTHING, counts=counts)).items()
        if number != "2.2"
    }
    assert fractions == {
        "2.1": (counts["kept"], counts["handled"] - counts["undated"]),
        "3.3": (counts["online"], counts["received"]),
        "3.6": (counts["paid_online"], counts["fee"]),
        "4.1": (counts["paper_and_e"], counts["paper"]),
        "4.2": (counts["digitised"], counts["resolved"]),
        "4.3": (counts["reused"], counts["received"]),
        "4.4": (counts["shared"], counts["received"]),
    }


def test_without_a_promise_the_statutory_limit_decides_and_waiting_does_not_count() -> None:
    undated = [
        handling("2021-03-01 08:00", "2021-03-08 16:00"),  # the fifth working day
        handling("2021-03-01 08:00", "2021-03-09 08:00"),  # the sixth
        handling("2021-03-01 08:00", "2021-03-09 08:00", ("2021-03-02 07:00", "2021-03-03 07:00")),
        handling("2021-03-01 08:00", "2021-03-08 16:00", procedure="9.999999"),  # not in the catalogue
    ]
    facts = replace(NOTHING, counts={**NOTHING.counts, "handled": 10, "kept": 6, "undated": 4}, undated=undated)
    indicator = found(facts, {"1.001612": FIVE_DAYS})["2.1"]
    assert (indicator.numerator, indicator.denominator, indicator.apart) == (8, 9, 1)
    apart = found(facts)["2.1"]
    assert (apart.numerator, apart.denominator, apart.apart, apart.value) == (6, 6, 4, Decimal("100.00"))


def test_mean_time_is_counted_in_the_unit_of_the_limit_without_the_pauses() -> None:
    finished = [
        handling("2021-03-01 07:00", "2021-03-02 17:00"),  # two working days
        handling("2021-03-01 07:00", "2021-03-03 17:00", ("2021-03-02 07:00", "2021-03-02 17:00")),  # two of three
        handling("2021-03-05 07:00", "2021-03-08 07:00", procedure="2.000884"),  # over a weekend: one
    ]
    facts = replace(NOTHING, finished=finished)
    overall = found(facts)["2.2"]
    assert (overall.numerator, overall.denominator, overall.value, overall.unit) == (
        5,
        3,
        Decimal("1.67"),
        "working days",
    )
    in_days = {"2.000884": ProcessingTime(amount=15, unit=PeriodUnit.DAYS)}
    means = mean_times(facts, calendars=CALENDARS, limits=in_days)
    assert [(each.procedure_id, each.value, each.unit) for each in means] == [
        ("1.001612", Decimal("2.00"), "working days"),
        ("2.000884", Decimal("3.00"), "days"),
    ]
