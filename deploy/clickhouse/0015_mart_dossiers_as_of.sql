-- Every dossier received by the end of a local day, as it stood then and as is known now. Nothing is decided anew: what
-- had happened by then are the flows up to that day, and the promise and the pauses of that instant are picked from the
-- moments that the core left. A day that is not over yet stands at this moment.
-- Marks and how often papers were asked for are not kept by time: they are those of now.

CREATE OR REPLACE VIEW mart.dossiers_as_of
(
    dossier_id String COMMENT 'Mã hồ sơ / Dossier code',
    as_of DateTime64(6, 'Asia/Ho_Chi_Minh') COMMENT 'Thời điểm xét: cuối ngày, hoặc lúc này nếu ngày chưa hết / Instant: the end of the day, or this moment when it is not over',
    unit_id String COMMENT 'Đơn vị chịu trách nhiệm khi đó / Unit accountable then',
    procedure_id String COMMENT 'Mã thủ tục / Procedure code',
    channel String COMMENT 'Kênh tiếp nhận / Channel of reception',
    root_id String COMMENT 'Hồ sơ gốc, nếu là hồ sơ liên thông / Root dossier, when this one was opened for it at another level',
    received_on Date COMMENT 'Ngày tiếp nhận / Day on which it counts as received',
    is_open UInt8 COMMENT '1: khi đó chưa kết thúc / 1: not ended then',
    resolved_on Nullable(Date) COMMENT 'Ngày giải quyết, nếu khi đó đã kết thúc / Day on which it counts as resolved, when it had ended',
    timeliness String COMMENT 'early, on_time, overdue, undated khi đã đóng; within_due, overdue, paused, undated khi đang mở / Timeliness then, closed or open',
    outcome String COMMENT 'Kết quả giải quyết, rỗng nếu đang mở / Outcome, empty while open',
    is_apologised UInt8 COMMENT '1: khi đó đã có phiếu xin lỗi / 1: a letter of apology had been sent',
    due_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Hẹn trả khi đó / Promise in force then',
    closes_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Quá hạn sau lúc này, theo hẹn trả khi đó / Overdue after then, by the promise in force',
    paused_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Tạm dừng từ, nếu khi đó đang tạm dừng / Paused since, when it was paused then',
    accepted_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Tiếp nhận / Accepted',
    ended_at Nullable(DateTime64(6, 'Asia/Ho_Chi_Minh')) COMMENT 'Đồng hồ dừng; rỗng nếu đang mở, hoặc sau đó được xử lý lại và không còn biết / When the clock stopped; NULL while open, or when it was reopened since and this is not known any more',
    pause_starts Array(DateTime64(6, 'UTC')) COMMENT 'Các lần tạm dừng đã xong khi đó: từ / Pauses that had ended by then: from',
    pause_ends Array(DateTime64(6, 'UTC')) COMMENT 'Các lần tạm dừng đã xong khi đó: đến / Pauses that had ended by then: to',
    supplements UInt16 COMMENT 'Số lần yêu cầu bổ sung, đến nay / How often papers were asked for, up to now',
    marks Array(String) COMMENT 'Dấu hiệu cho các chỉ số QĐ 766, đến nay / Marks for the indicators of QD 766, up to now',
    policy_id String COMMENT 'Bộ quy tắc thời hạn / Policy that judged it',
    calendar_id String COMMENT 'Lịch làm việc / Calendar it was judged by',
    event_offset Int64 COMMENT 'Vị trí sự kiện cuối trong dossier-events, đến nay / Offset in dossier-events of its last event, up to now',
    flow_days Array(Date) COMMENT 'Những gì đã được tính đến khi đó: ngày / What it had counted by then: on which day',
    flow_units Array(String) COMMENT 'Cho đơn vị / For which unit',
    flow_counters Array(String) COMMENT 'Chỉ tiêu / To which counter'
)
AS WITH
    least(toDateTime64(toStartOfDay(toDateTime({day:Date} + 1, 'Asia/Ho_Chi_Minh')), 6, 'Asia/Ho_Chi_Minh')
        - toIntervalMicrosecond(1), now64(6, 'Asia/Ho_Chi_Minh')) AS instant,
    arrayFilter(on -> on <= {day:Date}, dossiers.flow_days) AS days,
    arrayMap(unit -> toString(unit), arrayFilter((unit, on) -> on <= {day:Date}, dossiers.flow_units, dossiers.flow_days)) AS units,
    arrayMap(counter -> toString(counter), arrayFilter((counter, on) -> on <= {day:Date}, dossiers.flow_counters, dossiers.flow_days)) AS counters,
    arrayFirstIndex(counter -> startsWith(counter, 'received_'), counters) AS received_index,
    arrayLastIndex(counter -> startsWith(counter, 'resolved_'), counters) AS resolved_index,
    arrayLastIndex(at -> at <= instant, dossiers.change_ats) AS change_index,
    arrayLastIndex((at, cause) -> at <= instant AND cause != 'apology', dossiers.change_ats, dossiers.change_causes) AS promise_index,
    arrayFirstIndex((start, end) -> start <= instant AND end > instant, dossiers.pause_starts, dossiers.pause_ends) AS pause_index
SELECT
    dossier_id,
    instant AS as_of,
    arrayElement(units, -1) AS unit_id,
    CAST(dossiers.procedure_id, 'String') AS procedure_id,
    CAST(dossiers.channel, 'String') AS channel,
    root_id,
    days[received_index] AS received_on,
    resolved_index <= arrayLastIndex(counter -> counter = 'reopened', counters) AS is_open,
    if(is_open, NULL, days[resolved_index]) AS resolved_on,
    multiIf(
        NOT is_open, substring(counters[resolved_index], 10),
        isNotNull(paused_at), 'paused',
        isNull(closes_at), 'undated',
        as_of > closes_at, 'overdue',
        'within_due') AS timeliness,
    if(is_open, '', substring(counters[resolved_index + 1], 9)) AS outcome,
    if(is_open,
        arrayExists((at, cause) -> at <= instant AND cause = 'apology', dossiers.change_ats, dossiers.change_causes),
        counters[resolved_index + 2] = 'overdue_apologised') AS is_apologised,
    toTimeZone(if(empty(dossiers.change_ats), dossiers.due_at,
        if(promise_index = 0, NULL, dossiers.change_due_ats[promise_index])), 'Asia/Ho_Chi_Minh') AS due_at,
    toTimeZone(if(empty(dossiers.change_ats), dossiers.closes_at,
        dossiers.change_closes_ats[change_index]), 'Asia/Ho_Chi_Minh') AS closes_at,
    toTimeZone(multiIf(
        NOT is_open, NULL,
        pause_index > 0, toNullable(dossiers.pause_starts[pause_index]),
        dossiers.paused_at <= instant, dossiers.paused_at,
        NULL), 'Asia/Ho_Chi_Minh') AS paused_at,
    toTimeZone(dossiers.accepted_at, 'Asia/Ho_Chi_Minh') AS accepted_at,
    toTimeZone(multiIf(
        is_open, NULL,
        dossiers.ended_at <= instant, dossiers.ended_at,
        toDate(dossiers.first_finished_at, 'Asia/Ho_Chi_Minh') = resolved_on, dossiers.first_finished_at,
        NULL), 'Asia/Ho_Chi_Minh') AS ended_at,
    arrayFilter((start, end) -> end <= instant, dossiers.pause_starts, dossiers.pause_ends) AS pause_starts,
    arrayFilter(end -> end <= instant, dossiers.pause_ends) AS pause_ends,
    supplements,
    arrayMap(mark -> toString(mark), dossiers.marks) AS marks,
    CAST(dossiers.policy_id, 'String') AS policy_id,
    CAST(dossiers.calendar_id, 'String') AS calendar_id,
    event_offset,
    days AS flow_days,
    units AS flow_units,
    counters AS flow_counters
FROM (SELECT * FROM core.dossiers FINAL) AS dossiers
WHERE received_index > 0
COMMENT 'Hồ sơ đã tiếp nhận, theo tình trạng cuối ngày {day} / Dossiers received, as they stood at the end of {day}: mart.dossiers_as_of(day = ''2021-12-31'')';
