-- mart.unit_daily under today's units: what was merged counts for its successor, what was split stays itself under the
-- place that its successors share. Both views have the same totals. A transfer between units that have become one stays
-- counted in and out, as it was then.

CREATE OR REPLACE VIEW mart.unit_daily_now
(
    unit_id String COMMENT 'Đơn vị mang số liệu hôm nay / Unit of today, or one that was split',
    unit_name_vi String COMMENT 'Tên đơn vị / Name of the unit in Vietnamese',
    unit_name_en String COMMENT 'Tên tiếng Anh của đơn vị / Name of the unit in English',
    parent_id String COMMENT 'Cấp trên hôm nay / Place above it today',
    is_split UInt8 COMMENT '1: đã bị chia tách, không thuộc riêng đơn vị nào / 1: it was split, its history belongs to none of its successors',
    then_ids Array(String) COMMENT 'Các đơn vị khi đó / The units of then that are summed',
    day Date COMMENT 'Ngày theo giờ địa phương / Local day',
    opening Int64 COMMENT 'Tồn đầu ngày / Dossiers in progress when the day began',
    received Int64 COMMENT 'Tiếp nhận trong ngày, tổng / Received, total = online + direct + postal',
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
    closing Int64 COMMENT 'Tồn cuối ngày / In progress when the day ended = opening + received + transferred in + reopened - resolved - transferred out'
)
AS SELECT
    daily.unit_id AS unit_id,
    if(units.name_vi = '', daily.unit_id, units.name_vi) AS unit_name_vi,
    if(units.name_en = '', daily.unit_id, units.name_en) AS unit_name_en,
    units.now_parent_id AS parent_id,
    units.is_split AS is_split,
    then_ids,
    day,
    closing - moved AS opening,
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
    sum(moved) OVER (PARTITION BY daily.unit_id ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS closing
FROM
(
    SELECT
        if(followed.now_id = '', then.unit_id, followed.now_id) AS unit_id,
        day,
        arraySort(groupArray(then.unit_id)) AS then_ids,
        sum(then.received) AS received,
        sum(then.received_online) AS received_online,
        sum(then.received_direct) AS received_direct,
        sum(then.received_postal) AS received_postal,
        sum(then.resolved) AS resolved,
        sum(then.resolved_early) AS resolved_early,
        sum(then.resolved_on_time) AS resolved_on_time,
        sum(then.resolved_overdue) AS resolved_overdue,
        sum(then.resolved_undated) AS resolved_undated,
        sum(then.outcome_granted) AS outcome_granted,
        sum(then.outcome_rejected) AS outcome_rejected,
        sum(then.outcome_returned) AS outcome_returned,
        sum(then.outcome_withdrawn) AS outcome_withdrawn,
        sum(then.outcome_stopped) AS outcome_stopped,
        sum(then.overdue_apologised) AS overdue_apologised,
        sum(then.refused) AS refused,
        sum(then.withdrawn) AS withdrawn,
        sum(then.transferred_in) AS transferred_in,
        sum(then.transferred_out) AS transferred_out,
        sum(then.reopened) AS reopened,
        received + transferred_in + reopened - resolved - transferred_out AS moved
    FROM mart.unit_daily AS then
    LEFT JOIN (SELECT unit_id, now_id FROM mart.units) AS followed ON followed.unit_id = then.unit_id
    GROUP BY unit_id, day
) AS daily
LEFT JOIN mart.units AS units ON units.unit_id = daily.unit_id
COMMENT 'Số liệu theo ngày của các đơn vị hôm nay; tổng bằng mart.unit_daily / Daily figures under the units of today; the totals are those of mart.unit_daily';
