-- Dossier codes are agency, day and number of the day (Thông tư 01/2018 Art. 19), so a lost event leaves a hole behind it.
-- Codes of another form are not looked at. A four-digit number begins at 1 each day; a longer one may run on from day to
-- day, so of those only holes between two codes of a day are told.
--
--     SELECT * FROM mart.sequence_gaps(since = today() - 30)

CREATE OR REPLACE VIEW mart.dossier_codes
(
    dossier_id String COMMENT 'Mã hồ sơ / Dossier code',
    unit_id String COMMENT 'Đơn vị chịu trách nhiệm / Unit accountable',
    agency String COMMENT 'Mã cơ quan trong mã hồ sơ / Agency in the code',
    code_date Nullable(Date) COMMENT 'Ngày trong mã hồ sơ, NULL nếu không có ngày đó / Day in the code; NULL: there is no such day',
    number UInt32 COMMENT 'Số thứ tự trong ngày / Number of the day',
    digits UInt64 COMMENT 'Số chữ số của số thứ tự / Digits of the number',
    registered_on Nullable(Date) COMMENT 'Ngày đăng ký / Day of registration',
    accepted_on Nullable(Date) COMMENT 'Ngày tiếp nhận / Day of acceptance'
)
AS SELECT
    dossier_id,
    unit_id,
    agency,
    if(replaceAll(toString(parsed), '-', '') = day_text, parsed, NULL) AS code_date,
    number,
    digits,
    registered_on,
    accepted_on
FROM
(
    SELECT
        dossier_id,
        toString(unit_id) AS unit_id,
        extractGroups(dossier_id, '^(\\d{3}\\.\\d{2}\\.\\d{2}\\.[A-Z]\\d{2}|[A-Z]\\d{2}(?:\\.[0-9A-Z]{1,3}){0,8})-(\\d{6}|\\d{8})-(\\d{4,7})$') AS parts,
        parts[1] AS agency,
        if(length(parts[2]) = 6, concat('20', parts[2]), parts[2]) AS day_text,
        toDateOrNull(concat(substring(day_text, 1, 4), '-', substring(day_text, 5, 2), '-', substring(day_text, 7, 2))) AS parsed,
        toUInt32(parts[3]) AS number,
        length(parts[3]) AS digits,
        toDate(registered_at, 'Asia/Ho_Chi_Minh') AS registered_on,
        toDate(accepted_at, 'Asia/Ho_Chi_Minh') AS accepted_on
    FROM core.dossiers FINAL
    WHERE notEmpty(extractGroups(dossier_id, '^(\\d{3}\\.\\d{2}\\.\\d{2}\\.[A-Z]\\d{2}|[A-Z]\\d{2}(?:\\.[0-9A-Z]{1,3}){0,8})-(\\d{6}|\\d{8})-(\\d{4,7})$'))
)
COMMENT 'Mã hồ sơ đúng mẫu, tách thành phần / Dossier codes of the usual form, in their parts';

CREATE OR REPLACE VIEW mart.sequence_gaps
(
    agency String COMMENT 'Mã cơ quan trong mã hồ sơ / Agency in the code',
    code_date Date COMMENT 'Ngày trong mã hồ sơ / Day in the code',
    missing_from UInt32 COMMENT 'Số thiếu đầu tiên / First missing number',
    missing_to UInt32 COMMENT 'Số thiếu cuối cùng / Last missing number',
    missing UInt32 COMMENT 'Số lượng thiếu / How many',
    next_dossier_id String COMMENT 'Hồ sơ ngay sau khoảng trống / Dossier right after the hole',
    unit_ids Array(String) COMMENT 'Các đơn vị có hồ sơ cùng cơ quan và ngày đó / Units with dossiers of this agency and day'
)
AS SELECT
    agency,
    code_date,
    toUInt32(previous + 1) AS missing_from,
    toUInt32(number - 1) AS missing_to,
    toUInt32(number - previous - 1) AS missing,
    dossier_id AS next_dossier_id,
    arraySort(units) AS unit_ids
FROM
(
    SELECT
        agency,
        assumeNotNull(codes.code_date) AS code_date,
        number,
        dossier_id,
        lagInFrame(number, 1, toUInt32(if(digits = 4, 0, number - 1))) OVER (
            PARTITION BY agency, codes.code_date, digits ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS previous,
        groupUniqArray(unit_id) OVER (PARTITION BY agency, codes.code_date) AS units
    FROM mart.dossier_codes AS codes
    WHERE codes.code_date >= {since:Date}
)
WHERE number > previous + 1
COMMENT 'Số thứ tự bị thiếu trong ngày theo cơ quan / Missing numbers of a day, per agency';

CREATE OR REPLACE VIEW mart.code_date_mismatches
(
    dossier_id String COMMENT 'Mã hồ sơ / Dossier code',
    unit_id String COMMENT 'Đơn vị chịu trách nhiệm / Unit accountable',
    code_date Nullable(Date) COMMENT 'Ngày trong mã hồ sơ, NULL nếu không có ngày đó / Day in the code; NULL: there is no such day',
    registered_on Nullable(Date) COMMENT 'Ngày đăng ký / Day of registration',
    accepted_on Date COMMENT 'Ngày tiếp nhận / Day of acceptance',
    days Nullable(Int64) COMMENT 'Số ngày từ ngày trong mã đến ngày tiếp nhận / Days from the code to the acceptance'
)
AS SELECT
    dossier_id,
    unit_id,
    codes.code_date AS code_date,
    codes.registered_on AS registered_on,
    assumeNotNull(codes.accepted_on) AS accepted_on,
    dateDiff('day', codes.code_date, codes.accepted_on) AS days
FROM mart.dossier_codes AS codes
WHERE codes.accepted_on >= {since:Date}
    AND (isNull(codes.code_date) OR codes.code_date != codes.accepted_on)
    AND NOT ifNull(codes.code_date = codes.registered_on, 0)  -- numbered when it was filed online, accepted later
COMMENT 'Ngày trong mã hồ sơ khác ngày tiếp nhận và ngày đăng ký / Codes whose day is neither that of the acceptance nor that of the registration';
