-- How fresh the figures are, per partition of dossier-events: what was recorded, inserted here and counted.

CREATE OR REPLACE VIEW mart.freshness
(
    partition UInt32 COMMENT 'Phân vùng của dossier-events / Partition of dossier-events',
    records UInt64 COMMENT 'Số bản ghi đã nạp / Records inserted, poison included',
    poison UInt64 COMMENT 'Trong đó bản ghi hỏng / Of these: no event',
    last_offset Int64 COMMENT 'Vị trí cuối đã nạp, -1 nếu chưa có / Offset of the last one, -1 when there is none',
    last_occurred_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Sự việc gần nhất tại cơ quan / Latest time at which a fact happened in the office',
    last_recorded_at Nullable(DateTime64(3, 'Asia/Ho_Chi_Minh')) COMMENT 'Bản ghi gần nhất vào Kafka / When the last one was written to Kafka',
    last_ingested_at Nullable(DateTime64(3, 'Asia/Ho_Chi_Minh')) COMMENT 'Lần nạp gần nhất / When the last one was inserted here',
    lag_seconds Nullable(Float64) COMMENT 'Độ trễ nạp của bản ghi cuối, giây / From Kafka to this table for the last one, in seconds',
    age_seconds Nullable(Float64) COMMENT 'Số giây từ bản ghi gần nhất đến nay / Seconds since the last one was written to Kafka',
    counted_offset Int64 COMMENT 'Mọi sự kiện trước vị trí này đã vào chỉ tiêu, -1 nếu chưa rõ / Everything below this offset is in the counters, -1 when unknown',
    counted_as_of Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Thời điểm xét hạn của chỉ tiêu / Instant at which the counters placed open dossiers',
    dossiers Int64 COMMENT 'Số hồ sơ / Dossiers',
    anomalies Int64 COMMENT 'Số sự kiện không làm đổi hồ sơ / Events that were kept but changed nothing',
    parked Int64 COMMENT 'Số bản ghi hỏng bộ xử lý đã tách ra / Poison records that the processor set aside'
)
AS SELECT
    partition,
    max(loaded.records) AS records,
    max(loaded.poison) AS poison,
    max(loaded.last_offset) AS last_offset,
    -- A view does not convert to the zone that its columns declare.
    toTimeZone(max(loaded.last_occurred_at), 'Asia/Ho_Chi_Minh') AS last_occurred_at,
    toTimeZone(max(loaded.last_recorded_at), 'Asia/Ho_Chi_Minh') AS last_recorded_at,
    toTimeZone(max(loaded.last_ingested_at), 'Asia/Ho_Chi_Minh') AS last_ingested_at,
    (toUnixTimestamp64Milli(last_ingested_at) - toUnixTimestamp64Milli(last_recorded_at)) / 1000 AS lag_seconds,
    (toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(last_recorded_at)) / 1000 AS age_seconds,
    max(loaded.counted_offset) AS counted_offset,
    toTimeZone(max(loaded.counted_as_of), 'Asia/Ho_Chi_Minh') AS counted_as_of,
    max(loaded.dossiers) AS dossiers,
    max(loaded.anomalies) AS anomalies,
    max(loaded.parked) AS parked
FROM
(
    SELECT
        kpart AS partition,
        count() AS records,
        countIf(status = 'poison') AS poison,
        max(koffset) AS last_offset,
        toNullable(maxIf(occurred_at, status = 'ok')) AS last_occurred_at,
        toNullable(argMax(recorded_at, koffset)) AS last_recorded_at,
        toNullable(argMax(ingested_at, koffset)) AS last_ingested_at,
        toInt64(-1) AS counted_offset,
        CAST(NULL, 'Nullable(DateTime64(6, ''UTC''))') AS counted_as_of,
        toInt64(0) AS dossiers,
        toInt64(0) AS anomalies,
        toInt64(0) AS parked
    FROM raw.events
    GROUP BY kpart
    UNION ALL
    SELECT partition, 0, 0, -1, NULL, NULL, NULL, next_offset, toNullable(as_of), dossiers, anomalies, parked
    FROM core.tallies FINAL
    WHERE scope = 'progress'
) AS loaded
GROUP BY partition
ORDER BY partition
COMMENT 'Độ mới của số liệu theo phân vùng / How fresh the figures are, per partition';
