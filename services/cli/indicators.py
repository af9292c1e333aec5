"""`hoso report --indicators`: the indicators of QD 766 as a table, JSON or CSV."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.settings import Settings
from services.cli.output import complain, print_rows, progress, write_json, write_text
from services.reports.documents import csv_of
from services.reports.indicator_facts import read_facts
from services.reports.indicators import Indicator, indicators_of, mean_times
from services.reports.log import Ask
from services.reports.periods import Period
from services.reports.source import read_units, scope_of
from services.reports.stored_rules import calendars_of, limits_of


def show_indicators(
    settings: Settings, ask: Ask, *, period: Period, unit_id: str, written: str, output: Path | None
) -> bool:
    """Write the indicators of a unit (empty: of all) and a period; whether there was anything to divide."""
    with progress() as bar:
        task = bar.add_task("reading", total=1)
        scope = scope_of(unit_id, read_units(ask)) if unit_id else []
        facts = read_facts(ask, period, scope, sums_levels=len(scope) != 1)
        calendars, limits = calendars_of(ask, settings), limits_of(ask)
        bar.advance(task)
    found = indicators_of(facts, calendars=calendars, limits=limits)
    documents = [each.as_document() for each in found]
    if written == "json":
        means = [each.as_document() for each in mean_times(facts, calendars=calendars, limits=limits)]
        days = {"from": period.first.isoformat(), "to": period.last.isoformat()}
        write_json({"unit_id": unit_id, **days, "indicators": documents, "mean_times": means}, output)
    elif written == "csv":
        write_text(csv_of(documents[0], (document.values() for document in documents)), output)
    else:
        print_rows(list(map(_shown, found)), title=f"QĐ 766, {period.first:%d/%m/%Y} - {period.last:%d/%m/%Y}")
    if not facts.counts["handled"]:
        complain(f"nothing was handled from {period.first} to {period.last}")
    return facts.counts["handled"] > 0


def _shown(each: Indicator) -> Mapping[str, Any]:
    value = "n/a" if each.value is None else f"{each.value} {each.unit}"
    return {
        "no.": each.number,
        "indicator": each.name_en,
        "numerator": f"{each.numerator:,}",
        "denominator": f"{each.denominator:,}",
        "value": value,
        "apart": each.apart,
    }
