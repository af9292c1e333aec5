// The fields of the unit that was chosen, as rows below its own. They are asked for, not streamed: again when the stream
// tells that the unit moved. Fields only: a procedure of a small unit on one day could point to a person.

import { numbersOfField } from "./numbers.js";

const AGAIN_MS = 1_000; // at most so often, however fast the unit moves
const RETRY_MS = 3_000;

export class FieldRows {
  // The page's own ways to make and fill rows.
  constructor({ makeRow, showNumbers, element }) {
    Object.assign(this, { makeRow, showNumbers, element });
    this.asked = null; // address of what is shown or on its way
    this.answer = null; // null: none yet
    this.failed = false;
    this.rows = new Map(); // by field
    this.note = element("tr", "fields-note", { role: "row" });
    this.note.append(element("td", "", { role: "cell", colspan: "15" }));
    this.waiting = null; // a timer, while the next question waits its turn
    this.loading = false;
  }

  // Puts the rows below `row`; `unit` null takes them away.
  show({ unit, row, period, language, texts }) {
    Object.assign(this, { row, period, language, texts });
    const year = /^\d+$/.test(period) ? `?year=${period}` : "";
    const address = unit && `v1/units/${encodeURIComponent(unit)}/fields${year}`;
    if (address !== this.asked) {
      Object.assign(this, { asked: address, answer: null, failed: false });
      this.remove();
      if (address) this.load();
    }
    if (address) this.draw({ mark: false });
  }

  // The unit moved: ask again, soon.
  refresh(after = AGAIN_MS) {
    if (!this.asked || this.waiting) return;
    this.waiting = setTimeout(() => { this.waiting = null; this.load(); }, after);
  }

  async load() {
    if (!this.asked) return;
    if (this.loading) return this.refresh();
    const address = this.asked;
    this.loading = true;
    try {
      const response = await fetch(address);
      if (!response.ok) throw new Error(response.statusText);
      const answer = await response.json();
      if (address === this.asked) Object.assign(this, { answer, failed: false });
    } catch {
      if (address === this.asked) this.failed = true;
    } finally {
      this.loading = false;
    }
    if (address !== this.asked) return this.load();
    this.draw({ mark: true });
    if (this.failed) this.refresh(RETRY_MS);
  }

  draw({ mark }) {
    const { answer, language, texts } = this;
    const found = answer?.fields ?? [];
    const ids = found.map((field) => field.field_id);
    const moved = JSON.stringify(ids) !== JSON.stringify([...this.rows.keys()]);
    if (moved) {
      this.remove();
      this.rows = new Map(ids.map((id) => [id, this.makeRow(`field-${id}`, "field", 1, this.element("span", "label"))]));
    }
    if (this.note.previousElementSibling !== this.row || moved) this.row.after(this.note, ...this.rows.values());
    for (const field of found) {
      const row = this.rows.get(field.field_id);
      row.querySelector(".label").textContent = language === "en" ? field.name_en : field.name_vi;
      for (const cell of row.querySelectorAll("td")) cell.dataset.label = texts[cell.dataset.t];
      this.showNumbers(row, numbersOfField(field, this.period), mark && !moved);
    }
    this.note.firstChild.textContent = [texts.fields, this.remark()].filter(Boolean).join(": ");
  }

  remark() {
    const { answer, failed, texts } = this;
    if (failed) return texts.fieldsFailed;
    if (!answer) return texts.fieldsLoading;
    if (answer.fields === null) return texts.noData;
    if (!answer.fields.length) return texts.fieldsNone;
    return this.period === "today" ? texts.fieldsToday : "";
  }

  remove() {
    this.note.remove();
    for (const row of this.rows.values()) row.remove();
    this.rows = new Map();
  }
}
