-- The facts: a producer that sends twice gives a fact two offsets, and the first is the one the processor folded.

CREATE OR REPLACE VIEW core.events
(
    dossier_id String COMMENT 'Mã hồ sơ / Dossier code',
    occurred_at DateTime64(6, 'UTC') COMMENT 'Thời điểm xảy ra tại cơ quan / When it happened in the office',
    kind LowCardinality(String) COMMENT 'Loại sự việc / Kind of fact',
    type LowCardinality(String) COMMENT 'Loại sự kiện kèm phiên bản / Event type with its version',
    unit_id LowCardinality(String) COMMENT 'Đơn vị thực hiện / Unit that acted',
    source LowCardinality(String) COMMENT 'Hệ thống nguồn / Source system',
    event_id String COMMENT 'Mã sự kiện, duy nhất trong nguồn / Event id, unique within its source',
    due_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Hẹn trả kết quả mới / Promise that it sets',
    procedure_id LowCardinality(String) COMMENT 'Mã thủ tục / Procedure code',
    channel LowCardinality(String) COMMENT 'Kênh tiếp nhận / Channel of reception',
    policy_id LowCardinality(String) COMMENT 'Bộ quy tắc thời hạn / Policy that it names',
    to_unit_id LowCardinality(String) COMMENT 'Đơn vị nhận chuyển / Unit it is transferred to',
    cause LowCardinality(String) COMMENT 'Lý do đổi hẹn / Why the promise changed',
    outcome LowCardinality(String) COMMENT 'Kết quả giải quyết / Outcome',
    reason LowCardinality(String) COMMENT 'Lý do của đơn vị, dạng mã / Why the unit acted, a code',
    root_id String COMMENT 'Hồ sơ gốc / Root dossier',
    marks Array(LowCardinality(String)) COMMENT 'Dấu hiệu cho các chỉ số QĐ 766 / Marks for the indicators of QD 766',
    retracts_source LowCardinality(String) COMMENT 'Nguồn của sự kiện bị thu hồi / Source of the event it takes back',
    retracts_id String COMMENT 'Mã sự kiện bị thu hồi / Id of the event it takes back',
    kpart UInt32 COMMENT 'Phân vùng Kafka / Kafka partition',
    koffset Int64 COMMENT 'Vị trí trong phân vùng / Offset in the partition',
    recorded_at DateTime64(3, 'UTC') COMMENT 'Thời điểm ghi vào Kafka / When it was written to Kafka',
    ingested_at DateTime64(3, 'UTC') COMMENT 'Thời điểm nạp vào bảng / When it was inserted here'
)
AS SELECT
    dossier_id, occurred_at, kind, type, unit_id, source, event_id, due_at, procedure_id, channel, policy_id,
    to_unit_id, cause, outcome, reason, root_id, marks, retracts_source, retracts_id, kpart, koffset, recorded_at, ingested_at
FROM raw.events
WHERE status = 'ok'
ORDER BY kpart, koffset
LIMIT 1 BY dossier_id, source, event_id
COMMENT 'Sự kiện hợp lệ, mỗi sự kiện một lần / Valid events, each fact once';
