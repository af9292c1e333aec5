-- One row per count: a dossier adds one to a counter of a unit on a day. Any sum of `mart.unit_daily` opens into the
-- dossiers behind it, and from there into their records by `core.events`.

CREATE OR REPLACE VIEW mart.flow_dossiers
(
    dossier_id String COMMENT 'Mã hồ sơ / Dossier code',
    unit_id String COMMENT 'Đơn vị được tính / Unit for which it counts',
    day Date COMMENT 'Ngày được tính / Day on which it counts',
    counter String COMMENT 'Chỉ tiêu được cộng một / Counter to which it adds one',
    procedure_id String COMMENT 'Mã thủ tục / Procedure code',
    is_linked UInt8 COMMENT '1: hồ sơ liên thông có gốc ở nơi khác / 1: opened for a root dossier elsewhere',
    policy_id String COMMENT 'Bộ quy tắc thời hạn / Policy that judged it',
    calendar_id String COMMENT 'Lịch làm việc / Calendar it was judged by',
    kpart UInt32 COMMENT 'Phân vùng của hồ sơ trong dossier-events / Partition of the dossier in dossier-events',
    event_offset Int64 COMMENT 'Vị trí sự kiện cuối trong dossier-events / Offset in dossier-events of its last event'
)
AS SELECT
    dossier_id,
    toString(flow_unit) AS unit_id,
    flow_day AS day,
    toString(flow_counter) AS counter,
    toString(procedure_id) AS procedure_id,
    root_id != '' AS is_linked,
    toString(policy_id) AS policy_id,
    toString(calendar_id) AS calendar_id,
    kpart, -- a state lies in the partition of its events
    event_offset
FROM
(
    SELECT dossier_id, procedure_id, root_id, policy_id, calendar_id, kpart, event_offset, flow_days, flow_units, flow_counters
    FROM core.dossiers FINAL
) AS dossiers
ARRAY JOIN flow_days AS flow_day, flow_units AS flow_unit, flow_counters AS flow_counter
COMMENT 'Mỗi lần hồ sơ được tính một dòng / One row per count of a dossier: what any sum of flows is made of';
