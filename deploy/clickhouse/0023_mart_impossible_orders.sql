-- Orders of events that cannot have happened so, or that the rules forbid. Facts that were taken back are left out. A fact
-- that the lifecycle did not allow stands under the code of its anomaly; it may stand under a second code that says why.
--
--     SELECT * FROM mart.impossible_orders(since = today() - 30)

CREATE OR REPLACE VIEW mart.impossible_orders
(
    code String COMMENT 'not_allowed, foreign_unit, id_reused: bất thường do bộ xử lý ghi nhận; finished_before_acceptance, delivered_before_finish, second_apology, apology_after_due, code_reused, ahead_of_clock, root_unknown / Anomalies that the processor kept, and orders found here: a finish before the acceptance, a delivery before the finish, a second letter of apology, one after the promise closed, a code that two sources use, a time ahead of the clock, a linked dossier without its root',
    dossier_id String COMMENT 'Mã hồ sơ / Dossier code',
    unit_id String COMMENT 'Đơn vị thực hiện, hoặc chịu trách nhiệm nếu không rõ / Unit that acted; the accountable one when several did',
    kind String COMMENT 'Loại sự việc / Kind of fact',
    source String COMMENT 'Hệ thống nguồn, rỗng nếu nhiều nguồn / Source system, empty when there are several',
    occurred_at DateTime64(6, 'Asia/Ho_Chi_Minh') COMMENT 'Thời điểm xảy ra; với bất thường: của sự việc cùng loại mới nhất / When it happened; for an anomaly: the newest fact of its kind'
)
AS WITH
recent AS
(
    SELECT DISTINCT dossier_id
    FROM raw.events
    WHERE status = 'ok' AND occurred_at >= toDateTime({since:Date}, 'Asia/Ho_Chi_Minh')
),
facts AS
(
    SELECT
        dossier_id,
        toString(kind) AS kind,
        toString(unit_id) AS unit_id,
        toString(source) AS source,
        toString(cause) AS cause,
        toTimeZone(occurred_at, 'Asia/Ho_Chi_Minh') AS occurred_at,
        recorded_at,
        (occurred_at, unit_id, source, kind) AS fact
    FROM raw.events
    WHERE status = 'ok'
        AND dossier_id IN (SELECT dossier_id FROM recent)
        AND (dossier_id, source, event_id) NOT IN (
            SELECT dossier_id, retracts_source, retracts_id FROM raw.events WHERE status = 'ok' AND kind = 'retracted'
        )
    ORDER BY kpart, koffset
    LIMIT 1 BY dossier_id, source, event_id
),
firsts AS
(
    SELECT
        dossier_id,
        countIf(kind = 'accepted') AS acceptances,
        countIf(kind = 'finished') AS finishes,
        countIf(kind = 'delivered') AS deliveries,
        minIf(occurred_at, kind = 'accepted') AS accepted_at,
        minIf(fact, kind = 'finished') AS finished,
        minIf(fact, kind = 'delivered') AS delivered,
        maxIf(fact, kind = 'registered') AS registered_last,
        maxIf(fact, kind = 'accepted') AS accepted_last,
        minIf(source, kind = 'registered') != maxIf(source, kind = 'registered') AS registered_twice,
        minIf(source, kind = 'accepted') != maxIf(source, kind = 'accepted') AS accepted_twice,
        arraySort(groupArrayIf(fact, kind = 'due_changed' AND cause = 'apology')) AS apologies,
        -- Clocks of two machines differ by less than this.
        groupArrayIf(fact, occurred_at > recorded_at + INTERVAL 5 MINUTE) AS ahead
    FROM facts
    GROUP BY dossier_id
),
states AS
(
    SELECT *, toString(unit_id) AS unit
    FROM core.dossiers FINAL
    WHERE dossier_id IN (SELECT dossier_id FROM recent)
),
orders AS
(
    SELECT found.1 AS code, dossier_id, found.2 AS fact
    FROM
    (
        SELECT
            dossier_id,
            arrayJoin(arrayConcat(
                if(acceptances > 0 AND finishes > 0 AND finished.1 < accepted_at, [('finished_before_acceptance', finished)], []),
                if(finishes > 0 AND deliveries > 0 AND delivered.1 < finished.1, [('delivered_before_finish', delivered)], []),
                if(length(apologies) > 1, [('second_apology', apologies[2])], []),
                if(registered_twice, [('code_reused', registered_last)], []),
                if(accepted_twice, [('code_reused', accepted_last)], []),
                arrayMap(each -> ('ahead_of_clock', each), ahead))) AS found
        FROM firsts
    )
    UNION ALL
    SELECT
        'apology_after_due',
        dossier_id,
        (toTimeZone(change_ats[at], 'Asia/Ho_Chi_Minh'), unit, '', 'due_changed')
    FROM
    (
        -- The promise in force is the last one before the letter that is not itself a letter's: that excuses nothing.
        SELECT
            dossier_id,
            unit,
            change_ats,
            arrayJoin(arrayFilter(n -> change_causes[n] = 'apology', arrayEnumerate(change_causes))) AS at,
            arrayLastIndex((cause, n) -> cause != 'apology' AND n < at, change_causes, arrayEnumerate(change_causes)) AS promise,
            change_closes_ats
        FROM states
    )
    WHERE promise > 0 AND ifNull(change_ats[at] > change_closes_ats[promise], 0)
    UNION ALL
    SELECT anomaly.1, dossier_id, (last_at, unit, '', anomaly.2)
    FROM
    (
        SELECT
            dossier_id,
            unit,
            arrayJoin(arrayZip(arrayMap(code -> toString(code), anomaly_codes), arrayMap(kind -> toString(kind), anomaly_kinds))) AS anomaly
        FROM states
    ) AS kept
    INNER JOIN
    (
        SELECT dossier_id, kind, max(occurred_at) AS last_at
        FROM facts
        WHERE dossier_id IN (SELECT dossier_id FROM states WHERE notEmpty(anomaly_codes))
        GROUP BY dossier_id, kind
    ) AS newest
        ON newest.dossier_id = kept.dossier_id AND newest.kind = kept.anomaly.2
    UNION ALL
    SELECT 'root_unknown', dossier_id, (toTimeZone(ifNull(accepted_at, assumeNotNull(registered_at)), 'Asia/Ho_Chi_Minh'), unit, '', 'accepted')
    FROM states
    WHERE root_id != '' AND root_id NOT IN (SELECT dossier_id FROM core.dossiers FINAL)
)
SELECT code, dossier_id, fact.2 AS unit_id, fact.4 AS kind, fact.3 AS source, fact.1 AS occurred_at
FROM orders
COMMENT 'Trình tự không thể xảy ra hoặc trái quy định, theo hồ sơ và đơn vị / Orders that cannot have happened or that the rules forbid, by dossier and unit';
