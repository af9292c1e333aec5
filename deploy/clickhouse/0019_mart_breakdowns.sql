-- A unit's figures in parts: flows of a procedure in a calendar year, and the stock as the counters placed it.
--
-- The tallies of linked dossiers (subset linked, and procedure=CODE,linked) are part of the others: they are columns of
-- their own here, for whoever sums over levels.

CREATE OR REPLACE VIEW mart.procedure_yearly
(
    unit_id String COMMENT 'Mã đơn vị / Unit code',
    unit_name_vi String COMMENT 'Tên đơn vị / Name of the unit in Vietnamese',
    unit_name_en String COMMENT 'Tên tiếng Anh của đơn vị / Name of the unit in English',
    procedure_id String COMMENT 'Mã thủ tục / Procedure code',
    procedure_name_vi String COMMENT 'Tên thủ tục, là mã nếu không có trong danh mục / Name of the procedure in Vietnamese; its code when it is not in the catalogue',
    procedure_name_en String COMMENT 'Tên tiếng Anh của thủ tục / Name of the procedure in English',
    field_id String COMMENT 'Mã lĩnh vực, rỗng nếu thủ tục không có trong danh mục / Code of the field, empty when the procedure is not in the catalogue',
    field_vi String COMMENT 'Lĩnh vực / Field in Vietnamese',
    field_en String COMMENT 'Lĩnh vực bằng tiếng Anh / Field in English',
    year UInt16 COMMENT 'Năm dương lịch / Calendar year',
    received Int64 COMMENT 'Tiếp nhận, tổng / Received, total = online + direct + postal',
    received_online Int64 COMMENT 'Tiếp nhận trực tuyến / Received online',
    received_direct Int64 COMMENT 'Tiếp nhận trực tiếp / Received at the counter',
    received_postal Int64 COMMENT 'Tiếp nhận qua bưu chính / Received by post',
    resolved Int64 COMMENT 'Đã giải quyết, tổng / Resolved, total = early + on time + overdue + undated',
    resolved_early Int64 COMMENT 'Giải quyết trước hạn / Resolved early',
    resolved_on_time Int64 COMMENT 'Giải quyết đúng hạn / Resolved on time',
    resolved_overdue Int64 COMMENT 'Giải quyết quá hạn / Resolved overdue',
    resolved_undated Int64 COMMENT 'Giải quyết, không có hẹn trả / Resolved without a promise',
    outcome_granted Int64 COMMENT 'Trong đó có kết quả / Of the resolved: granted',
    outcome_rejected Int64 COMMENT 'Trong đó bị từ chối / Of the resolved: rejected on the merits',
    outcome_returned Int64 COMMENT 'Trong đó trả lại hồ sơ / Of the resolved: returned',
    outcome_withdrawn Int64 COMMENT 'Trong đó công dân rút / Of the resolved: withdrawn by the applicant',
    outcome_stopped Int64 COMMENT 'Trong đó dừng xử lý / Of the resolved: stopped',
    overdue_apologised Int64 COMMENT 'Quá hạn, trong đó đã có phiếu xin lỗi / Of the overdue: a letter of apology was sent',
    refused Int64 COMMENT 'Không được tiếp nhận / Refused at the counter, never received',
    withdrawn Int64 COMMENT 'Rút trước khi tiếp nhận / Withdrawn before acceptance, never received',
    transferred_in Int64 COMMENT 'Nhận chuyển đến / Transferred in',
    transferred_out Int64 COMMENT 'Chuyển đi / Transferred out',
    reopened Int64 COMMENT 'Xử lý lại / Reopened',
    linked_received Int64 COMMENT 'Tiếp nhận, trong đó hồ sơ liên thông có gốc ở nơi khác; trừ đi khi cộng nhiều cấp / Of the received: linked to a root elsewhere; take off when levels are summed',
    linked_resolved Int64 COMMENT 'Đã giải quyết, trong đó hồ sơ liên thông có gốc ở nơi khác / Of the resolved: linked to a root elsewhere'
)
AS SELECT
    yearly.unit_id AS unit_id,
    if(units.name_vi = '', yearly.unit_id, units.name_vi) AS unit_name_vi,
    if(units.name_en = '', yearly.unit_id, units.name_en) AS unit_name_en,
    yearly.procedure_id AS procedure_id,
    if(procedures.name_vi = '', yearly.procedure_id, procedures.name_vi) AS procedure_name_vi,
    if(procedures.name_en = '', yearly.procedure_id, procedures.name_en) AS procedure_name_en,
    toString(procedures.field_id) AS field_id,
    toString(procedures.field_vi) AS field_vi,
    toString(procedures.field_en) AS field_en,
    year,
    received,
    received_online,
    received_direct,
    received_postal,
    resolved,
    resolved_early,
    resolved_on_time,
    resolved_overdue,
    resolved_undated,
    outcome_granted,
    outcome_rejected,
    outcome_returned,
    outcome_withdrawn,
    outcome_stopped,
    overdue_apologised,
    refused,
    withdrawn,
    transferred_in,
    transferred_out,
    reopened,
    linked_received,
    linked_resolved
FROM
(
    SELECT
        toString(tallies.unit_id) AS unit_id,
        tallies.procedure_id AS procedure_id,
        toYear(day) AS year,
        sumIf(tallies.received_online, NOT is_linked) AS received_online,
        sumIf(tallies.received_direct, NOT is_linked) AS received_direct,
        sumIf(tallies.received_postal, NOT is_linked) AS received_postal,
        received_online + received_direct + received_postal AS received,
        sumIf(tallies.resolved_early, NOT is_linked) AS resolved_early,
        sumIf(tallies.resolved_on_time, NOT is_linked) AS resolved_on_time,
        sumIf(tallies.resolved_overdue, NOT is_linked) AS resolved_overdue,
        sumIf(tallies.resolved_undated, NOT is_linked) AS resolved_undated,
        resolved_early + resolved_on_time + resolved_overdue + resolved_undated AS resolved,
        sumIf(tallies.outcome_granted, NOT is_linked) AS outcome_granted,
        sumIf(tallies.outcome_rejected, NOT is_linked) AS outcome_rejected,
        sumIf(tallies.outcome_returned, NOT is_linked) AS outcome_returned,
        sumIf(tallies.outcome_withdrawn, NOT is_linked) AS outcome_withdrawn,
        sumIf(tallies.outcome_stopped, NOT is_linked) AS outcome_stopped,
        sumIf(tallies.overdue_apologised, NOT is_linked) AS overdue_apologised,
        sumIf(tallies.refused, NOT is_linked) AS refused,
        sumIf(tallies.withdrawn, NOT is_linked) AS withdrawn,
        sumIf(tallies.transferred_in, NOT is_linked) AS transferred_in,
        sumIf(tallies.transferred_out, NOT is_linked) AS transferred_out,
        sumIf(tallies.reopened, NOT is_linked) AS reopened,
        sumIf(tallies.received_online + tallies.received_direct + tallies.received_postal, is_linked) AS linked_received,
        sumIf(tallies.resolved_early + tallies.resolved_on_time + tallies.resolved_overdue + tallies.resolved_undated, is_linked) AS linked_resolved
    FROM
    (
        SELECT *, extract(subset, '^procedure=([^,]+)') AS procedure_id, endsWith(subset, ',linked') AS is_linked
        FROM core.tallies FINAL
        WHERE scope = 'flow' AND startsWith(subset, 'procedure=')
    ) AS tallies
    GROUP BY unit_id, procedure_id, year
) AS yearly
LEFT JOIN (SELECT unit_id, name_vi, name_en FROM core.units FINAL) AS units ON units.unit_id = yearly.unit_id
LEFT JOIN (SELECT procedure_id, name_vi, name_en, field_id, field_vi, field_en FROM core.procedures FINAL) AS procedures ON procedures.procedure_id = yearly.procedure_id
COMMENT 'Phát sinh theo đơn vị, thủ tục và năm; chỉ của riêng đơn vị / Flows per unit, procedure and calendar year; the unit alone, without those below it';

CREATE OR REPLACE VIEW mart.unit_stock
(
    unit_id String COMMENT 'Mã đơn vị / Unit code',
    unit_name_vi String COMMENT 'Tên đơn vị / Name of the unit in Vietnamese',
    unit_name_en String COMMENT 'Tên tiếng Anh của đơn vị / Name of the unit in English',
    as_of DateTime64(6, 'Asia/Ho_Chi_Minh') COMMENT 'Thời điểm xét hạn, của phân vùng cũ nhất / Instant at which open dossiers were placed, of the oldest partition',
    in_progress Int64 COMMENT 'Đang xử lý, tổng, không gồm chờ tiếp nhận / In progress: all but the registered',
    open_registered Int64 COMMENT 'Chờ tiếp nhận / Registered, not yet accepted',
    open_within_due Int64 COMMENT 'Đang xử lý trong hạn, chưa sắp đến hạn / Open, within due, not yet due soon',
    open_due_soon Int64 COMMENT 'Đang xử lý, sắp đến hạn / Open, due soon',
    open_overdue Int64 COMMENT 'Đang xử lý, quá hạn / Open, overdue',
    open_paused Int64 COMMENT 'Đang tạm dừng / Open, paused',
    open_undated Int64 COMMENT 'Đang xử lý, không có hẹn trả / Open, without a promise',
    linked_in_progress Int64 COMMENT 'Đang xử lý, trong đó hồ sơ liên thông có gốc ở nơi khác; trừ đi khi cộng nhiều cấp / Of those in progress: linked to a root elsewhere; take off when levels are summed'
)
AS SELECT
    stock.unit_id AS unit_id,
    if(units.name_vi = '', stock.unit_id, units.name_vi) AS unit_name_vi,
    if(units.name_en = '', stock.unit_id, units.name_en) AS unit_name_en,
    toTimeZone(stock.as_of, 'Asia/Ho_Chi_Minh') AS as_of,
    in_progress,
    open_registered,
    open_within_due,
    open_due_soon,
    open_overdue,
    open_paused,
    open_undated,
    linked_in_progress
FROM
(
    SELECT
        toString(tallies.unit_id) AS unit_id,
        min(tallies.as_of) AS as_of,
        sumIf(tallies.open_registered, NOT is_linked) AS open_registered,
        sumIf(tallies.open_within_due, NOT is_linked) AS open_within_due,
        sumIf(tallies.open_due_soon, NOT is_linked) AS open_due_soon,
        sumIf(tallies.open_overdue, NOT is_linked) AS open_overdue,
        sumIf(tallies.open_paused, NOT is_linked) AS open_paused,
        sumIf(tallies.open_undated, NOT is_linked) AS open_undated,
        sumIf(tallies.open_within_due + tallies.open_due_soon + tallies.open_overdue + tallies.open_paused + tallies.open_undated, NOT is_linked) AS in_progress,
        sumIf(tallies.open_within_due + tallies.open_due_soon + tallies.open_overdue + tallies.open_paused + tallies.open_undated, is_linked) AS linked_in_progress
    FROM
    (
        SELECT *, endsWith(subset, 'linked') AS is_linked
        FROM core.tallies FINAL
        WHERE scope = 'stock' AND subset IN ('', 'linked')
    ) AS tallies
    GROUP BY unit_id
) AS stock
LEFT JOIN (SELECT unit_id, name_vi, name_en FROM core.units FINAL) AS units ON units.unit_id = stock.unit_id
COMMENT 'Tồn hiện tại của từng đơn vị, chỉ của riêng đơn vị / Stock now per unit, as the counters placed it; the unit alone';

CREATE OR REPLACE VIEW mart.procedure_stock
(
    unit_id String COMMENT 'Mã đơn vị / Unit code',
    unit_name_vi String COMMENT 'Tên đơn vị / Name of the unit in Vietnamese',
    unit_name_en String COMMENT 'Tên tiếng Anh của đơn vị / Name of the unit in English',
    procedure_id String COMMENT 'Mã thủ tục / Procedure code',
    procedure_name_vi String COMMENT 'Tên thủ tục, là mã nếu không có trong danh mục / Name of the procedure in Vietnamese; its code when it is not in the catalogue',
    procedure_name_en String COMMENT 'Tên tiếng Anh của thủ tục / Name of the procedure in English',
    field_id String COMMENT 'Mã lĩnh vực, rỗng nếu thủ tục không có trong danh mục / Code of the field, empty when the procedure is not in the catalogue',
    field_vi String COMMENT 'Lĩnh vực / Field in Vietnamese',
    field_en String COMMENT 'Lĩnh vực bằng tiếng Anh / Field in English',
    as_of DateTime64(6, 'Asia/Ho_Chi_Minh') COMMENT 'Thời điểm xét hạn, của phân vùng cũ nhất / Instant at which open dossiers were placed, of the oldest partition',
    in_progress Int64 COMMENT 'Đang xử lý, tổng, không gồm chờ tiếp nhận / In progress: all but the registered',
    open_registered Int64 COMMENT 'Chờ tiếp nhận / Registered, not yet accepted',
    open_within_due Int64 COMMENT 'Đang xử lý trong hạn, chưa sắp đến hạn / Open, within due, not yet due soon',
    open_due_soon Int64 COMMENT 'Đang xử lý, sắp đến hạn / Open, due soon',
    open_overdue Int64 COMMENT 'Đang xử lý, quá hạn / Open, overdue',
    open_paused Int64 COMMENT 'Đang tạm dừng / Open, paused',
    open_undated Int64 COMMENT 'Đang xử lý, không có hẹn trả / Open, without a promise',
    linked_in_progress Int64 COMMENT 'Đang xử lý, trong đó hồ sơ liên thông có gốc ở nơi khác; trừ đi khi cộng nhiều cấp / Of those in progress: linked to a root elsewhere; take off when levels are summed'
)
AS SELECT
    stock.unit_id AS unit_id,
    if(units.name_vi = '', stock.unit_id, units.name_vi) AS unit_name_vi,
    if(units.name_en = '', stock.unit_id, units.name_en) AS unit_name_en,
    stock.procedure_id AS procedure_id,
    if(procedures.name_vi = '', stock.procedure_id, procedures.name_vi) AS procedure_name_vi,
    if(procedures.name_en = '', stock.procedure_id, procedures.name_en) AS procedure_name_en,
    toString(procedures.field_id) AS field_id,
    toString(procedures.field_vi) AS field_vi,
    toString(procedures.field_en) AS field_en,
    toTimeZone(stock.as_of, 'Asia/Ho_Chi_Minh') AS as_of,
    in_progress,
    open_registered,
    open_within_due,
    open_due_soon,
    open_overdue,
    open_paused,
    open_undated,
    linked_in_progress
FROM
(
    SELECT
        toString(tallies.unit_id) AS unit_id,
        tallies.procedure_id AS procedure_id,
        min(tallies.as_of) AS as_of,
        sumIf(tallies.open_registered, NOT is_linked) AS open_registered,
        sumIf(tallies.open_within_due, NOT is_linked) AS open_within_due,
        sumIf(tallies.open_due_soon, NOT is_linked) AS open_due_soon,
        sumIf(tallies.open_overdue, NOT is_linked) AS open_overdue,
        sumIf(tallies.open_paused, NOT is_linked) AS open_paused,
        sumIf(tallies.open_undated, NOT is_linked) AS open_undated,
        sumIf(tallies.open_within_due + tallies.open_due_soon + tallies.open_overdue + tallies.open_paused + tallies.open_undated, NOT is_linked) AS in_progress,
        sumIf(tallies.open_within_due + tallies.open_due_soon + tallies.open_overdue + tallies.open_paused + tallies.open_undated, is_linked) AS linked_in_progress
    FROM
    (
        SELECT *, extract(subset, '^procedure=([^,]+)') AS procedure_id, endsWith(subset, 'linked') AS is_linked
        FROM core.tallies FINAL
        WHERE scope = 'stock' AND startsWith(subset, 'procedure=')
    ) AS tallies
    GROUP BY unit_id, procedure_id
) AS stock
LEFT JOIN (SELECT unit_id, name_vi, name_en FROM core.units FINAL) AS units ON units.unit_id = stock.unit_id
LEFT JOIN (SELECT procedure_id, name_vi, name_en, field_id, field_vi, field_en FROM core.procedures FINAL) AS procedures ON procedures.procedure_id = stock.procedure_id
COMMENT 'Tồn hiện tại theo đơn vị và thủ tục / Stock now per unit and procedure, as the counters placed it';
