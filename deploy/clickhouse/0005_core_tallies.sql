-- Absolute shares of the counters, one row per unit, partition of dossier-events and, for flows, day; and the heartbeat
-- of each partition. One table, so that one insert stays one part and the last offset of unit-tallies is the checkpoint.

CREATE TABLE IF NOT EXISTS core.tallies
(
    scope Enum8('stock' = 1, 'flow' = 2, 'progress' = 3) COMMENT 'stock: tồn; flow: phát sinh trong ngày; progress: tiến độ xử lý / stock at an instant, flow of a day, or progress of a partition',
    unit_id LowCardinality(String) COMMENT 'Đơn vị, rỗng nếu là tiến độ / Unit, empty for progress',
    subset LowCardinality(String) COMMENT 'Rỗng: mọi hồ sơ của đơn vị; procedure=MÃ: của một thủ tục, cả năm; linked: hồ sơ liên thông có gốc ở nơi khác / Empty: all of the unit''s dossiers; procedure=CODE: of one procedure, a year at a time; linked: those with a root elsewhere',
    day Date COMMENT 'Ngày phát sinh, 1970-01-01 nếu không phải flow / Day of the flow, 1970-01-01 otherwise',
    partition UInt32 COMMENT 'Phân vùng của dossier-events / Partition of dossier-events that was counted',
    kpart UInt32 COMMENT 'Phân vùng của unit-tallies / Partition of unit-tallies',
    koffset Int64 COMMENT 'Vị trí trong unit-tallies, cũng là phiên bản / Offset in unit-tallies, which is the version',
    is_deleted UInt8 COMMENT '1: đã bị xóa khỏi unit-tallies / 1: deleted from unit-tallies',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'Thời điểm nạp / When it was inserted here',
    next_offset Int64 COMMENT 'Mọi sự kiện trước vị trí này đã được tính / Everything below this offset of dossier-events is counted',
    as_of DateTime64(6, 'UTC') COMMENT 'Thời điểm xét hạn / Instant at which open dossiers were placed',
    open_registered Int64 COMMENT 'Chờ tiếp nhận / Registered, not yet accepted',
    open_within_due Int64 COMMENT 'Đang xử lý trong hạn, chưa sắp đến hạn / Open, within due, not yet due soon',
    open_due_soon Int64 COMMENT 'Đang xử lý, sắp đến hạn / Open, due soon',
    open_overdue Int64 COMMENT 'Đang xử lý, quá hạn / Open, overdue',
    open_paused Int64 COMMENT 'Đang tạm dừng / Open, paused',
    open_undated Int64 COMMENT 'Đang xử lý, không có hẹn trả / Open, without a promise',
    received_online Int64 COMMENT 'Tiếp nhận trực tuyến / Received online',
    received_direct Int64 COMMENT 'Tiếp nhận trực tiếp / Received at the counter',
    received_postal Int64 COMMENT 'Tiếp nhận qua bưu chính / Received by post',
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
    dossiers Int64 COMMENT 'Số hồ sơ của phân vùng / Progress: dossiers of the partition',
    anomalies Int64 COMMENT 'Số sự kiện bất thường / Progress: events that changed nothing',
    parked Int64 COMMENT 'Số bản ghi hỏng đã tách ra / Progress: poison records set aside'
)
ENGINE = ReplacingMergeTree(koffset, is_deleted)
ORDER BY (scope, unit_id, subset, day, partition)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Phần chỉ tiêu của từng phân vùng; đọc với FINAL rồi cộng / Shares of the counters; read with FINAL, then sum';
