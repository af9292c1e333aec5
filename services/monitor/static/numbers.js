// From the monitor's answer to the numbers of one row, for the chosen period. Null stays null: no data is not zero.

const NO_SHARE = { numerator: 0, denominator: 0, percent: null };

export function numbersOf(unit, chosen) {
  return unit.stock === null ? null : { ...flowOf(periodOf(unit, chosen)), ...stockOf(unit) };
}

// A field of a unit. What happened is known per year, not per day: today only its stock is known.
export function numbersOfField(field, chosen) {
  const flow = flowOf(field.period);
  if (chosen === "today") for (const key of Object.keys(flow)) flow[key] = null;
  return { ...flow, ...stockOf(field) };
}

function flowOf(period) {
  const { flow } = period;
  return {
    workload: period.workload,
    opening: period.opening,
    online: flow.received_online,
    direct: flow.received_direct,
    postal: flow.received_postal,
    moved: flow.transferred_in + flow.reopened - flow.transferred_out,
    resolved: period.resolved,
    early: flow.resolved_early,
    onTime: flow.resolved_on_time,
    late: flow.resolved_overdue,
    resolvedUndated: flow.resolved_undated,
    earlyShare: period.early_share.percent,
  };
}

function stockOf({ stock, in_progress: open }) {
  return {
    registered: stock.open_registered,
    open,
    within: stock.open_within_due,
    soon: stock.open_due_soon,
    overdue: stock.open_overdue,
    paused: stock.open_paused,
    undated: stock.open_undated,
  };
}

// A year in which nothing happened is not sent: it opens and closes with what the year before left.
function periodOf(unit, chosen) {
  if (chosen === "all") return unit.total;
  if (chosen === "today") return unit.today ?? emptyPeriod(unit, unit.total.closing);
  const earlier = Object.keys(unit.years).filter((year) => year < chosen).sort().at(-1);
  return unit.years[chosen] ?? emptyPeriod(unit, earlier ? unit.years[earlier].closing : 0);
}

function emptyPeriod(unit, opening) {
  const flow = Object.fromEntries(Object.keys(unit.total.flow).map((counter) => [counter, 0]));
  return { opening, workload: opening, resolved: 0, early_share: NO_SHARE, flow };
}

// The sum of units of which none holds another; null when none of them has data.
export function sumOf(rows) {
  const known = rows.filter((row) => row !== null);
  if (known.length < 2) return known[0] ?? null;
  const sum = Object.fromEntries(Object.keys(known[0]).map((key) => [key, known.reduce((all, row) => all + row[key], 0)]));
  sum.earlyShare = sum.resolved > 0 ? Math.round((10_000 * sum.early) / sum.resolved) / 100 : null;
  return sum;
}
