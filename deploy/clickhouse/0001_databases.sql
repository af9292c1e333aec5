-- Three layers, one direction: raw -> core -> mart.

CREATE DATABASE IF NOT EXISTS raw
COMMENT 'Lớp gốc: mọi bản ghi đúng như trong nhật ký / Raw layer: every record exactly as it is in the log';

CREATE DATABASE IF NOT EXISTS core
COMMENT 'Lớp lõi: sự kiện và hồ sơ đã định kiểu / Core layer: typed events and dossiers';

CREATE DATABASE IF NOT EXISTS mart
COMMENT 'Lớp khai thác: chỉ gồm khung nhìn cho người phân tích / Mart layer: views only, what analysts see';
