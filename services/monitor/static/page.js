// The wall page: one stream in, numbers out. It has no rule of its own: it picks from what the monitor concluded.

import { FieldRows } from "./fields.js";
import { numbersOf, sumOf } from "./numbers.js";
import { Format, TEXTS } from "./texts.js";

const OFFLINE_AFTER_MS = 4_000; // reconnecting takes 2 s: a shorter gap is not worth a word
const REOPEN_MS = 3_000; // when the browser itself has given up
const MARK_MS = 1_500;

const address = new URLSearchParams(location.search);
const state = {
  language: address.get("lang") === "en" ? "en" : "vi",
  period: address.get("period"), // null: the year of the numbers
  unit: address.get("unit"), // whose fields are shown; null: none
  units: new Map(), // by id, each followed by those below it
  freshness: null,
  page: null, // the build that the server serves
  brokenSince: null, // when the stream broke; null while it is whole
};
let texts = TEXTS[state.language];
let format = new Format(state.language);

const byId = (id) => document.getElementById(id);
const fields = new FieldRows({ makeRow, showNumbers, element });

// ---- the stream

function listen() {
  const stream = new EventSource("v1/stream");
  stream.addEventListener("open", () => { state.brokenSince = null; showState(); });
  stream.addEventListener("error", () => {
    state.brokenSince ??= new Date();
    setTimeout(showState, OFFLINE_AFTER_MS + 50);
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, REOPEN_MS);
  });
  stream.addEventListener("snapshot", (event) => {
    const message = JSON.parse(event.data);
    if (state.page !== null && state.page !== message.page) location.reload();
    state.page = message.page;
    state.units = new Map(message.units.map((unit) => [unit.id, unit]));
    state.freshness = message.freshness;
    buildRows();
    showAll({ mark: false });
    fields.refresh();
  });
  stream.addEventListener("units", (event) => {
    const message = JSON.parse(event.data);
    for (const unit of message.units) state.units.set(unit.id, unit);
    state.freshness = message.freshness;
    showAll({ mark: true });
    if (message.units.some((unit) => unit.id === state.unit)) fields.refresh();
  });
  stream.addEventListener("freshness", (event) => {
    state.freshness = JSON.parse(event.data).freshness;
    showState();
  });
}

// ---- what is shown

const roots = () => [...state.units.values()].filter((unit) => unit.parent_id === null);

// Units of another time are left out while they have no numbers.
function isShown(unit) {
  const day = (state.freshness.as_of ?? new Date().toISOString()).slice(0, 10);
  return unit.stock !== null || ((unit.valid_from ?? day) <= day && day <= (unit.valid_to ?? day));
}

const below = (id) => [...state.units.values()].filter((unit) => unit.parent_id === id && isShown(unit));

// What the page is about: down from the only root while the one place below has all of the numbers, and units of its own.
function topsBelow(above) {
  let tops = below(null);
  for (;;) {
    const next = tops.length === 1 ? below(tops[0].id) : [];
    const holdsAll = next.length === 1 && JSON.stringify(next[0].total) === JSON.stringify(tops[0].total)
      && JSON.stringify(next[0].stock) === JSON.stringify(tops[0].stock);
    if (!holdsAll || below(next[0].id).length === 0) return tops;
    above.add(tops[0].id);
    tops = next;
  }
}

function showAll({ mark }) {
  showPeriods();
  showState();
  const above = new Set();
  const tops = topsBelow(above);
  const place = tops.length === 1 ? nameOf(tops[0]) : texts.everywhere;
  byId("place").textContent = tops.length ? place : "…";
  document.title = tops.length ? `${place} · ${texts.kicker}` : texts.kicker;
  const period = chosenPeriod();
  showNumbers(byId("figures"), sumOf(tops.map((unit) => numbersOf(unit, period))), mark);
  for (const unit of state.units.values()) {
    const row = byId(`unit-${unit.id}`);
    row.hidden = above.has(unit.id) || !isShown(unit);
    row.style.setProperty("--top", above.size);
    showNumbers(row, numbersOf(unit, period), mark);
  }
  showFields();
}

function showFields() {
  const open = state.units.has(state.unit) ? state.unit : null;
  for (const unit of state.units.values()) {
    byId(`unit-${unit.id}`).querySelector(".opens").setAttribute("aria-expanded", unit.id === open);
  }
  fields.show({ unit: open, row: open && byId(`unit-${open}`), period: chosenPeriod(), language: state.language, texts });
}

const nameOf = (unit) => (state.language === "en" ? unit.name_en : unit.name_vi);

// Fills every [data-n] and [data-bar] below `place`; null numbers are a dash, which is not a zero.
function showNumbers(place, numbers, mark) {
  place.classList.toggle("no-data", numbers === null);
  for (const cell of place.querySelectorAll("[data-n]")) {
    const value = numbers === null ? null : numbers[cell.dataset.n];
    const share = cell.dataset.n === "earlyShare";
    if (numbers === null) setText(cell, "—", mark);
    else if (value === null) setText(cell, "", mark); // a share of nothing is neither zero nor unknown
    else setText(cell, share ? format.percent(value) : format.number(value), mark);
    cell.classList.toggle("zero", value === 0 && !share);
    cell.title = numbers === null ? texts.noData : share ? shareFormula(numbers) : "";
  }
  place.classList.toggle("nothing-resolved", numbers?.resolved === 0);
  for (const bar of place.querySelectorAll("[data-bar]")) showBar(bar, numbers);
  const moved = place.querySelector("#moved");
  if (moved) moved.hidden = !numbers?.moved;
}

const shareFormula = ({ early, resolved }) =>
  resolved ? `${texts.formula} = ${format.number(early)} ÷ ${format.number(resolved)}` : texts.nothingResolved;

const BARS = {
  received: { opening: "opening", online: "online", direct: "direct", postal: "postal" },
  resolved: { early: "early", onTime: "on-time", late: "overdue", resolvedUndated: "undated" },
  open: { within: "within", soon: "soon", overdue: "overdue", paused: "paused", undated: "undated" },
};

function showBar(bar, numbers) {
  const parts = BARS[bar.dataset.bar];
  if (!bar.childElementCount) {
    for (const tone of Object.values(parts)) bar.append(element("span", `tone-${tone}`));
  }
  Object.keys(parts).forEach((key, place) => {
    const count = Math.max(0, numbers?.[key] ?? 0);
    bar.children[place].style.flexGrow = count;
    bar.children[place].hidden = count === 0;
  });
}

function setText(cell, text, mark) {
  if (cell.textContent === text) return;
  cell.textContent = text;
  if (!mark) return;
  cell.classList.add("moved");
  clearTimeout(cell.unmark);
  cell.unmark = setTimeout(() => cell.classList.remove("moved"), MARK_MS);
}

const CELLS = [
  ["workload", "workload"], ["resolved", "sum"], [null, "shares"], ["earlyShare", "percentEarly"], ["early", "early"],
  ["onTime", "onTime"], ["late", "overdue"], ["resolvedUndated", "undated"], ["open", "sum"], ["within", "within"],
  ["soon", "soon"], ["overdue", "overdue"], ["paused", "paused"], ["undated", "undated"],
];
// On a phone a row is a card without the table's head: there a total carries its group's name.
const CARD_LABELS = { resolved: "resolved", open: "open" };

function buildRows() {
  const depth = (unit) => (unit?.parent_id == null ? 0 : 1 + depth(state.units.get(unit.parent_id)));
  const parents = new Set([...state.units.values()].map((unit) => unit.parent_id));
  byId("units").replaceChildren(...[...state.units.values()].map((unit) => {
    const opens = element("button", "opens", { type: "button" });
    opens.append(element("span", "label"));
    const row = makeRow(`unit-${unit.id}`, parents.has(unit.id) ? "parent" : "leaf", depth(unit), opens, element("span", "missing"));
    row.addEventListener("click", () => choose({ unit: state.unit === unit.id ? null : unit.id }));
    return row;
  }));
  showTexts();
}

function makeRow(id, kind, depth, ...name) {
  const row = element("tr", kind, { role: "row", id });
  const head = element("th", "name", { role: "rowheader", scope: "row" });
  head.style.setProperty("--depth", depth);
  head.append(...name);
  row.append(head, ...CELLS.map(([key, label]) => {
    const cell = element("td", key ? `number c-${key}` : "c-bar", { role: "cell" });
    if (!key) cell.append(element("div", "bar", { "data-bar": "resolved", "aria-hidden": "true" }));
    else cell.append(element("span", "", { "data-n": key }));
    cell.dataset.t = CARD_LABELS[key] ?? label;
    cell.dataset.label = texts[cell.dataset.t];
    return cell;
  }));
  return row;
}

function showTexts() {
  document.documentElement.lang = state.language;
  for (const place of document.querySelectorAll("[data-t]")) {
    if (place.tagName === "TD") place.dataset.label = texts[place.dataset.t];
    else place.textContent = texts[place.dataset.t];
  }
  for (const place of document.querySelectorAll("[data-tip]")) place.title = texts[place.dataset.tip];
  for (const unit of state.units.values()) {
    const row = byId(`unit-${unit.id}`);
    row.querySelector(".label").textContent = nameOf(unit);
    row.querySelector(".missing").textContent = texts.noData;
    row.querySelector(".opens").title = texts.fieldsOf(nameOf(unit));
  }
  const other = state.language === "vi" ? "en" : "vi";
  Object.assign(byId("language"), { textContent: texts.otherLanguage, lang: other, hreflang: other, href: `?lang=${other}` });
}

// ---- how far the numbers can be trusted

function showState() {
  const { freshness, brokenSince } = state;
  const offline = brokenSince !== null && Date.now() - brokenSince.getTime() >= OFFLINE_AFTER_MS;
  const name = offline ? "offline" : (freshness?.state ?? "connecting");
  document.body.dataset.state = name;
  const words = { offline: texts.offline, no_data: texts.noDataState, stale: texts.stale, behind: texts.behind, live: texts.live };
  byId("state").textContent = words[name] ?? texts.connecting;
  if (freshness) {
    const { as_of: asOf, lag_events: lag, zone } = freshness;
    byId("as-of").textContent = asOf ? format.moment(asOf, zone) : "—";
    byId("as-of").dateTime = asOf ?? "";
    byId("lag").textContent = lag === null ? texts.lagUnknown : texts.waiting(format.number(lag));
  }
  const notice = noticeOf(name);
  byId("notice").hidden = !notice;
  byId("notice").textContent = notice;
  announce(name);
}

function noticeOf(name) {
  const { freshness, brokenSince } = state;
  const zone = freshness?.zone;
  if (name === "offline") return texts.offlineNotice(format.moment(brokenSince, zone));
  if (name === "no_data") return texts.noDataNotice;
  if (name === "behind") return texts.behindNotice(format.number(freshness.lag_events), format.wait(freshness.lag_s));
  if (name !== "stale") return "";
  const since = format.moment(freshness.stale_since, zone);
  return freshness.broker_reachable ? texts.staleNotice(since) : texts.brokerNotice(since);
}

// A screen reader hears of a change of state, not of every number.
function announce(name) {
  const place = byId("announcement");
  if (place.dataset.told === name) return;
  place.dataset.told = name;
  place.textContent = `${byId("state").textContent}. ${byId("notice").textContent}`;
}

// ---- choices

function chosenPeriod() {
  const years = knownYears();
  if (state.period === "all" || state.period === "today" || years.includes(state.period)) return state.period;
  const now = state.freshness?.as_of ? format.year(state.freshness.as_of, state.freshness.zone) : "";
  return years.includes(now) ? now : (years.at(-1) ?? "all");
}

const knownYears = () => [...new Set(roots().flatMap((unit) => Object.keys(unit.years ?? {})))].sort();

function showPeriods() {
  const place = byId("periods");
  const values = [...knownYears(), "all", "today"];
  const labels = values.map((value) => ({ all: texts.all, today: texts.today })[value] ?? texts.year(value));
  const key = labels.join("|");
  if (place.dataset.key !== key) {
    place.dataset.key = key;
    place.replaceChildren(place.querySelector("legend"), ...values.map((value, at) => {
      const label = element("label");
      const input = element("input", "", { type: "radio", name: "period", value });
      input.addEventListener("change", () => choose({ period: value }));
      label.append(input, element("span"));
      label.lastChild.textContent = labels[at];
      return label;
    }));
  }
  const chosen = chosenPeriod();
  for (const input of place.querySelectorAll("input")) input.checked = input.value === chosen;
}

function choose({ period = state.period, language = state.language, unit = state.unit }) {
  Object.assign(state, { period, language, unit });
  texts = TEXTS[language];
  format = new Format(language);
  const query = new URLSearchParams({
    ...(language === "en" && { lang: "en" }), ...(period && { period }), ...(unit && { unit }),
  }).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
  showTexts();
  showAll({ mark: false });
}

function element(name, className = "", attributes = {}) {
  const made = document.createElement(name);
  if (className) made.className = className;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

byId("language").addEventListener("click", (event) => {
  event.preventDefault();
  choose({ language: state.language === "vi" ? "en" : "vi" });
});
showTexts();
listen();
