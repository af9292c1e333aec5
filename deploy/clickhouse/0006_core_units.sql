-- Reference data: names and hierarchy of the units.

CREATE TABLE IF NOT EXISTS core.units
(
    unit_id String COMMENT 'Mã đơn vị / Unit code',
    name_vi String COMMENT 'Tên đơn vị / Name in Vietnamese',
    name_en String COMMENT 'Tên tiếng Anh / Name in English',
    parent_id String COMMENT 'Đơn vị cấp trên, rỗng nếu không có / Unit above, empty when there is none',
    kpart UInt32 COMMENT 'Phân vùng của units / Partition of units',
    koffset Int64 COMMENT 'Vị trí trong units, cũng là phiên bản / Offset in units, which is the version',
    is_deleted UInt8 COMMENT '1: đã bị xóa / 1: deleted',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'Thời điểm nạp / When it was inserted here'
)
ENGINE = ReplacingMergeTree(koffset, is_deleted)
ORDER BY unit_id
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Danh mục đơn vị; đọc với FINAL / Units; read with FINAL';
