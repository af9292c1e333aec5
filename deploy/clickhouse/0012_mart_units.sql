-- Units with the places above them, and where their figures are shown today.
--
-- A unit that was merged is followed to its one successor, again and again. One that was split, or ended without a
-- successor, belongs to nobody: it stays itself, under the place that its successors share, or else under the nearest
-- place above it that is still there. Paths stop at a unit that they have passed: cycles are the checks' business.

CREATE OR REPLACE VIEW mart.units
(
    unit_id String COMMENT 'Mã đơn vị / Unit code',
    name_vi String COMMENT 'Tên đơn vị / Name in Vietnamese',
    name_en String COMMENT 'Tên tiếng Anh / Name in English',
    level String COMMENT 'Cấp: province, district, commune, office / Level: province, district, commune, or an office of one of these',
    parent_id String COMMENT 'Đơn vị cấp trên, rỗng nếu không có / Unit above, empty when there is none',
    path Array(String) COMMENT 'Đơn vị và mọi cấp trên, từ dưới lên / The unit and all above it, upwards',
    commune_id String COMMENT 'Cấp xã, rỗng nếu không có / Commune that it is or belongs to, empty when there is none',
    commune_name_vi String COMMENT 'Tên cấp xã / Name of the commune in Vietnamese',
    commune_name_en String COMMENT 'Tên cấp xã bằng tiếng Anh / Name of the commune in English',
    district_id String COMMENT 'Cấp huyện, rỗng nếu không có / District that it is or belongs to, empty when there is none',
    district_name_vi String COMMENT 'Tên cấp huyện / Name of the district in Vietnamese',
    district_name_en String COMMENT 'Tên cấp huyện bằng tiếng Anh / Name of the district in English',
    province_id String COMMENT 'Cấp tỉnh, rỗng nếu không có / Province that it is or belongs to, empty when there is none',
    province_name_vi String COMMENT 'Tên cấp tỉnh / Name of the province in Vietnamese',
    province_name_en String COMMENT 'Tên cấp tỉnh bằng tiếng Anh / Name of the province in English',
    valid_from Nullable(Date32) COMMENT 'Ngày đầu, NULL nếu từ trước / First day, NULL: since ever',
    valid_to Nullable(Date32) COMMENT 'Ngày cuối, NULL nếu còn hoạt động / Last day, NULL: still there',
    successor_ids Array(String) COMMENT 'Đơn vị kế thừa; nhiều đơn vị nếu bị chia tách / Successors; several when it was split',
    is_current UInt8 COMMENT '1: còn hoạt động hôm nay / 1: there today',
    now_id String COMMENT 'Đơn vị mang số liệu hôm nay: đơn vị kế thừa duy nhất, hoặc chính nó / Unit that its figures are shown under today: its one successor, or itself',
    now_parent_id String COMMENT 'Cấp trên của đơn vị đó hôm nay / Place above that one today',
    is_split UInt8 COMMENT '1: đơn vị mang số liệu đã bị chia tách, không thuộc riêng đơn vị nào / 1: the one they are shown under was split, its history belongs to none of its successors',
    synthetic Bool COMMENT 'Mã không có nguồn công khai / Its code is given by no public source'
)
AS WITH RECURSIVE
    units AS
    (
        SELECT *, ifNull(valid_to < toDate32(now('Asia/Ho_Chi_Minh')), false) AS has_ended
        FROM core.units FINAL
    ),
    above AS
    (
        SELECT unit_id, [unit_id] AS path, parent_id AS next FROM units
        UNION ALL
        SELECT above.unit_id, arrayPushBack(above.path, units.unit_id), units.parent_id
        FROM above INNER JOIN units ON units.unit_id = above.next
        WHERE NOT has(above.path, units.unit_id)
    ),
    later AS
    (
        SELECT unit_id, [unit_id] AS path FROM units
        UNION ALL
        SELECT later.unit_id, arrayPushBack(later.path, units.successor_ids[1])
        FROM later INNER JOIN units ON units.unit_id = later.path[-1]
        WHERE units.has_ended AND length(units.successor_ids) = 1 AND NOT has(later.path, units.successor_ids[1])
    ),
    places AS
    (
        SELECT
            steps.unit_id AS unit_id,
            arraySort(place -> indexOf(path, place.1), groupArray((units.unit_id, toString(units.level), units.name_vi, units.name_en, units.has_ended))) AS up
        FROM (SELECT unit_id, argMax(path, length(path)) AS path FROM above GROUP BY unit_id) AS steps
        ARRAY JOIN path AS step
        INNER JOIN units ON units.unit_id = step
        GROUP BY steps.unit_id, path
    ),
    shares AS
    (
        SELECT split.unit_id AS unit_id, if(uniqExact(units.parent_id) = 1, any(units.parent_id), '') AS parent_id
        FROM (SELECT unit_id, arrayJoin(successor_ids) AS successor_id FROM units) AS split
        INNER JOIN units ON units.unit_id = split.successor_id
        GROUP BY split.unit_id
    )
SELECT
    units.unit_id AS unit_id,
    units.name_vi AS name_vi,
    units.name_en AS name_en,
    toString(units.level) AS level,
    units.parent_id AS parent_id,
    places.up.1 AS path,
    (arrayFirst(place -> place.2 = 'commune', places.up) AS commune).1 AS commune_id,
    commune.3 AS commune_name_vi,
    commune.4 AS commune_name_en,
    (arrayFirst(place -> place.2 = 'district', places.up) AS district).1 AS district_id,
    district.3 AS district_name_vi,
    district.4 AS district_name_en,
    (arrayFirst(place -> place.2 = 'province', places.up) AS province).1 AS province_id,
    province.3 AS province_name_vi,
    province.4 AS province_name_en,
    units.valid_from AS valid_from,
    units.valid_to AS valid_to,
    units.successor_ids AS successor_ids,
    NOT units.has_ended AS is_current,
    followed.now_id AS now_id,
    multiIf(
        NOT heirs.has_ended, heirs.parent_id,
        shares.parent_id != '', shares.parent_id,
        arrayFirst(place -> NOT place.5, places.up).1) AS now_parent_id,
    heirs.has_ended AND length(heirs.successor_ids) > 1 AS is_split,
    units.synthetic AS synthetic
FROM units
INNER JOIN places ON places.unit_id = units.unit_id
INNER JOIN (SELECT unit_id, argMax(path, length(path))[-1] AS now_id FROM later GROUP BY unit_id) AS followed
    ON followed.unit_id = units.unit_id
LEFT JOIN units AS heirs ON heirs.unit_id = followed.now_id
LEFT JOIN shares ON shares.unit_id = followed.now_id
COMMENT 'Đơn vị, các cấp trên, và nơi xem số liệu của đơn vị hôm nay / Units, the places above them, and where their figures are shown today';
