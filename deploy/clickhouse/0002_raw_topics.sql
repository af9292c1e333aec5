-- Offsets mean something only within one incarnation of a topic. Kafka gives each an id; the first one seen is kept.

CREATE TABLE IF NOT EXISTS raw.topics
(
    table_name String COMMENT 'Bảng được nạp / The table that is filled',
    topic String COMMENT 'Tên chủ đề Kafka / Name of the Kafka topic',
    topic_id UUID COMMENT 'Mã Kafka của chủ đề, đổi khi chủ đề bị tạo lại / Kafka''s id of the topic, other when it is created anew',
    seen_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'Lần đầu nhìn thấy / First seen'
)
ENGINE = MergeTree
ORDER BY (table_name, seen_at)
COMMENT 'Mỗi bảng được nạp từ chủ đề nào / Which topic each table is filled from';
