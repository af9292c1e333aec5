// Every text of the page in both languages; the words are those of report form II.06a.

export const TEXTS = {
  vi: {
    kicker: "Hồ sơ thủ tục hành chính",
    everywhere: "Tất cả đơn vị",
    asOf: "Số liệu tính đến",
    period: "Kỳ",
    today: "Hôm nay",
    year: (year) => `Năm ${year}`,
    all: "Tất cả",
    otherLanguage: "English",
    received: "Đã tiếp nhận",
    receivedNote: "gồm kỳ trước chuyển sang",
    opening: "Kỳ trước chuyển sang",
    online: "Trực tuyến",
    direct: "Trực tiếp",
    postal: "Bưu chính",
    moved: "Chuyển đến, mở lại",
    registered: "Chờ tiếp nhận",
    resolved: "Đã giải quyết",
    early: "Trước hạn",
    onTime: "Đúng hạn",
    overdue: "Quá hạn",
    undated: "Không hẹn ngày",
    open: "Đang giải quyết",
    openNote: "tại thời điểm tính số liệu",
    within: "Trong hạn",
    soon: "Sắp đến hạn",
    soonTip: "trong một ngày làm việc trước khi hết hạn, hoặc theo quy tắc của đơn vị",
    paused: "Tạm dừng",
    caption: "Số liệu từng đơn vị",
    unit: "Đơn vị",
    workload: "Tiếp nhận",
    sum: "Tổng",
    shares: "Tỷ lệ",
    percentEarly: "% trước hạn",
    formula: "% trước hạn = giải quyết trước hạn ÷ đã giải quyết",
    legend: "0 là không có hồ sơ; — là chưa có số liệu.",
    noData: "chưa có số liệu",
    fields: "Theo lĩnh vực",
    fieldsOf: (unit) => `Xem theo lĩnh vực: ${unit}`,
    fieldsLoading: "đang tải…",
    fieldsFailed: "không tải được, đang thử lại",
    fieldsNone: "không có hồ sơ nào trong kỳ",
    fieldsToday: "chỉ có số đang giải quyết; số phát sinh theo lĩnh vực tính theo năm",
    nothingResolved: "chưa giải quyết hồ sơ nào",
    notCounted: "chưa tính vào đã tiếp nhận",
    movedFormula: "chuyển đến + mở lại − chuyển đi",
    live: "Đang cập nhật",
    waiting: (events) => `${events} sự kiện chờ tính`,
    lagUnknown: "không rõ số sự kiện chờ tính",
    behind: "Đang đuổi kịp",
    behindNotice: (events, wait) => `Còn ${events} sự kiện chưa tính, chậm ${wait}: số liệu sẽ còn tăng.`,
    stale: "Ngừng cập nhật",
    staleNotice: (since) => `Không còn tín hiệu từ bộ xử lý từ ${since}. Số liệu bên dưới có thể đã cũ.`,
    brokerNotice: (since) => `Không liên lạc được với Kafka, tín hiệu cuối lúc ${since}. Số liệu bên dưới có thể đã cũ.`,
    noDataState: "Chưa có số liệu",
    noDataNotice: "Chưa nhận được số liệu nào từ bộ xử lý.",
    connecting: "Đang kết nối…",
    offline: "Mất kết nối",
    offlineNotice: (since) => `Mất kết nối với máy chủ từ ${since}, đang tự nối lại. Số liệu bên dưới có thể đã cũ.`,
    seconds: (n) => `${n} giây`,
    minutes: (n) => `${n} phút`,
  },
  en: {
    kicker: "Administrative dossiers",
    everywhere: "All units",
    asOf: "As of",
    period: "Period",
    today: "Today",
    year: (year) => year,
    all: "All time",
    otherLanguage: "Tiếng Việt",
    received: "Received",
    receivedNote: "including those carried over",
    opening: "Carried over",
    online: "Online",
    direct: "At the counter",
    postal: "By post",
    moved: "Moved in, reopened",
    registered: "To be accepted",
    resolved: "Resolved",
    early: "Early",
    onTime: "On time",
    overdue: "Overdue",
    undated: "Undated",
    open: "In progress",
    openNote: "at the instant of these numbers",
    within: "Within due",
    soon: "Due soon",
    soonTip: "within a working day before the promise closes, or as the unit's policy says",
    paused: "Paused",
    caption: "Counters of each unit",
    unit: "Unit",
    workload: "Received",
    sum: "Total",
    shares: "Shares",
    percentEarly: "% early",
    formula: "% early = resolved early ÷ resolved",
    legend: "0 means no dossiers; — means no data yet.",
    noData: "no data yet",
    fields: "By field",
    fieldsOf: (unit) => `Show by field: ${unit}`,
    fieldsLoading: "loading…",
    fieldsFailed: "could not be loaded, trying again",
    fieldsNone: "no dossiers in the period",
    fieldsToday: "only those in progress; what happened is counted by field per year",
    nothingResolved: "nothing resolved",
    notCounted: "not counted as received",
    movedFormula: "transferred in + reopened − transferred out",
    live: "Live",
    waiting: (events) => `${events} events waiting`,
    lagUnknown: "events waiting: unknown",
    behind: "Catching up",
    behindNotice: (events, wait) => `${events} events are not counted yet, ${wait} behind: the numbers will still move.`,
    stale: "Stale",
    staleNotice: (since) => `No sign of life from the processor since ${since}. The numbers below may be old.`,
    brokerNotice: (since) => `Kafka cannot be reached; last sign of life at ${since}. The numbers below may be old.`,
    noDataState: "No data yet",
    noDataNotice: "The processor has not sent any numbers yet.",
    connecting: "Connecting…",
    offline: "Disconnected",
    offlineNotice: (since) => `No connection to the server since ${since}, reconnecting. The numbers below may be old.`,
    seconds: (n) => `${n} s`,
    minutes: (n) => `${n} min`,
  },
};

const LOCALE = { vi: "vi-VN", en: "en-GB" };

// Numbers and times as an office writes them: 128.539 and 95,35 % and 31/12/2021 17:00:00; English 128,539 and 95.35 %.
export class Format {
  constructor(language) {
    this.whole = new Intl.NumberFormat(LOCALE[language]);
    this.two = new Intl.NumberFormat(LOCALE[language], { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    this.texts = TEXTS[language];
  }

  number(value) {
    return this.whole.format(value);
  }

  percent(value) {
    return `${this.two.format(value)} %`;
  }

  moment(iso, zone) {
    const options = { timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
      hour: "2-digit", minute: "2-digit", second: "2-digit" };
    const parts = new Intl.DateTimeFormat("en-GB", options).formatToParts(new Date(iso));
    const part = Object.fromEntries(parts.map((each) => [each.type, each.value]));
    return `${part.day}/${part.month}/${part.year} ${part.hour}:${part.minute}:${part.second}`;
  }

  // The office's year of an instant, as the keys of `years` have it.
  year(iso, zone) {
    return this.moment(iso, zone).slice(6, 10);
  }

  wait(seconds) {
    return seconds < 120 ? this.texts.seconds(Math.round(seconds)) : this.texts.minutes(this.number(Math.round(seconds / 60)));
  }
}
