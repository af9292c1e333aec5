"""What the identities of report form II.06a are off by, and by how much counters and dossiers differ: zeros."""

from typing import Final

# Over all days: every flow of every dossier is in it. Sums of absolute residuals, so that none hides another.
_FORM: Final = """\
SELECT identity, sum(abs(residual)) FROM
(
    SELECT
        unit_id,
        ['3=4+5+6', '7=8+9+10', '11=12+13', '3=7+11'] AS identities,
        [
            toInt64(sum(received)) - sum(received_online + received_direct_or_postal + carried_over + other_moves),
            toInt64(sum(resolved)) - sum(resolved_early + resolved_on_time + resolved_overdue + resolved_undated),
            toInt64(sum(in_progress))
                - sum(in_progress_within_due + in_progress_overdue + in_progress_paused + in_progress_undated),
            toInt64(sum(received)) - sum(resolved + in_progress)
        ] AS residuals
    FROM mart.report_06a(first = '1990-01-01', last = '2099-12-31')
    GROUP BY unit_id
)
ARRAY JOIN identities AS identity, residuals AS residual
GROUP BY identity"""

# Counters and states come by two topics: while events arrive, one may be ahead of the other for a moment.
_COUNTERS: Final = """\
SELECT 'unit_daily=dossiers', sum(abs(off)) FROM
(
    SELECT sum(counted) AS off FROM
    (
        SELECT unit_id, day, counter, toInt64(counted) AS counted
        FROM mart.unit_daily
        ARRAY JOIN
            ['received', 'resolved', 'transferred_in', 'transferred_out', 'reopened'] AS counter,
            [received, resolved, transferred_in, transferred_out, reopened] AS counted
        UNION ALL
        SELECT toString(unit), on, multiIf(
            startsWith(flow, 'received_'), 'received',
            startsWith(flow, 'resolved_'), 'resolved',
            toString(flow)) AS counter, -1
        FROM (SELECT flow_units, flow_days, flow_counters FROM core.dossiers FINAL)
        ARRAY JOIN flow_units AS unit, flow_days AS on, flow_counters AS flow
        WHERE counter IN ('received', 'resolved', 'transferred_in', 'transferred_out', 'reopened')
    )
    GROUP BY unit_id, day, counter
)"""

RESIDUALS: Final = f"SELECT * FROM ({_FORM} UNION ALL {_COUNTERS})"  # noqa: S608 - our own text
"""Rows (identity, residual), each a sum of absolute differences over all units and days."""
