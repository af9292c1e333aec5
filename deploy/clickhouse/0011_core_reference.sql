-- Reference data: procedures, calendars and policies, as their topics have them.

CREATE TABLE IF NOT EXISTS core.procedures
(
    procedure_id String COMMENT 'Mã thủ tục / Procedure code',
    name_vi String COMMENT 'Tên thủ tục / Name in Vietnamese',
    name_en String COMMENT 'Tên tiếng Anh / Name in English',
    field_id LowCardinality(String) COMMENT 'Mã lĩnh vực / Code of its field',
    field_vi LowCardinality(String) COMMENT 'Lĩnh vực / Field in Vietnamese',
    field_en LowCardinality(String) COMMENT 'Lĩnh vực bằng tiếng Anh / Field in English',
    desk LowCardinality(String) COMMENT 'Nơi tiếp nhận: centre, commune / Which kind of desk takes it in',
    linkage LowCardinality(String) COMMENT 'Liên thông: none, horizontal, two_level, three_level, vertical / Across which levels it is handled',
    online_level UInt8 COMMENT 'Mức độ dịch vụ công trực tuyến, 2 đến 4 / Level of online service, 2 to 4',
    on_national_portal Bool COMMENT 'Có trên Cổng Dịch vụ công quốc gia / On the national portal',
    processing_time_amount Nullable(UInt16) COMMENT 'Thời hạn giải quyết, NULL nếu không rõ / Processing time, NULL when not stated',
    processing_time_unit LowCardinality(Nullable(String)) COMMENT 'Đơn vị thời hạn: working_days, days, months, working_hours, hours / What it counts',
    synthetic Bool COMMENT 'Mã không có nguồn công khai / Its code is given by no public source',
    kpart UInt32 COMMENT 'Phân vùng của procedures / Partition of procedures',
    koffset Int64 COMMENT 'Vị trí trong procedures, cũng là phiên bản / Offset in procedures, which is the version',
    is_deleted UInt8 COMMENT '1: đã bị xóa / 1: deleted',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'Thời điểm nạp / When it was inserted here'
)
ENGINE = ReplacingMergeTree(koffset, is_deleted)
ORDER BY procedure_id
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Danh mục thủ tục; đọc với FINAL / Procedures; read with FINAL';

CREATE TABLE IF NOT EXISTS core.calendars
(
    calendar_id String COMMENT 'Mã lịch làm việc / Calendar',
    zone LowCardinality(String) COMMENT 'Múi giờ / Time zone',
    weekend Array(UInt8) COMMENT 'Ngày nghỉ hằng tuần, 0 là thứ Hai / Days of the week that are off, 0 is Monday',
    hours Array(Array(String)) COMMENT 'Giờ làm việc: từ, đến / Office hours: from, to',
    days_off Array(Date32) COMMENT 'Ngày nghỉ lễ, nghỉ bù, nghỉ hoán đổi / Days off that are not weekend',
    make_up_days Array(Date32) COMMENT 'Ngày làm bù / Days of the weekend that are worked',
    source String COMMENT 'Căn cứ / Source',
    kpart UInt32 COMMENT 'Phân vùng của calendars / Partition of calendars',
    koffset Int64 COMMENT 'Vị trí trong calendars, cũng là phiên bản / Offset in calendars, which is the version',
    is_deleted UInt8 COMMENT '1: đã bị xóa / 1: deleted',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'Thời điểm nạp / When it was inserted here'
)
ENGINE = ReplacingMergeTree(koffset, is_deleted)
ORDER BY calendar_id
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Lịch làm việc; đọc với FINAL / Calendars; read with FINAL';

CREATE TABLE IF NOT EXISTS core.policies
(
    policy_id String COMMENT 'Mã bộ quy tắc / Policy',
    zone LowCardinality(String) COMMENT 'Múi giờ / Time zone',
    on_time LowCardinality(String) COMMENT 'Thế nào là đúng hạn: day, half_day, instant / What on time spans',
    pauses Array(LowCardinality(String)) COMMENT 'Trạng thái tạm dừng thời hạn / Statuses in which the clock stands',
    resume LowCardinality(String) COMMENT 'Hẹn trả sau tạm dừng: shift, shift_days, reset, keep / What the end of a pause does to the promise',
    second_supplement LowCardinality(String) COMMENT 'Yêu cầu bổ sung lần hai: pause, run_on, overdue / What asking for papers a second time does',
    calendar_id String COMMENT 'Lịch làm việc, rỗng nếu tính mọi giờ / Calendar, empty when every hour counts',
    reception_closes Nullable(String) COMMENT 'Tiếp nhận sau giờ này tính từ ngày làm việc sau / What comes in later begins on the next working day',
    due_soon_days UInt16 COMMENT 'Số ngày làm việc trước hạn gọi là sắp đến hạn / Working days before the promise that are due soon',
    year_begins String COMMENT 'Ngày bắt đầu năm báo cáo, tháng-ngày / Month and day on which a reporting year begins',
    source String COMMENT 'Căn cứ / Source',
    kpart UInt32 COMMENT 'Phân vùng của policies / Partition of policies',
    koffset Int64 COMMENT 'Vị trí trong policies, cũng là phiên bản / Offset in policies, which is the version',
    is_deleted UInt8 COMMENT '1: đã bị xóa / 1: deleted',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'Thời điểm nạp / When it was inserted here'
)
ENGINE = ReplacingMergeTree(koffset, is_deleted)
ORDER BY policy_id
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Bộ quy tắc thời hạn; đọc với FINAL / Policies; read with FINAL';
