-- What changed figures that could have been reported already: facts that came into the log on a later day than the one on
-- which they are said to have happened, and retractions that came on a later day than what they took back. A fact that
-- was sent twice counts by its first record. What a retraction has taken back before it came is not there to be listed.

CREATE OR REPLACE VIEW mart.corrections
(
    dossier_id String COMMENT 'Mã hồ sơ / Dossier code',
    unit_id String COMMENT 'Đơn vị thực hiện / Unit that acted',
    kind String COMMENT 'Loại sự việc; retracted: thu hồi / Kind of fact; retracted: a fact was taken back',
    stated_at DateTime64(6, 'Asia/Ho_Chi_Minh') COMMENT 'Thời điểm xảy ra theo cơ quan / When it happened, as the office states',
    recorded_at DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'Thời điểm ghi vào nhật ký / When it came into the log',
    affects_on Date COMMENT 'Ngày có số liệu bị đổi / Day whose figures it changed',
    affects_year UInt16 COMMENT 'Năm có số liệu bị đổi / Calendar year whose figures it changed',
    affects_month Date COMMENT 'Tháng có số liệu bị đổi, ngày đầu tháng / Month whose figures it changed, its first day',
    days_late Int32 COMMENT 'Số ngày từ ngày đó đến khi ghi / Days from then to the record',
    source String COMMENT 'Hệ thống nguồn / Source system',
    event_id String COMMENT 'Mã sự kiện / Event id',
    kpart UInt32 COMMENT 'Phân vùng Kafka / Kafka partition',
    koffset Int64 COMMENT 'Vị trí trong phân vùng / Offset in the partition',
    took_back_kind String COMMENT 'Thu hồi: loại sự việc bị thu hồi / Of a retraction: kind of what it took back',
    took_back_stated_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Thu hồi: thời điểm của sự việc đó / Of a retraction: when that had happened',
    took_back_event_id String COMMENT 'Thu hồi: mã của sự kiện đó / Of a retraction: id of that event',
    took_back_kpart Nullable(UInt32) COMMENT 'Thu hồi: phân vùng của sự kiện đó / Of a retraction: partition of that event',
    took_back_koffset Nullable(Int64) COMMENT 'Thu hồi: vị trí của sự kiện đó / Of a retraction: offset of that event'
)
AS SELECT
    dossier_id,
    toString(events.unit_id) AS unit_id,
    toString(events.kind) AS kind,
    toTimeZone(events.occurred_at, 'Asia/Ho_Chi_Minh') AS stated_at,
    toTimeZone(events.recorded_at, 'Asia/Ho_Chi_Minh') AS recorded_at,
    toDate(if(is_retraction, taken.occurred_at, events.occurred_at), 'Asia/Ho_Chi_Minh') AS affects_on,
    toYear(affects_on) AS affects_year,
    toStartOfMonth(affects_on) AS affects_month,
    toDate(events.recorded_at, 'Asia/Ho_Chi_Minh') - affects_on AS days_late,
    toString(events.source) AS source,
    events.event_id AS event_id,
    events.kpart AS kpart,
    events.koffset AS koffset,
    toString(taken.kind) AS took_back_kind,
    if(is_retraction, toTimeZone(taken.occurred_at, 'Asia/Ho_Chi_Minh'), NULL) AS took_back_stated_at,
    taken.event_id AS took_back_event_id,
    if(is_retraction, taken.kpart, NULL) AS took_back_kpart,
    if(is_retraction, taken.koffset, NULL) AS took_back_koffset
FROM (SELECT *, kind = 'retracted' AS is_retraction FROM core.events) AS events
LEFT JOIN
(
    SELECT dossier_id, toString(source) AS source, event_id, kind, occurred_at, kpart, koffset
    FROM core.events
    WHERE (dossier_id, source, event_id) IN (
        SELECT dossier_id, retracts_source, retracts_id FROM raw.events WHERE status = 'ok' AND kind = 'retracted'
    )
) AS taken
    ON taken.dossier_id = events.dossier_id
    AND taken.source = toString(events.retracts_source)
    AND taken.event_id = events.retracts_id
WHERE days_late > 0 AND (NOT is_retraction OR taken.event_id != '')
COMMENT 'Sự kiện ghi muộn và thu hồi làm đổi số liệu của ngày đã qua / Late facts and retractions that changed figures of days that had passed';
