-- The latest state of every dossier as the processor concluded it: an upsert, the highest offset wins.

CREATE TABLE IF NOT EXISTS core.dossiers
(
    dossier_id String COMMENT 'Mã hồ sơ / Dossier code',
    kpart UInt32 COMMENT 'Phân vùng của dossier-states / Partition of dossier-states',
    koffset Int64 COMMENT 'Vị trí trong dossier-states, cũng là phiên bản / Offset in dossier-states, which is the version',
    is_deleted UInt8 COMMENT '1: đã bị xóa khỏi dossier-states / 1: deleted from dossier-states',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'Thời điểm nạp / When it was inserted here',
    event_offset Int64 COMMENT 'Vị trí sự kiện cuối của hồ sơ trong dossier-events / Offset in dossier-events of its last event',
    rules LowCardinality(String) COMMENT 'Dấu của bộ quy tắc đã kết luận / Fingerprint of the rulebook that concluded this',
    policy_id LowCardinality(String) COMMENT 'Bộ quy tắc thời hạn / Policy in force',
    calendar_id LowCardinality(String) COMMENT 'Lịch làm việc, rỗng nếu tính mọi giờ / Calendar, empty when every hour counts',
    status LowCardinality(String) COMMENT 'Trạng thái, rỗng nếu chưa rõ / Status, empty when nothing is known yet',
    unit_id LowCardinality(String) COMMENT 'Đơn vị chịu trách nhiệm / Unit accountable',
    procedure_id LowCardinality(String) COMMENT 'Mã thủ tục / Procedure code',
    channel LowCardinality(String) COMMENT 'Kênh tiếp nhận / Channel of reception',
    root_id String COMMENT 'Hồ sơ gốc, nếu là hồ sơ liên thông / Root dossier, when this one was opened for it at another level',
    marks Array(LowCardinality(String)) COMMENT 'Dấu hiệu cho các chỉ số QĐ 766 / Marks for the indicators of QD 766',
    registered_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Đăng ký / Registered',
    accepted_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Tiếp nhận / Accepted',
    due_original_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Hẹn trả ban đầu / First promise',
    due_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Hẹn trả hiện hành / Promise in force',
    due_announced_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Ngày hẹn lại theo phiếu xin lỗi, không làm hết trễ / New date of the last apology letter, which excuses nothing',
    change_ats Array(DateTime64(6, 'UTC')) COMMENT 'Các lần đổi hẹn: thời điểm / Changes of the promise: when',
    change_causes Array(LowCardinality(String)) COMMENT 'Lý do / Why',
    change_due_ats Array(Nullable(DateTime64(6, 'UTC'))) COMMENT 'Hẹn trả từ đó / The promise from then on',
    change_closes_ats Array(Nullable(DateTime64(6, 'UTC'))) COMMENT 'Quá hạn sau lúc này / Overdue after then',
    due_soon_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Từ lúc này là sắp đến hạn / From then on it is due soon',
    closes_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Sau lúc này là quá hạn / After then it is overdue',
    paused_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Tạm dừng từ / Paused since',
    pause_starts Array(DateTime64(6, 'UTC')) COMMENT 'Các lần tạm dừng đã xong: từ / Pauses that ended: from',
    pause_ends Array(DateTime64(6, 'UTC')) COMMENT 'Các lần tạm dừng đã xong: đến / Pauses that ended: to',
    supplements UInt16 COMMENT 'Số lần yêu cầu bổ sung sau tiếp nhận / How often papers were asked for after the acceptance',
    finished_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Xử lý xong / Finished',
    first_finished_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Xử lý xong lần đầu / First finished',
    delivered_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Trả kết quả / Delivered',
    ended_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Đồng hồ dừng / When the clock stopped',
    outcome LowCardinality(String) COMMENT 'Kết quả giải quyết / Outcome',
    timeliness LowCardinality(String) COMMENT 'Đúng hạn hay không, chỉ khi đã đóng / Timeliness, closed dossiers only',
    flow_days Array(Date) COMMENT 'Ngày được tính / Day on which it counts',
    flow_units Array(LowCardinality(String)) COMMENT 'Đơn vị được tính / Unit for which it counts',
    flow_counters Array(LowCardinality(String)) COMMENT 'Chỉ tiêu được tính / Counter to which it adds one',
    anomaly_identities Array(String) COMMENT 'Dấu của sự kiện bất thường / Identity of an event that changed nothing',
    anomaly_kinds Array(LowCardinality(String)) COMMENT 'Loại sự việc / Its kind',
    anomaly_codes Array(LowCardinality(String)) COMMENT 'Vì sao bất thường / Why it changed nothing',
    anomaly_statuses Array(LowCardinality(String)) COMMENT 'Trạng thái khi đó / Status that it met'
)
ENGINE = ReplacingMergeTree(koffset, is_deleted)
ORDER BY dossier_id
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Trạng thái mới nhất của từng hồ sơ; đọc với FINAL / Latest state per dossier; read with FINAL';
