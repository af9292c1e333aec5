-- Facts that were recorded long after the time that they state. An import of old data is late by nature, so `since` looks
-- at the stated time: what happened before it is not asked about.
--
--     SELECT * FROM mart.back_dated(since = today() - 30, tolerance_hours = 24)

CREATE OR REPLACE VIEW mart.back_dated_facts
(
    dossier_id String COMMENT 'Mã hồ sơ / Dossier code',
    unit_id String COMMENT 'Đơn vị thực hiện / Unit that acted',
    source String COMMENT 'Hệ thống nguồn / Source system',
    kind String COMMENT 'Loại sự việc / Kind of fact',
    event_id String COMMENT 'Mã sự kiện / Event id',
    occurred_at DateTime64(6, 'Asia/Ho_Chi_Minh') COMMENT 'Thời điểm được khai / When it is said to have happened',
    recorded_at DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'Thời điểm ghi vào Kafka / When it was written to Kafka',
    hours_late Float64 COMMENT 'Ghi muộn bao nhiêu giờ / Hours from the one to the other'
)
AS SELECT
    dossier_id,
    toString(unit_id) AS unit_id,
    toString(source) AS source,
    toString(kind) AS kind,
    event_id,
    toTimeZone(occurred_at, 'Asia/Ho_Chi_Minh') AS occurred_at,
    toTimeZone(recorded_at, 'Asia/Ho_Chi_Minh') AS recorded_at,
    late_hours AS hours_late
FROM
(
    SELECT *, dateDiff('second', occurred_at, recorded_at) / 3600 AS late_hours
    FROM raw.events
    WHERE status = 'ok' AND occurred_at >= toDateTime({since:Date}, 'Asia/Ho_Chi_Minh')
    ORDER BY kpart, koffset
    LIMIT 1 BY dossier_id, source, event_id
)
WHERE late_hours > {tolerance_hours:Float64}
COMMENT 'Sự việc được ghi muộn quá mức so với thời điểm được khai / Facts recorded later than a tolerance after the time that they state';

CREATE OR REPLACE VIEW mart.back_dated
(
    unit_id String COMMENT 'Đơn vị thực hiện / Unit that acted',
    source String COMMENT 'Hệ thống nguồn / Source system',
    facts UInt64 COMMENT 'Số sự việc được khai từ ngày đó / Facts that are said to have happened since then',
    back_dated UInt64 COMMENT 'Trong đó ghi muộn quá mức / Of these: recorded later than the tolerance',
    percent Float64 COMMENT 'Tỷ lệ ghi muộn, phần trăm / Their share in percent',
    p50_hours Float64 COMMENT 'Trung vị số giờ ghi muộn / Median of their hours',
    p95_hours Float64 COMMENT 'Bách phân vị 95 số giờ ghi muộn / 95th percentile of their hours',
    max_hours Float64 COMMENT 'Ghi muộn nhất, giờ / Most hours'
)
AS SELECT
    toString(unit_id) AS unit_id,
    toString(source) AS source,
    count() AS facts,
    countIf(is_late) AS back_dated,
    round(100 * back_dated / facts, 2) AS percent,
    quantileExactIf(0.5)(late_hours, is_late) AS p50_hours,
    quantileExactIf(0.95)(late_hours, is_late) AS p95_hours,
    maxIf(late_hours, is_late) AS max_hours
FROM
(
    SELECT
        unit_id,
        source,
        dateDiff('second', occurred_at, recorded_at) / 3600 AS late_hours,
        late_hours > {tolerance_hours:Float64} AS is_late
    FROM raw.events
    WHERE status = 'ok' AND occurred_at >= toDateTime({since:Date}, 'Asia/Ho_Chi_Minh')
    ORDER BY kpart, koffset
    LIMIT 1 BY dossier_id, source, event_id
)
GROUP BY unit_id, source
HAVING back_dated > 0
COMMENT 'Ghi muộn theo đơn vị và hệ thống nguồn / Late records per unit and source';
