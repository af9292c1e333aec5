-- Report form II.06a/VPCP/KSTT for any period. `report_06a_dossiers` says what each dossier adds to which unit's cells,
-- so that every cell leads to its dossiers; `report_06a` is its sum. The columns are those of the form, with the classes
-- that the form has no column for kept apart, so that for every row
--   received = online + direct or postal + carried over + other moves
--   resolved = early + on time + overdue + undated
--   in progress = within due + overdue + paused + undated
--   received = resolved + in progress.
-- Other moves are what the form does not know: transfers between units (in less out) and reopenings. A reopened dossier
-- is worked on twice and resolved twice; a transferred one is received here and resolved there.
-- Linked dossiers (opened for a root at another level) have rows of their own: leave them out where levels are summed.

CREATE OR REPLACE VIEW mart.report_06a_dossiers
(
    dossier_id String COMMENT 'Mã hồ sơ / Dossier code',
    event_offset Int64 COMMENT 'Vị trí sự kiện cuối trong dossier-events / Offset in dossier-events of its last event',
    unit_id String COMMENT 'Đơn vị được tính / Unit for which it counts',
    procedure_id String COMMENT 'Mã thủ tục / Procedure code',
    is_linked UInt8 COMMENT '1: hồ sơ liên thông có gốc ở nơi khác / 1: opened for a root dossier elsewhere',
    policy_id String COMMENT 'Bộ quy tắc thời hạn / Policy that judged it',
    calendar_id String COMMENT 'Lịch làm việc / Calendar it was judged by',
    received Int64 COMMENT 'Cột 3: tiếp nhận, tổng / Column 3: received, total',
    received_online UInt64 COMMENT 'Cột 4: trực tuyến / Column 4: online',
    received_direct_or_postal UInt64 COMMENT 'Cột 5: trực tiếp, bưu chính / Column 5: direct or by post',
    carried_over Int64 COMMENT 'Cột 6: kỳ trước chuyển sang / Column 6: from the previous period',
    other_moves Int64 COMMENT 'Nhận chuyển đến + xử lý lại - chuyển đi / Transferred in + reopened - transferred out',
    transferred_in UInt64 COMMENT 'Nhận chuyển đến / Transferred in',
    transferred_out UInt64 COMMENT 'Chuyển đi / Transferred out',
    reopened UInt64 COMMENT 'Xử lý lại / Reopened',
    resolved UInt32 COMMENT 'Cột 7: đã giải quyết, tổng / Column 7: resolved, total',
    resolved_early UInt64 COMMENT 'Cột 8: trước hạn / Column 8: early',
    resolved_on_time UInt64 COMMENT 'Cột 9: đúng hạn / Column 9: on time',
    resolved_overdue UInt64 COMMENT 'Cột 10: quá hạn / Column 10: overdue',
    resolved_undated UInt64 COMMENT 'Giải quyết, không có hẹn trả / Resolved without a promise',
    resolved_overdue_apologised UInt64 COMMENT 'Trong cột 10: có phiếu xin lỗi / Of column 10: with a letter of apology',
    not_granted_early UInt32 COMMENT 'Trong cột 8: trả lại hoặc rút / Of column 8: returned or withdrawn',
    not_granted_on_time UInt32 COMMENT 'Trong cột 9: trả lại hoặc rút / Of column 9: returned or withdrawn',
    not_granted_overdue UInt32 COMMENT 'Trong cột 10: trả lại hoặc rút / Of column 10: returned or withdrawn',
    not_granted_undated UInt32 COMMENT 'Trong số không có hẹn trả: trả lại hoặc rút / Of the undated: returned or withdrawn',
    in_progress UInt8 COMMENT 'Cột 11: đang giải quyết, tổng / Column 11: in progress, total',
    in_progress_within_due UInt8 COMMENT 'Cột 12: trong hạn / Column 12: within due',
    in_progress_overdue UInt8 COMMENT 'Cột 13: quá hạn / Column 13: overdue',
    in_progress_paused UInt8 COMMENT 'Đang tạm dừng / Paused',
    in_progress_undated UInt8 COMMENT 'Đang giải quyết, không có hẹn trả / In progress without a promise',
    in_progress_overdue_apologised UInt8 COMMENT 'Trong cột 13: có phiếu xin lỗi / Of column 13: with a letter of apology'
)
AS WITH
    arrayFilter((counter, unit, on) -> unit = counted_unit AND on >= {first:Date}, flow_counters, flow_units, flow_days) AS happened,
    arrayFilter((counter, unit, on) -> unit = counted_unit AND on < {first:Date}, flow_counters, flow_units, flow_days) AS before,
    is_open AND stood.unit_id = counted_unit AS is_here
SELECT
    dossier_id,
    event_offset,
    counted_unit AS unit_id,
    procedure_id,
    root_id != '' AS is_linked,
    policy_id,
    calendar_id,
    carried_over + arrayCount(counter -> startsWith(counter, 'received_'), happened) + other_moves AS received,
    countEqual(happened, 'received_online') AS received_online,
    countEqual(happened, 'received_direct') + countEqual(happened, 'received_postal') AS received_direct_or_postal,
    toInt64(arrayCount(counter -> startsWith(counter, 'received_') OR counter IN ('transferred_in', 'reopened'), before))
        - arrayCount(counter -> startsWith(counter, 'resolved_') OR counter = 'transferred_out', before) AS carried_over,
    toInt64(transferred_in + reopened) - transferred_out AS other_moves,
    countEqual(happened, 'transferred_in') AS transferred_in,
    countEqual(happened, 'transferred_out') AS transferred_out,
    countEqual(happened, 'reopened') AS reopened,
    arrayCount(counter -> startsWith(counter, 'resolved_'), happened) AS resolved,
    countEqual(happened, 'resolved_early') AS resolved_early,
    countEqual(happened, 'resolved_on_time') AS resolved_on_time,
    countEqual(happened, 'resolved_overdue') AS resolved_overdue,
    countEqual(happened, 'resolved_undated') AS resolved_undated,
    countEqual(happened, 'overdue_apologised') AS resolved_overdue_apologised,
    -- An outcome follows its verdict.
    arrayCount((verdict, ending) -> verdict = 'resolved_early' AND ending IN ('outcome_returned', 'outcome_withdrawn'), happened, arrayShiftLeft(happened, 1)) AS not_granted_early,
    arrayCount((verdict, ending) -> verdict = 'resolved_on_time' AND ending IN ('outcome_returned', 'outcome_withdrawn'), happened, arrayShiftLeft(happened, 1)) AS not_granted_on_time,
    arrayCount((verdict, ending) -> verdict = 'resolved_overdue' AND ending IN ('outcome_returned', 'outcome_withdrawn'), happened, arrayShiftLeft(happened, 1)) AS not_granted_overdue,
    arrayCount((verdict, ending) -> verdict = 'resolved_undated' AND ending IN ('outcome_returned', 'outcome_withdrawn'), happened, arrayShiftLeft(happened, 1)) AS not_granted_undated,
    is_here AS in_progress,
    is_here AND timeliness = 'within_due' AS in_progress_within_due,
    is_here AND timeliness = 'overdue' AS in_progress_overdue,
    is_here AND timeliness = 'paused' AS in_progress_paused,
    is_here AND timeliness = 'undated' AS in_progress_undated,
    in_progress_overdue AND is_apologised AS in_progress_overdue_apologised
FROM mart.dossiers_as_of(day = {last:Date}) AS stood
ARRAY JOIN arrayDistinct(flow_units) AS counted_unit
WHERE notEmpty(happened) OR carried_over != 0
COMMENT 'Mỗi hồ sơ góp gì vào biểu II.06a của đơn vị nào trong kỳ {first} đến {last} / What each dossier adds to form II.06a of which unit, from {first} to {last}';

CREATE OR REPLACE VIEW mart.report_06a
(
    unit_id String COMMENT 'Mã đơn vị / Unit code',
    unit_name_vi String COMMENT 'Tên đơn vị / Name of the unit in Vietnamese',
    unit_name_en String COMMENT 'Tên tiếng Anh của đơn vị / Name of the unit in English',
    desk String COMMENT 'Cấp: centre (huyện), commune (xã), rỗng nếu chưa rõ / Level: centre (district), commune, empty when unknown',
    field_id String COMMENT 'Mã lĩnh vực, rỗng nếu chưa rõ / Field code, empty when unknown',
    field_vi String COMMENT 'Lĩnh vực / Field in Vietnamese',
    field_en String COMMENT 'Tên tiếng Anh của lĩnh vực / Field in English',
    procedure_id String COMMENT 'Mã thủ tục / Procedure code',
    procedure_vi String COMMENT 'Tên thủ tục / Name of the procedure in Vietnamese',
    procedure_en String COMMENT 'Tên tiếng Anh của thủ tục / Name of the procedure in English',
    is_linked UInt8 COMMENT '1: hồ sơ liên thông có gốc ở nơi khác / 1: opened for a root dossier elsewhere',
    policy_id String COMMENT 'Bộ quy tắc thời hạn / Policy that judged these',
    calendar_id String COMMENT 'Lịch làm việc / Calendar they were judged by',
    received Int64 COMMENT 'Cột 3: tiếp nhận, tổng / Column 3: received, total',
    received_online UInt64 COMMENT 'Cột 4: trực tuyến / Column 4: online',
    received_direct_or_postal UInt64 COMMENT 'Cột 5: trực tiếp, bưu chính / Column 5: direct or by post',
    carried_over Int64 COMMENT 'Cột 6: kỳ trước chuyển sang / Column 6: from the previous period',
    other_moves Int64 COMMENT 'Nhận chuyển đến + xử lý lại - chuyển đi / Transferred in + reopened - transferred out',
    transferred_in UInt64 COMMENT 'Nhận chuyển đến / Transferred in',
    transferred_out UInt64 COMMENT 'Chuyển đi / Transferred out',
    reopened UInt64 COMMENT 'Xử lý lại / Reopened',
    resolved UInt64 COMMENT 'Cột 7: đã giải quyết, tổng / Column 7: resolved, total',
    resolved_early UInt64 COMMENT 'Cột 8: trước hạn / Column 8: early',
    resolved_on_time UInt64 COMMENT 'Cột 9: đúng hạn / Column 9: on time',
    resolved_overdue UInt64 COMMENT 'Cột 10: quá hạn / Column 10: overdue',
    resolved_undated UInt64 COMMENT 'Giải quyết, không có hẹn trả / Resolved without a promise',
    resolved_overdue_apologised UInt64 COMMENT 'Trong cột 10: có phiếu xin lỗi / Of column 10: with a letter of apology',
    not_granted_early UInt64 COMMENT 'Trong cột 8: trả lại hoặc rút / Of column 8: returned or withdrawn',
    not_granted_on_time UInt64 COMMENT 'Trong cột 9: trả lại hoặc rút / Of column 9: returned or withdrawn',
    not_granted_overdue UInt64 COMMENT 'Trong cột 10: trả lại hoặc rút / Of column 10: returned or withdrawn',
    not_granted_undated UInt64 COMMENT 'Trong số không có hẹn trả: trả lại hoặc rút / Of the undated: returned or withdrawn',
    in_progress UInt64 COMMENT 'Cột 11: đang giải quyết, tổng / Column 11: in progress, total',
    in_progress_within_due UInt64 COMMENT 'Cột 12: trong hạn / Column 12: within due',
    in_progress_overdue UInt64 COMMENT 'Cột 13: quá hạn / Column 13: overdue',
    in_progress_paused UInt64 COMMENT 'Đang tạm dừng / Paused',
    in_progress_undated UInt64 COMMENT 'Đang giải quyết, không có hẹn trả / In progress without a promise',
    in_progress_overdue_apologised UInt64 COMMENT 'Trong cột 13: có phiếu xin lỗi / Of column 13: with a letter of apology'
)
AS SELECT
    counted.unit_id AS unit_id,
    if(any(units.name_vi) = '', counted.unit_id, any(units.name_vi)) AS unit_name_vi,
    if(any(units.name_en) = '', counted.unit_id, any(units.name_en)) AS unit_name_en,
    toString(any(procedures.desk)) AS desk,
    toString(any(procedures.field_id)) AS field_id,
    toString(any(procedures.field_vi)) AS field_vi,
    toString(any(procedures.field_en)) AS field_en,
    counted.procedure_id AS procedure_id,
    if(any(procedures.name_vi) = '', counted.procedure_id, any(procedures.name_vi)) AS procedure_vi,
    if(any(procedures.name_en) = '', counted.procedure_id, any(procedures.name_en)) AS procedure_en,
    is_linked,
    policy_id,
    calendar_id,
    sum(counted.received) AS received,
    sum(counted.received_online) AS received_online,
    sum(counted.received_direct_or_postal) AS received_direct_or_postal,
    sum(counted.carried_over) AS carried_over,
    sum(counted.other_moves) AS other_moves,
    sum(counted.transferred_in) AS transferred_in,
    sum(counted.transferred_out) AS transferred_out,
    sum(counted.reopened) AS reopened,
    sum(counted.resolved) AS resolved,
    sum(counted.resolved_early) AS resolved_early,
    sum(counted.resolved_on_time) AS resolved_on_time,
    sum(counted.resolved_overdue) AS resolved_overdue,
    sum(counted.resolved_undated) AS resolved_undated,
    sum(counted.resolved_overdue_apologised) AS resolved_overdue_apologised,
    sum(counted.not_granted_early) AS not_granted_early,
    sum(counted.not_granted_on_time) AS not_granted_on_time,
    sum(counted.not_granted_overdue) AS not_granted_overdue,
    sum(counted.not_granted_undated) AS not_granted_undated,
    sum(counted.in_progress) AS in_progress,
    sum(counted.in_progress_within_due) AS in_progress_within_due,
    sum(counted.in_progress_overdue) AS in_progress_overdue,
    sum(counted.in_progress_paused) AS in_progress_paused,
    sum(counted.in_progress_undated) AS in_progress_undated,
    sum(counted.in_progress_overdue_apologised) AS in_progress_overdue_apologised
FROM mart.report_06a_dossiers(first = {first:Date}, last = {last:Date}) AS counted
LEFT JOIN (SELECT unit_id, name_vi, name_en FROM core.units FINAL) AS units ON units.unit_id = counted.unit_id
LEFT JOIN
(
    SELECT procedure_id, name_vi, name_en, desk, field_id, field_vi, field_en FROM core.procedures FINAL
) AS procedures ON procedures.procedure_id = counted.procedure_id
GROUP BY counted.unit_id, counted.procedure_id, is_linked, policy_id, calendar_id
COMMENT 'Biểu II.06a theo đơn vị, lĩnh vực, thủ tục / Form II.06a per unit, field and procedure: mart.report_06a(first = ''2021-01-01'', last = ''2021-12-31'')';
