-- Reference data: the units, their places in the hierarchy and in time, and the rules that they go by.

CREATE TABLE IF NOT EXISTS core.units
(
    unit_id String COMMENT 'Mã đơn vị / Unit code',
    name_vi String COMMENT 'Tên đơn vị / Name in Vietnamese',
    name_en String COMMENT 'Tên tiếng Anh / Name in English',
    parent_id String COMMENT 'Đơn vị cấp trên, rỗng nếu không có / Unit above, empty when there is none',
    level LowCardinality(String) COMMENT 'Cấp: province, district, commune, office / Level: province, district, commune, or an office of one of these',
    valid_from Nullable(Date32) COMMENT 'Ngày đầu, NULL nếu từ trước / First day, NULL: since ever',
    valid_to Nullable(Date32) COMMENT 'Ngày cuối, NULL nếu còn hoạt động / Last day, NULL: still there',
    successor_ids Array(String) COMMENT 'Đơn vị kế thừa; nhiều đơn vị nếu bị chia tách / Successors; several when it was split',
    rules Array(Tuple(valid_from Date32, policy_id String, calendar_id String)) COMMENT 'Bộ quy tắc và lịch áp dụng từ ngày; lịch rỗng: theo bộ quy tắc / Policy and calendar from a day on; empty calendar: the policy''s',
    synthetic Bool COMMENT 'Mã không có nguồn công khai / Its code is given by no public source',
    kpart UInt32 COMMENT 'Phân vùng của units / Partition of units',
    koffset Int64 COMMENT 'Vị trí trong units, cũng là phiên bản / Offset in units, which is the version',
    is_deleted UInt8 COMMENT '1: đã bị xóa / 1: deleted',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'Thời điểm nạp / When it was inserted here'
)
ENGINE = ReplacingMergeTree(koffset, is_deleted)
ORDER BY unit_id
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Danh mục đơn vị; đọc với FINAL / Units; read with FINAL';
