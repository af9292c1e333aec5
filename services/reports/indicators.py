"""The indicators of QD 766/QD-TTg that events can give: a fraction each, with its formula and where that comes from.

The dossiers are those handled in the period: received in it, or open when it began. What the decision asks from
outside, such as how much was synchronised with the national portal, is not guessed; the formula says so. Marks, and how
often papers were asked for, are those known now.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from schemas.reference import PeriodUnit, ProcessingTime
from services.reports.indicator_facts import Facts, Handling
from streams.domain.working_time import DAY_US, HOUR_US, Calendar

DECISION: Final = "QD 766/QD-TTg of 23 June 2022"
FORMULAS: Final = f"{DECISION}; description of its formulas as published in a public repository, not confirmed"
PERCENT: Final = "%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """One indicator. `unit` is `%` for a share, or what a mean time is counted in."""

    number: str
    name_vi: str
    name_en: str
    numerator: Decimal
    denominator: int
    unit: str
    formula: str
    source: str = FORMULAS
    apart: int = 0  # dossiers that cannot be judged: in neither number
    procedure_id: str = ""  # mean times only: of one procedure

    @property
    def value(self) -> Decimal | None:
        """Two decimals, half up; None (n/a) when there is nothing to divide by."""
        if not self.denominator:
            return None
        scale = 100 if self.unit == PERCENT else 1
        return (self.numerator * scale / self.denominator).quantize(Decimal("0.01"), ROUND_HALF_UP)

    def as_document(self) -> dict[str, Any]:
        """For programs; numbers with decimals are texts, so that none is rounded twice."""
        value = self.value
        return {
            "number": self.number,
            "name_vi": self.name_vi,
            "name_en": self.name_en,
            "numerator": str(self.numerator),
            "denominator": self.denominator,
            "value": "n/a" if value is None else str(value),
            "unit": self.unit,
            "apart": self.apart,
            "formula": self.formula,
            "source": self.source,
        } | ({"procedure_id": self.procedure_id} if self.procedure_id else {})


def indicators_of(
    facts: Facts, *, calendars: Mapping[str, Calendar], limits: Mapping[str, ProcessingTime]
) -> list[Indicator]:
    """2.1, 2.2, 3.3, 3.6 and 4.1 to 4.4. `limits`: the statutory processing times, by procedure."""
    has = facts.counts
    judged = [is_kept for each in facts.undated if (is_kept := _within_limit(each, calendars, limits)) is not None]
    return [
        _share(
            "2.1",
            "Tỷ lệ hồ sơ xử lý đúng hạn hoặc trước hạn",
            "Handled early or on time",
            has["kept"] + sum(judged),
            has["handled"] - has["undated"] + len(judged),
            "(resolved early or on time + open and not yet overdue) / handled in the period. The end is the finish, "
            "else the delivery; a stop or withdrawal is one only after acceptance. Waiting does not count; what waits "
            "for papers asked for once ended with that request; papers asked for more than once: overdue. Without a "
            "promise the statutory limit decides, else the dossier is left apart",
            apart=has["undated"] - len(judged),
        ),
        _mean(facts.finished, calendars),
        _share(
            "3.3",
            "Tỷ lệ hồ sơ nộp trực tuyến",
            "Filed online",
            has["online"],
            has["received"],
            "filed online, with an electronic result where a paper is due / received in the period; the share "
            "synchronised with the national portal, by which the decision multiplies, is not in the events",
        ),
        _share(
            "3.6",
            "Tỷ lệ hồ sơ thanh toán trực tuyến",
            "Paid online",
            has["paid_online"],
            has["fee"],
            "paid online / handled dossiers for which a fee above zero is due",
        ),
        _share(
            "4.1",
            "Tỷ lệ cấp kết quả điện tử",
            "Results issued electronically",
            has["paper_and_e"],
            has["paper"],
            "with an electronic result / resolved dossiers whose procedure returns a paper",
        ),
        _share(
            "4.2",
            "Tỷ lệ số hóa hồ sơ, kết quả",
            "Digitised",
            has["digitised"],
            has["resolved"],
            "papers and result both digitised / resolved dossiers",
        ),
        _share(
            "4.3",
            "Tỷ lệ khai thác, sử dụng lại thông tin, dữ liệu số hóa",
            "Papers used again",
            has["reused"],
            has["received"],
            "at least one paper taken from an earlier dossier / received in the period",
        ),
        _share(
            "4.4",
            "Tỷ lệ hồ sơ có dữ liệu chia sẻ",
            "Papers from the national store",
            has["shared"],
            has["received"],
            "at least one paper from the national store / received in the period; synchronised result links are not in "
            "the events",
        ),
    ]


def mean_times(
    facts: Facts, *, calendars: Mapping[str, Calendar], limits: Mapping[str, ProcessingTime]
) -> list[Indicator]:
    """Indicator 2.2 per procedure, each in the unit of its statutory limit; working days where there is none."""
    by_procedure: dict[str, list[Handling]] = {}
    for each in facts.finished:
        by_procedure.setdefault(each.procedure_id, []).append(each)
    return [
        _mean(
            handled,
            calendars,
            limits[procedure_id].unit if procedure_id in limits else PeriodUnit.WORKING_DAYS,
            procedure_id,
        )
        for procedure_id, handled in sorted(by_procedure.items())
    ]


def _share(
    number: str, name_vi: str, name_en: str, numerator: int, denominator: int, formula: str, *, apart: int = 0
) -> Indicator:
    return Indicator(
        number=number,
        name_vi=name_vi,
        name_en=name_en,
        numerator=Decimal(numerator),
        denominator=denominator,
        unit=PERCENT,
        formula=formula,
        apart=apart,
    )


def _mean(
    handled: Iterable[Handling],
    calendars: Mapping[str, Calendar],
    unit: PeriodUnit = PeriodUnit.WORKING_DAYS,
    procedure_id: str = "",
) -> Indicator:
    spent = [_spent(each, calendars.get(each.calendar_id), unit) for each in handled]
    return Indicator(
        number="2.2",
        name_vi="Thời gian giải quyết trung bình",
        name_en="Mean handling time",
        numerator=sum(spent, Decimal(0)).quantize(Decimal("0.01"), ROUND_HALF_UP),
        denominator=len(spent),
        unit=("days" if unit is PeriodUnit.MONTHS else unit.value).replace("_", " "),
        formula="time from acceptance to finish without the pauses, summed / finished dossiers that were received in "
        "the period, whenever they finished",
        procedure_id=procedure_id,
    )


def _spent(handled: Handling, calendar: Calendar | None, unit: PeriodUnit) -> Decimal:
    """What was charged to the office, in `unit`; months are counted in days."""
    works = unit in (PeriodUnit.WORKING_DAYS, PeriodUnit.WORKING_HOURS) and calendar is not None
    spans = [(handled.start, handled.end), *zip(handled.pause_starts, handled.pause_ends, strict=True)]
    whole, *waits = [
        calendar.between(start, end) if works and calendar else max(0, end - start) for start, end in spans
    ]
    per = (
        HOUR_US
        if unit in (PeriodUnit.HOURS, PeriodUnit.WORKING_HOURS)
        else calendar.per_day
        if works and calendar
        else DAY_US
    )
    return Decimal(whole - sum(waits)) / per


def _within_limit(
    handled: Handling, calendars: Mapping[str, Calendar], limits: Mapping[str, ProcessingTime]
) -> bool | None:
    """Whether a dossier without a promise keeps the statutory limit; None when the catalogue gives none.

    The limit moves by the time waited: finish - waiting <= limit and finish <= limit + waiting are the same.
    """
    limit, calendar = limits.get(handled.procedure_id), calendars.get(handled.calendar_id)
    if limit is None or calendar is None:
        return None
    waits = zip(handled.pause_starts, handled.pause_ends, strict=True)
    waited = sum(calendar.between(start, end) for start, end in waits)
    return handled.end <= calendar.add_working_time(calendar.add(handled.start, limit), waited)
