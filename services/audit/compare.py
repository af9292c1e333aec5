"""The log's own figures, dossier by dossier and counter by counter, beside what topics, tables and the monitor say."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from schemas import tables, tallies, topics
from schemas.tallies import Counts, Progress
from services.audit.findings import Difference, Findings
from services.audit.fold import Conclusion, conclude, read_fact
from services.audit.rules import Rules
from services.audit.spill import Row, Spill
from services.audit.states import plain

STATES: Final = topics.STATES.name
TALLIES: Final = topics.TALLIES.name
COUNTERS: Final = topics.COUNTERS.name

FOREIGN: Final = """\
SELECT place, partition, koffset, dossier FROM claims AS c WHERE NOT EXISTS
    (SELECT 1 FROM records AS r WHERE r.dossier = c.dossier AND (c.place != ? OR r.partition = c.partition))"""


@dataclass
class Truth:
    """What the log says at the cut: counts by the key of a share; dossiers and anomalies by partition."""

    shares: dict[str, Counts] = field(default_factory=dict)
    dossiers: Counter[int] = field(default_factory=Counter)
    anomalies: Counter[int] = field(default_factory=Counter)

    def add(self, partition: int, said: Conclusion, as_of: int) -> None:
        """Count a dossier wherever it counts: in its unit, its procedure, and each again when it is linked."""
        self.dossiers[partition] += 1
        self.anomalies[partition] += len(said.anomalies)
        subsets = [tallies.WHOLE]
        if said.procedure_id is not None:
            subsets.append(tallies.of_procedure(said.procedure_id))
        if said.root_id is not None:
            subsets.append(tallies.LINKED)
        if said.root_id is not None and said.procedure_id is not None:
            subsets.append(tallies.of_procedure(said.procedure_id, linked=True))
        bucket = said.bucket(as_of)
        for subset in subsets:
            if bucket:
                key = tallies.tally_key(unit_id=said.unit_id or "", partition=partition, subset=subset)
                self._count(key, bucket)
            for day, unit, counter in said.flows:
                by = f"{day[:4]}-01-01" if tallies.is_of_procedure(subset) else day
                self._count(tallies.tally_key(unit_id=unit, partition=partition, day=by, subset=subset), counter)

    def _count(self, key: str, counter: str) -> None:
        counts = self.shares.setdefault(key, {})
        counts[counter] = counts.get(counter, 0) + 1

    def days(self, subset: str = tallies.WHOLE) -> dict[tuple[str, str], Counts]:
        """Counts of all partitions by unit and day; stock under the empty day."""
        found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for key, counts in self.shares.items():
            unit, _, day, of = [*key.split("/"), "", ""][:4]
            if of == subset:
                found[unit, day].update(counts)
        return {key: dict(counts) for key, counts in found.items()}

    def totals(self, subset: str = tallies.WHOLE) -> dict[str, dict[str, Any]]:
        """By unit: stock, flow since the first day, and by calendar year, as `unit-counters` has them."""
        found: dict[str, dict[str, Any]] = defaultdict(lambda: {"stock": {}, "total": Counter(), "years": {}})
        for (unit, day), counts in self.days(subset).items():
            if day:
                found[unit]["total"].update(counts)
                found[unit]["years"].setdefault(day[:4], Counter()).update(counts)
            else:
                found[unit]["stock"] = counts
        return {unit: json.loads(json.dumps(totals)) for unit, totals in found.items()}


NO_TOTALS: Final[Mapping[str, Any]] = {"stock": {}, "total": {}, "years": {}}


def fold_partition(
    spill: Spill, partition: int, cut: Progress, rules: Rules, truth: Truth, findings: Findings, places: set[str]
) -> Iterator[int]:
    """Conclude every dossier of a partition and judge what is said about it; yields 1 for each.

    A claim that is newer than the cut is judged by its own last event instead.
    """
    for dossier, events in spill.dossiers(partition):
        facts = [(offset, read_fact(msgspec.json.decode(event))) for offset, event in events]
        claims = spill.claims(dossier)
        concluded: dict[int, dict[str, Any]] = {}
        for until in {cut.offset, *(max(cut.offset, claim[3] + 1) for claim in claims)}:
            known = [(offset, fact) for offset, fact in facts if offset < until]
            if not known:
                continue
            said = conclude((fact for _, fact in known), rules)
            if until == cut.offset:
                truth.add(partition, said, cut.as_of)
            first: dict[Any, int] = {}
            for offset, fact in known:
                first.setdefault(fact, offset)
            concluded[until] = {"id": dossier, "offset": max(first.values()), **plain(said)}
        _judge(dossier, partition, cut.offset, claims, concluded, findings, places)
        yield 1


def _judge(
    dossier: str,
    partition: int,
    cut: int,
    claims: list[Row],
    concluded: Mapping[int, dict[str, Any]],
    findings: Findings,
    places: set[str],
) -> None:
    claims = [claim for claim in claims if claim[0] != STATES or claim[1] == partition]
    if cut in concluded:
        for place in sorted(places - {claim[0] for claim in claims}):
            offset = concluded[cut]["offset"]
            findings.add(_about(place, "missing", dossier, topics.EVENTS.name, partition, offset))
    for place, kpart, koffset, until, said in claims:
        found = json.loads(said)
        expected = concluded.get(max(cut, until + 1), {})
        names = [name for name in found if found[name] != expected.get(name)]
        findings.compared[place] += 1
        if names:
            topic = topics.EVENTS.name if place == tables.MART_DOSSIERS else STATES
            findings.add(
                _about(
                    place,
                    "differs",
                    dossier,
                    topic,
                    partition if place == tables.MART_DOSSIERS else kpart,
                    koffset,
                    expected={name: expected.get(name) for name in names},
                    found={name: found[name] for name in names},
                )
            )


def foreign_claims(spill: Spill, findings: Findings) -> None:
    """What is said about dossiers of which the log has no event (on that partition)."""
    for place, kpart, koffset, dossier in spill.ask(FOREIGN, STATES):
        findings.add(_about(place, "foreign", dossier, STATES, kpart, koffset))


def compare_letters(spill: Spill, findings: Findings, cuts: Mapping[int, Progress]) -> None:
    """Each record that is no event lies among the dead letters once, with its reason, and nothing else does."""
    place = topics.DEAD_LETTERS.name
    for partition, cut in cuts.items():
        for offset, flaw, letters, reason in spill.ask(
            "SELECT r.koffset, r.flaw, count(l.koffset), max(l.reason) FROM records AS r LEFT JOIN letters AS l "
            "ON l.partition = r.partition AND l.koffset = r.koffset "
            "WHERE r.partition = ? AND r.koffset < ? GROUP BY r.koffset HAVING r.flaw != '' OR count(l.koffset) > 0",
            partition,
            cut.offset,
        ):
            findings.compared[place] += 1
            is_known = letters == 1 and (reason == flaw or (not flaw and reason in ("unknown_unit", "unknown_policy")))
            if not is_known:
                what = "missing" if not letters else "duplicate" if letters > 1 else "differs"
                expected, found = (1, letters) if letters > 1 else (flaw or None, reason)
                findings.add(_about(place, what, "", topics.EVENTS.name, partition, offset, expected, found))


def compare_shares(
    spill: Spill, truth: Truth, findings: Findings, cuts: Mapping[int, Progress], *, resting: set[int]
) -> None:
    """`unit-tallies` at each partition's cut: the last share of every key at or before it, beside the log."""
    for partition, cut in cuts.items():
        found = {
            key: (kpart, koffset, json.loads(value)["counts"])
            for key, kpart, koffset, value, _ in spill.ask(
                "SELECT key, kpart, koffset, value, max(koffset) FROM tallies WHERE partition = ? "
                "AND (until, as_of) <= (?, ?) GROUP BY key",
                partition,
                cut.offset,
                cut.as_of,
            )
        }
        expected = {key: counts for key, counts in truth.shares.items() if key.split("/")[1] == str(partition)}
        for key in sorted(expected.keys() | found.keys()):
            if partition not in resting and tallies.is_of_procedure(key.rpartition("/")[2]):
                continue  # these follow within a tick
            kpart, koffset, counts = found.get(key, (None, None, {}))
            findings.compared[TALLIES] += 1
            if _nonzero(counts) != expected.get(key, {}):
                what = "missing" if key not in found else "differs"
                findings.add(
                    _about(TALLIES, what, key, TALLIES, kpart, koffset, *_parts(expected.get(key, {}), counts))
                )
        for name in ("dossiers", "anomalies"):
            wanted, got = getattr(truth, name)[partition], getattr(cut, name)
            if wanted != got:
                findings.add(
                    _about(TALLIES, "differs", f"heartbeat {name}", topics.EVENTS.name, partition, None, wanted, got)
                )


def compare_totals(
    found: Mapping[str, tuple[int, int, dict[str, Any]]], truth: Truth, moved: Counter[str]
) -> Iterator[Difference]:
    """`unit-counters`, for units that did not move since the cut."""
    totals, linked = truth.totals(), truth.totals(tallies.LINKED)
    for unit in sorted((totals.keys() | found.keys()) - moved.keys()):
        partition, offset, said = found.get(unit, (None, None, {}))
        expected = {**totals.get(unit, NO_TOTALS), "linked": linked.get(unit, NO_TOTALS)}
        got = {**_without_zeros(said), "linked": _without_zeros(said.get("linked") or {})}
        names = [name for name in expected if expected[name] != got[name]]
        if names:
            what = "differs" if said else "missing"
            wanted, have = ({name: of[name] for name in names} for of in (expected, got))
            yield _about(COUNTERS, what, unit, COUNTERS, partition, offset, wanted, have)


def compare_monitor(units: list[dict[str, Any]], truth: Truth, moved: Counter[str]) -> Iterator[Difference]:
    """What the monitor serves for units without units below them: stock, and flow since the first day."""
    totals = truth.totals()
    above = {unit.get("parent_id") for unit in units}
    for unit in units:
        id_ = unit["id"]
        if id_ in above or id_ in moved:
            continue
        got = {"stock": unit.get("stock") or {}, "total": (unit.get("total") or {}).get("flow") or {}}
        for name, counts in got.items():
            expected = totals.get(id_, NO_TOTALS)[name]
            if expected != _nonzero(counts):
                yield _about("monitor", "differs", f"{id_} {name}", "", None, None, *_parts(expected, counts))


def compare_stored_shares(spill: Spill, rows: Iterator[Any], findings: Findings) -> None:
    """`core.tallies` beside the newest share of every key on the topic; a row newer than what was read is left out."""
    newest = {
        key: (kpart, koffset, value)
        for key, kpart, koffset, value, _ in spill.ask(
            "SELECT key, kpart, koffset, value, max(koffset) FROM tallies GROUP BY key"
        )
    }
    place = tables.CORE_TALLIES
    for key, kpart, koffset, until, as_of, counts in rows:
        wanted = newest.pop(key, None)
        if wanted is not None and koffset > wanted[1]:
            continue
        findings.compared[place] += 1
        if wanted is None:
            findings.add(_about(place, "foreign", key, TALLIES, kpart, koffset))
            continue
        value = json.loads(wanted[2])
        expected = {
            "koffset": wanted[1],
            "offset": value["offset"],
            "as_of": value["as_of"],
            **_nonzero(value["counts"]),
        }
        found = {"koffset": koffset, "offset": until, "as_of": as_of, **counts}
        if expected != found:
            findings.add(_about(place, "differs", key, TALLIES, wanted[0], wanted[1], *_parts(expected, found)))
    for key, (kpart, koffset, _) in newest.items():
        findings.add(_about(place, "missing", key, TALLIES, kpart, koffset))


def compare_daily(
    rows: Iterator[tuple[str, str, Counts]], truth: Truth, findings: Findings, moved: Counter[str]
) -> None:
    """`mart.unit_daily`, for units that did not move since the cut."""
    place = tables.MART_UNIT_DAILY
    expected = {key: counts for key, counts in truth.days().items() if key[1]}
    for unit, day, counts in rows:
        wanted = expected.pop((unit, day), {})
        findings.compared[place] += 1
        if wanted != counts and unit not in moved:
            findings.add(_about(place, "differs", f"{unit} {day}", "", None, None, *_parts(wanted, counts)))
    for unit, day in expected:
        if unit not in moved:
            findings.add(_about(place, "missing", f"{unit} {day}", "", None, None, expected[unit, day]))


def _without_zeros(totals: Mapping[str, Any]) -> dict[str, Any]:
    years = {year: _nonzero(counts) for year, counts in totals.get("years", {}).items()}
    return {
        "stock": _nonzero(totals.get("stock", {})),
        "total": _nonzero(totals.get("total", {})),
        "years": {year: counts for year, counts in years.items() if counts},
    }


def _nonzero(counts: Mapping[str, int]) -> Counts:
    return {name: count for name, count in counts.items() if count}


def _parts(expected: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Only what differs; an absent counter is zero."""
    names = sorted(name for name in expected.keys() | found.keys() if expected.get(name, 0) != found.get(name, 0))
    return {name: expected.get(name, 0) for name in names}, {name: found.get(name, 0) for name in names}


def _about(
    place: str,
    what: str,
    subject: str,
    topic: str,
    partition: int | None,
    offset: int | None,
    expected: Any = None,
    found: Any = None,
) -> Difference:
    return Difference(
        place=place,
        what=what,
        subject=subject,
        topic=topic,
        partition=partition,
        offset=offset,
        expected=expected,
        found=found,
    )
