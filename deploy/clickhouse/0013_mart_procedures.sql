-- The catalogue of procedures as analysts see it.

CREATE OR REPLACE VIEW mart.procedures
(
    procedure_id String COMMENT 'Mã thủ tục / Procedure code',
    name_vi String COMMENT 'Tên thủ tục / Name in Vietnamese',
    name_en String COMMENT 'Tên tiếng Anh / Name in English',
    field_id String COMMENT 'Mã lĩnh vực / Code of its field',
    field_vi String COMMENT 'Lĩnh vực / Field in Vietnamese',
    field_en String COMMENT 'Lĩnh vực bằng tiếng Anh / Field in English',
    desk String COMMENT 'Nơi tiếp nhận: centre, commune / Which kind of desk takes it in',
    linkage String COMMENT 'Liên thông, mã / Across which levels it is handled, a code',
    linkage_vi String COMMENT 'Liên thông / Linkage in Vietnamese',
    online_level UInt8 COMMENT 'Mức độ dịch vụ công trực tuyến, 2 đến 4 / Level of online service, 2 to 4',
    is_online UInt8 COMMENT '1: mức độ 3 hoặc 4 / 1: level 3 or 4, filed online',
    on_national_portal Bool COMMENT 'Có trên Cổng Dịch vụ công quốc gia / On the national portal',
    processing_time_amount Nullable(UInt16) COMMENT 'Thời hạn giải quyết, NULL nếu không rõ / Processing time, NULL when not stated',
    processing_time_unit Nullable(String) COMMENT 'Đơn vị thời hạn: working_days, days, months, working_hours, hours / What it counts',
    synthetic Bool COMMENT 'Mã không có nguồn công khai / Its code is given by no public source'
)
AS SELECT
    procedure_id,
    name_vi,
    name_en,
    toString(procedures.field_id) AS field_id,
    toString(procedures.field_vi) AS field_vi,
    toString(procedures.field_en) AS field_en,
    toString(procedures.desk) AS desk,
    toString(procedures.linkage) AS linkage,
    transform(linkage,
        ['none', 'horizontal', 'two_level', 'three_level', 'vertical'],
        ['Không liên thông', 'Liên thông ngang', 'Liên thông 2 cấp', 'Liên thông 3 cấp', 'Cơ quan ngành dọc'],
        linkage) AS linkage_vi,
    online_level,
    online_level >= 3 AS is_online,
    on_national_portal,
    processing_time_amount,
    CAST(procedures.processing_time_unit, 'Nullable(String)') AS processing_time_unit,
    synthetic
FROM core.procedures AS procedures FINAL
COMMENT 'Danh mục thủ tục hành chính / The catalogue of procedures';
