-- Flows per unit and day, summed over partitions, with the stock before and after as running sums. A day on which
-- nothing happened in a unit has no row: its stock is the closing stock of the last row before it.

CREATE OR REPLACE VIEW mart.unit_daily
(
    unit_id String COMMENT 'Mã đơn vị / Unit code',
    unit_name_vi String COMMENT 'Tên đơn vị / Name of the unit in Vietnamese',
    unit_name_en String COMMENT 'Tên tiếng Anh của đơn vị / Name of the unit in English',
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
        toString(unit_id) AS unit_id,
        day,
        sum(tallies.received_online) AS received_online,
        sum(tallies.received_direct) AS received_direct,
        sum(tallies.received_postal) AS received_postal,
        received_online + received_direct + received_postal AS received,
        sum(tallies.resolved_early) AS resolved_early,
        sum(tallies.resolved_on_time) AS resolved_on_time,
        sum(tallies.resolved_overdue) AS resolved_overdue,
        sum(tallies.resolved_undated) AS resolved_undated,
        resolved_early + resolved_on_time + resolved_overdue + resolved_undated AS resolved,
        sum(tallies.outcome_granted) AS outcome_granted,
        sum(tallies.outcome_rejected) AS outcome_rejected,
        sum(tallies.outcome_returned) AS outcome_returned,
        sum(tallies.outcome_withdrawn) AS outcome_withdrawn,
        sum(tallies.outcome_stopped) AS outcome_stopped,
        sum(tallies.overdue_apologised) AS overdue_apologised,
        sum(tallies.refused) AS refused,
        sum(tallies.withdrawn) AS withdrawn,
        sum(tallies.transferred_in) AS transferred_in,
        sum(tallies.transferred_out) AS transferred_out,
        sum(tallies.reopened) AS reopened,
        received + transferred_in + reopened - resolved - transferred_out AS moved
    FROM core.tallies AS tallies FINAL
    WHERE scope = 'flow' AND subset = ''
    GROUP BY unit_id, day
) AS daily
LEFT JOIN (SELECT unit_id, name_vi, name_en FROM core.units FINAL) AS units ON units.unit_id = daily.unit_id
COMMENT 'Số liệu từng đơn vị theo ngày; mỗi kỳ là tổng các ngày, cộng tồn đầu của ngày đầu / Figures per unit and day; any period is a sum of days after the opening stock of its first';
