-- Every unit with those below it, whatever its level. An application that several levels handle counts once, at its
-- root: a unit with units below takes the linked of each off, its own too (docs/adr/0012-linked-dossiers-are-counted-at-their-root.md).

CREATE OR REPLACE VIEW mart.unit_members
(
    unit_id String COMMENT 'Mã đơn vị / Unit code',
    member_id String COMMENT 'Chính đơn vị đó, hoặc một đơn vị trực thuộc ở bất kỳ cấp nào / The unit itself, or one below it, however far',
    distance UInt32 COMMENT 'Số cấp ở giữa, 0 là chính đơn vị / How many levels below; 0: the unit itself'
)
AS SELECT above.1 AS unit_id, units.unit_id AS member_id, toUInt32(above.2 - 1) AS distance
FROM
(
    SELECT unit_id, path FROM mart.units
    UNION ALL
    SELECT DISTINCT toString(unit_id), [toString(unit_id)]  -- counted, and not in the reference data
    FROM core.tallies
    WHERE unit_id != '' AND unit_id NOT IN (SELECT unit_id FROM core.units FINAL)
) AS units
ARRAY JOIN arrayZip(path, arrayEnumerate(path)) AS above
COMMENT 'Đơn vị và các đơn vị trực thuộc / Units and all that is below each';

CREATE OR REPLACE VIEW mart.unit_daily_rolled
(
    unit_id String COMMENT 'Mã đơn vị / Unit code',
    unit_name_vi String COMMENT 'Tên đơn vị / Name of the unit in Vietnamese',
    unit_name_en String COMMENT 'Tên tiếng Anh của đơn vị / Name of the unit in English',
    units UInt64 COMMENT 'Số đơn vị được cộng, kể cả chính đơn vị / Units that are summed, itself included',
    day Date COMMENT 'Ngày theo giờ địa phương / Local day',
    opening Int64 COMMENT 'Tồn đầu ngày / Dossiers in progress when the day began',
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
    closing Int64 COMMENT 'Tồn cuối ngày / In progress when the day ended = opening + received + transferred in + reopened - resolved - transferred out'
)
AS SELECT
    daily.unit_id AS unit_id,
    if(units.name_vi = '', daily.unit_id, units.name_vi) AS unit_name_vi,
    if(units.name_en = '', daily.unit_id, units.name_en) AS unit_name_en,
    units_below AS units,
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
        members.unit_id AS unit_id,
        day,
        any(members.units_below) AS units_below,
        sum(counted * tallies.received_online) AS received_online,
        sum(counted * tallies.received_direct) AS received_direct,
        sum(counted * tallies.received_postal) AS received_postal,
        received_online + received_direct + received_postal AS received,
        sum(counted * tallies.resolved_early) AS resolved_early,
        sum(counted * tallies.resolved_on_time) AS resolved_on_time,
        sum(counted * tallies.resolved_overdue) AS resolved_overdue,
        sum(counted * tallies.resolved_undated) AS resolved_undated,
        resolved_early + resolved_on_time + resolved_overdue + resolved_undated AS resolved,
        sum(counted * tallies.outcome_granted) AS outcome_granted,
        sum(counted * tallies.outcome_rejected) AS outcome_rejected,
        sum(counted * tallies.outcome_returned) AS outcome_returned,
        sum(counted * tallies.outcome_withdrawn) AS outcome_withdrawn,
        sum(counted * tallies.outcome_stopped) AS outcome_stopped,
        sum(counted * tallies.overdue_apologised) AS overdue_apologised,
        sum(counted * tallies.refused) AS refused,
        sum(counted * tallies.withdrawn) AS withdrawn,
        sum(counted * tallies.transferred_in) AS transferred_in,
        sum(counted * tallies.transferred_out) AS transferred_out,
        sum(counted * tallies.reopened) AS reopened,
        received + transferred_in + reopened - resolved - transferred_out AS moved
    FROM
    (
        SELECT unit_id, member_id, count() OVER (PARTITION BY unit_id) AS units_below FROM mart.unit_members
    ) AS members
    INNER JOIN
    (
        SELECT *, toString(unit_id) AS counted_unit, subset = 'linked' AS is_linked
        FROM core.tallies FINAL
        WHERE scope = 'flow' AND subset IN ('', 'linked')
    ) AS tallies ON tallies.counted_unit = members.member_id
    -- 1: counts; 0: linked, and the unit stands alone; -1: linked, and taken off.
    ARRAY JOIN [multiIf(NOT is_linked, 1, members.units_below > 1, -1, 0)] AS counted
    GROUP BY unit_id, day
) AS daily
LEFT JOIN (SELECT unit_id, name_vi, name_en FROM core.units FINAL) AS units ON units.unit_id = daily.unit_id
COMMENT 'Số liệu theo ngày của từng đơn vị gồm cả đơn vị trực thuộc, hồ sơ liên thông tính một lần tại gốc / Figures per unit and day with the units below it, linked dossiers counted once at their root';
