-- Report form II.06a from the counters: columns 3 to 11 of every unit at or below one, for any period, in milliseconds
-- whatever the number of dossiers. `mart.report_06a` has the same figures from the dossiers themselves, with what daily
-- counters do not keep: fields and procedures, and how the dossiers in progress stood (columns 12 and 13).
--
-- The units come first, so that only their part of the table is read: a filter on mart.unit_daily_rolled cannot reach
-- it. Measured for a city among 12,000 units and a million dossiers: 5.7 million rows read there, 0.06 million here.
-- Where levels are summed, `linked_` is what to take off (docs/adr/0012-linked-dossiers-are-counted-at-their-root.md).

CREATE OR REPLACE VIEW mart.unit_report
(
    unit_id String COMMENT 'Mã đơn vị / Unit code',
    unit_name_vi String COMMENT 'Tên đơn vị / Name of the unit in Vietnamese',
    unit_name_en String COMMENT 'Tên tiếng Anh của đơn vị / Name of the unit in English',
    received Int64 COMMENT 'Cột 3: tiếp nhận, tổng / Column 3: received, total',
    received_online Int64 COMMENT 'Cột 4: trực tuyến / Column 4: online',
    received_direct_or_postal Int64 COMMENT 'Cột 5: trực tiếp, bưu chính / Column 5: direct or by post',
    carried_over Int64 COMMENT 'Cột 6: kỳ trước chuyển sang / Column 6: from the previous period',
    other_moves Int64 COMMENT 'Nhận chuyển đến + xử lý lại - chuyển đi / Transferred in + reopened - transferred out',
    resolved Int64 COMMENT 'Cột 7: đã giải quyết, tổng / Column 7: resolved, total',
    resolved_early Int64 COMMENT 'Cột 8: trước hạn / Column 8: early',
    resolved_on_time Int64 COMMENT 'Cột 9: đúng hạn / Column 9: on time',
    resolved_overdue Int64 COMMENT 'Cột 10: quá hạn / Column 10: overdue',
    resolved_undated Int64 COMMENT 'Giải quyết, không có hẹn trả / Resolved without a promise',
    resolved_overdue_apologised Int64 COMMENT 'Trong cột 10: có phiếu xin lỗi / Of column 10: with a letter of apology',
    in_progress Int64 COMMENT 'Cột 11: đang giải quyết, tổng / Column 11: in progress, total',
    linked_received Int64 COMMENT 'Trong cột 3: liên thông có gốc ở nơi khác / Of column 3: linked to a root elsewhere',
    linked_resolved Int64 COMMENT 'Trong cột 7: liên thông có gốc ở nơi khác / Of column 7: linked to a root elsewhere',
    linked_in_progress Int64 COMMENT 'Trong cột 11: liên thông có gốc ở nơi khác / Of column 11: linked to a root elsewhere'
)
AS WITH RECURSIVE
    units AS (SELECT unit_id, name_vi, name_en, parent_id FROM core.units FINAL),
    below AS
    (
        SELECT {unit:String} AS unit_id, [unit_id] AS path
        UNION ALL
        SELECT units.unit_id, arrayPushBack(below.path, units.unit_id)
        FROM below INNER JOIN units ON units.parent_id = below.unit_id
        WHERE NOT has(below.path, units.unit_id)
    )
SELECT
    sums.unit_id AS unit_id,
    if(units.name_vi = '', sums.unit_id, units.name_vi) AS unit_name_vi,
    if(units.name_en = '', sums.unit_id, units.name_en) AS unit_name_en,
    carried_over + received_online + received_direct_or_postal + other_moves AS received,
    received_online,
    received_direct_or_postal,
    carried_over,
    other_moves,
    resolved_early + resolved_on_time + resolved_overdue + resolved_undated AS resolved,
    resolved_early,
    resolved_on_time,
    resolved_overdue,
    resolved_undated,
    resolved_overdue_apologised,
    received - resolved AS in_progress,
    linked_received,
    linked_resolved,
    linked_received - linked_resolved AS linked_in_progress
FROM
(
    SELECT
        CAST(tallies.unit_id, 'String') AS unit_id,
        sumIf(tallies.received_online, is_new) AS received_online,
        sumIf(tallies.received_direct + tallies.received_postal, is_new) AS received_direct_or_postal,
        sumIf(came - ended, subset = '' AND day < {first:Date}) AS carried_over,
        sumIf(transferred_in + reopened - transferred_out, is_new) AS other_moves,
        sumIf(tallies.resolved_early, is_new) AS resolved_early,
        sumIf(tallies.resolved_on_time, is_new) AS resolved_on_time,
        sumIf(tallies.resolved_overdue, is_new) AS resolved_overdue,
        sumIf(tallies.resolved_undated, is_new) AS resolved_undated,
        sumIf(overdue_apologised, is_new) AS resolved_overdue_apologised,
        sumIf(if(day < {first:Date}, came - ended, came), subset = 'linked') AS linked_received,
        sumIf(ended, subset = 'linked' AND day >= {first:Date}) AS linked_resolved
    FROM
    (
        SELECT
            *,
            subset = '' AND day >= {first:Date} AS is_new,
            received_online + received_direct + received_postal + transferred_in + reopened - transferred_out AS came,
            resolved_early + resolved_on_time + resolved_overdue + resolved_undated AS ended
        FROM core.tallies FINAL
    ) AS tallies
    WHERE scope = 'flow' AND subset IN ('', 'linked') AND day <= {last:Date}
        AND tallies.unit_id IN (SELECT unit_id FROM below)
    GROUP BY unit_id
) AS sums
LEFT JOIN units ON units.unit_id = sums.unit_id
COMMENT 'Biểu II.06a của đơn vị và các đơn vị trực thuộc, từ chỉ tiêu ngày / Form II.06a of a unit and those below it, from the counters: mart.unit_report(unit = ''196'', first = ''2021-01-01'', last = ''2021-12-31'')';
