-- Current state of every dossier. Nothing is decided here: closed dossiers carry the core's verdict, and for open ones
-- the core left the moments (due_soon_at, closes_at) that are only compared with the clock, in the order in which
-- streams/domain/tally.py places them.

CREATE OR REPLACE VIEW mart.dossiers
(
    dossier_id String COMMENT 'Mã hồ sơ / Dossier code',
    unit_id String COMMENT 'Mã đơn vị chịu trách nhiệm / Unit accountable',
    unit_name_vi String COMMENT 'Tên đơn vị / Name of the unit in Vietnamese',
    unit_name_en String COMMENT 'Tên tiếng Anh của đơn vị / Name of the unit in English',
    procedure_id String COMMENT 'Mã thủ tục / Procedure code',
    channel String COMMENT 'Kênh tiếp nhận: online, direct, postal / Channel of reception',
    status String COMMENT 'Trạng thái, mã / Status, a code',
    status_vi String COMMENT 'Trạng thái / Status in Vietnamese',
    is_open UInt8 COMMENT '1: chưa kết thúc / 1: not ended',
    stock String COMMENT 'Chỉ tiêu tồn mà hồ sơ đang được tính, rỗng nếu đã kết thúc / Stock counter that it adds to now, empty when ended',
    timeliness String COMMENT 'early, on_time, overdue, undated khi đã đóng; within_due, overdue, paused, undated khi đang mở / Timeliness, closed or at this moment',
    timeliness_vi String COMMENT 'Tình trạng hạn / Timeliness in Vietnamese',
    is_due_soon UInt8 COMMENT '1: sắp đến hạn / 1: open and due soon',
    outcome String COMMENT 'Kết quả giải quyết, mã / Outcome, a code',
    outcome_vi String COMMENT 'Kết quả giải quyết / Outcome in Vietnamese',
    registered_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Đăng ký / Registered',
    accepted_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Tiếp nhận / Accepted',
    received_on Nullable(Date) COMMENT 'Ngày được tính là tiếp nhận / Day on which it counts as received',
    due_original_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Hẹn trả ban đầu / First promise',
    due_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Hẹn trả hiện hành / Promise in force',
    due_cause String COMMENT 'Lý do đổi hẹn gần nhất / Why the promise last changed',
    due_soon_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Từ lúc này là sắp đến hạn / From then on it is due soon',
    closes_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Sau lúc này là quá hạn / After then it is overdue',
    paused_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Tạm dừng từ / Paused since',
    finished_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Xử lý xong / Finished',
    first_finished_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Xử lý xong lần đầu, trước khi xử lý lại / First finished, kept when it was reopened',
    delivered_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Trả kết quả / Delivered',
    ended_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Đồng hồ dừng / When the clock stopped',
    resolved_on Nullable(Date) COMMENT 'Ngày được tính là đã giải quyết / Day on which it counts as resolved',
    policy_id String COMMENT 'Bộ quy tắc thời hạn / Policy that judged it',
    anomalies UInt64 COMMENT 'Số sự kiện không làm đổi hồ sơ / Events that were kept but changed nothing',
    event_offset Int64 COMMENT 'Vị trí sự kiện cuối trong dossier-events / Offset in dossier-events of its last event',
    ingested_at DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'Thời điểm nạp / When this state was inserted'
)
AS WITH now64(6) AS moment
SELECT
    dossier_id,
    toString(dossiers.unit_id) AS unit_id,
    if(units.name_vi = '', unit_id, units.name_vi) AS unit_name_vi,
    if(units.name_en = '', unit_id, units.name_en) AS unit_name_en,
    procedure_id,
    channel,
    status,
    transform(toString(status),
        ['registered', 'accepted', 'refused', 'processing', 'supplement_requested', 'payment_requested', 'withdrawn', 'stopped', 'finished', 'delivered'],
        ['Mới đăng ký', 'Được tiếp nhận', 'Không được tiếp nhận', 'Đang xử lý', 'Yêu cầu bổ sung giấy tờ', 'Yêu cầu thực hiện nghĩa vụ tài chính', 'Công dân yêu cầu rút hồ sơ', 'Dừng xử lý', 'Đã xử lý xong', 'Đã trả kết quả'],
        toString(status)) AS status_vi,
    status != '' AND isNull(dossiers.ended_at) AS is_open,
    multiIf(
        NOT is_open, '',
        isNull(dossiers.accepted_at), 'open_registered',
        isNotNull(dossiers.paused_at), 'open_paused',
        isNull(dossiers.closes_at) OR isNull(dossiers.due_soon_at), 'open_undated',
        moment > dossiers.closes_at, 'open_overdue',
        moment >= dossiers.due_soon_at, 'open_due_soon',
        'open_within_due') AS stock,
    multiIf(
        NOT is_open, toString(dossiers.timeliness),
        stock = 'open_registered', '',
        stock = 'open_due_soon', 'within_due',
        substring(stock, 6)) AS timeliness,
    transform(timeliness,
        ['early', 'on_time', 'overdue', 'within_due', 'paused', 'undated'],
        ['Trước hạn', 'Đúng hạn', 'Quá hạn', 'Trong hạn', 'Tạm dừng', 'Không có hẹn trả'],
        timeliness) AS timeliness_vi,
    stock = 'open_due_soon' AS is_due_soon,
    outcome,
    transform(toString(outcome),
        ['granted', 'rejected', 'returned', 'withdrawn', 'stopped'],
        ['Có kết quả', 'Từ chối giải quyết', 'Trả lại hồ sơ', 'Công dân rút hồ sơ', 'Dừng xử lý'],
        toString(outcome)) AS outcome_vi,
    registered_at,
    accepted_at,
    if(flow_day_received = 0, NULL, flow_days[flow_day_received]) AS received_on,
    due_original_at,
    due_at,
    due_cause,
    due_soon_at,
    closes_at,
    paused_at,
    finished_at,
    first_finished_at,
    delivered_at,
    ended_at,
    if(is_open OR flow_day_resolved = 0, NULL, flow_days[flow_day_resolved]) AS resolved_on,
    policy_id,
    length(anomaly_codes) AS anomalies,
    event_offset,
    ingested_at
FROM
(
    SELECT
        -- A view does not convert to the zone that its columns declare.
        * REPLACE (
            toTimeZone(registered_at, 'Asia/Ho_Chi_Minh') AS registered_at,
            toTimeZone(accepted_at, 'Asia/Ho_Chi_Minh') AS accepted_at,
            toTimeZone(due_original_at, 'Asia/Ho_Chi_Minh') AS due_original_at,
            toTimeZone(due_at, 'Asia/Ho_Chi_Minh') AS due_at,
            toTimeZone(due_soon_at, 'Asia/Ho_Chi_Minh') AS due_soon_at,
            toTimeZone(closes_at, 'Asia/Ho_Chi_Minh') AS closes_at,
            toTimeZone(paused_at, 'Asia/Ho_Chi_Minh') AS paused_at,
            toTimeZone(finished_at, 'Asia/Ho_Chi_Minh') AS finished_at,
            toTimeZone(first_finished_at, 'Asia/Ho_Chi_Minh') AS first_finished_at,
            toTimeZone(delivered_at, 'Asia/Ho_Chi_Minh') AS delivered_at,
            toTimeZone(ended_at, 'Asia/Ho_Chi_Minh') AS ended_at,
            toTimeZone(ingested_at, 'Asia/Ho_Chi_Minh') AS ingested_at
        ),
        arrayFirstIndex(counter -> startsWith(counter, 'received_'), flow_counters) AS flow_day_received,
        arrayLastIndex(counter -> startsWith(counter, 'resolved_'), flow_counters) AS flow_day_resolved
    FROM core.dossiers FINAL
) AS dossiers
LEFT JOIN (SELECT unit_id, name_vi, name_en FROM core.units FINAL) AS units ON units.unit_id = toString(dossiers.unit_id)
COMMENT 'Hiện trạng từng hồ sơ; hồ sơ đang mở được xét hạn theo giờ hiện tại / Current state of every dossier; open ones are placed by the clock at this moment';
