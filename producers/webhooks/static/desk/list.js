// The list of dead letters and its filters.

import { byId, having, make, button } from "./dom.js";
import { count, moment, named, span, vendorName } from "./words.js";

const PAGE = 50;
/** A person who types is not asked after each letter. */
const TYPING_MS = 300;

export class Filters {
  #form = byId("filters");
  #timer = null;
  #onChange;
  #applied = {};

  /** `onChange()` is called when the filter is another one. */
  constructor(table, onChange) {
    this.#onChange = onChange;
    const { vendor, kind } = this.#form.elements;
    vendor.append(...table.vendors.map((name) => having(make("option", vendorName(name)), { value: name })));
    kind.append(...table.kinds.map((name) => having(make("option", name), { value: name })));
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("input", (event) => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.apply(), event.target.type === "search" ? TYPING_MS : 0);
    });
    byId("clear-filters").addEventListener("click", () => {
      this.set({});
      this.#onChange();
    });
  }

  /** Let what stands in the form count now. */
  apply() {
    clearTimeout(this.#timer);
    const before = JSON.stringify(this.#applied);
    this.#applied = this.#read();
    if (JSON.stringify(this.#applied) !== before) this.#onChange();
  }

  /** Give what is asked for, as the server takes it; moments are numbers. What is being typed does not count yet. */
  get() {
    return this.#applied;
  }

  #read() {
    const { text, state, vendor, kind, reason, since, until } = this.#form.elements;
    const given = { text: text.value.trim(), state: state.value, vendor: vendor.value, kind: kind.value, reason: reason.value.trim() };
    const filter = Object.fromEntries(Object.entries(given).filter(([, value]) => value));
    for (const [name, input] of [["since_ms", since], ["until_ms", until]]) {
      const at = new Date(input.value).getTime();
      if (!Number.isNaN(at)) filter[name] = at;
    }
    return filter;
  }

  /** Show a filter, as it stands in the page's address. */
  set(filter) {
    const { since, until } = this.#form.elements;
    for (const name of ["text", "state", "vendor", "kind", "reason"]) this.#form.elements[name].value = filter[name] ?? "";
    since.value = local(filter.since_ms);
    until.value = local(filter.until_ms);
    byId("more-filters").open ||= Boolean(filter.kind || filter.reason || filter.since_ms || filter.until_ms);
    clearTimeout(this.#timer);
    this.#applied = this.#read();
  }

  focus() {
    this.#form.elements.text.focus();
    this.#form.elements.text.select();
  }
}

/** Write a moment as an input for dates takes it: this browser's clock, without a zone. */
function local(ms) {
  const at = new Date(Number(ms));
  if (!ms || Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export class List {
  #api;
  #place = byId("letters");
  #letters = [];
  #after = null;
  #wanted = 0;
  #asking = null;
  #loading = null;
  #nowMs = 0;
  #names = {};
  /** Called with a key when a row is chosen. */
  onChoose = () => {};
  /** Called after each look with all dead letters, by vendor. */
  onCounts = () => {};
  chosen = "";

  constructor(api) {
    this.#api = api;
    byId("more").addEventListener("click", () => this.#more());
    this.#place.addEventListener("click", (event) => {
      const row = event.target.closest("[data-key]");
      if (row) this.onChoose(row.dataset.key);
    });
  }

  get letters() {
    return this.#letters;
  }

  /** Read the list anew, as much of it as is shown. Who is overtaken by a later one ends with that. */
  load(filter, { isOther = false } = {}) {
    if (isOther) this.#wanted = 0;
    this.#loading = this.#read(filter);
    return this.#loading;
  }

  async #read(filter) {
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    const letters = [];
    let after = null;
    try {
      do {
        const limit = Math.min(500, Math.max(PAGE, this.#wanted - letters.length));
        const page = await this.#api.find({ ...filter, limit, ...(after ? { after } : {}) }, asking.signal);
        letters.push(...page.dead_letters);
        after = page.after;
        this.#nowMs = page.now_ms;
        this.#names = { ...this.#names, ...page.names };
        this.onCounts(page.counts);
        // a page may be short and go on: few fitted of those that were looked at
      } while (after && letters.length < Math.max(PAGE, this.#wanted));
    } catch (error) {
      if (asking.signal.aborted) return this.#loading;
      this.#say(error.message, "bad");
      throw error;
    }
    this.#letters = letters;
    this.#after = after;
    this.#filter = filter;
    this.#show();
  }

  #filter = {};

  #more() {
    this.#wanted = this.#letters.length + PAGE;
    return this.load(this.#filter).catch(() => {});
  }

  /** Choose the row so many places on. */
  async step(by) {
    const place = () => this.#letters.findIndex(({ key }) => key === this.chosen);
    if (by > 0 && this.#after && place() === this.#letters.length - 1) await this.#more();
    if (!this.#letters.length) return;
    const at = place();
    const next = at < 0 ? 0 : Math.min(this.#letters.length - 1, Math.max(0, at + by));
    this.onChoose(this.#letters[next].key, { isStep: true });
  }

  /** Mark the chosen row. */
  mark(key, { isFocused = false } = {}) {
    this.chosen = key;
    for (const row of this.#place.querySelectorAll("[data-key]")) {
      const isChosen = row.dataset.key === key;
      if (isChosen) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
      if (isChosen) {
        row.scrollIntoView({ block: "nearest" });
        if (isFocused) row.focus({ preventScroll: true });
      }
    }
  }

  #show() {
    const focused = document.activeElement?.closest?.("#letters [data-key]")?.dataset.key;
    this.#place.replaceChildren(...this.#letters.map((letter) => this.#row(letter)));
    this.mark(this.chosen);
    if (focused) this.#place.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    byId("more").hidden = this.#after === null;
    const isFiltered = Object.keys(this.#filter).length > 0;
    if (this.#letters.length) this.#say(`${count(this.#letters.length, "dead letter")}${this.#after ? " shown, there are more" : isFiltered ? " fit" : ""}`);
    else this.#say(isFiltered ? "No dead letter fits these filters." : "No dead letters. Nothing needs a decision.", "good");
  }

  #row(letter) {
    const seconds = (this.#nowMs - letter.died_ms) / 1000;
    const row = button("", () => {}, "button.letter");
    row.dataset.key = letter.key;
    row.dataset.state = letter.state;
    row.append(
      make("span.badge", letter.state),
      make("span.summary", named(letter.summary, this.#names) || letter.kind || letter.key),
      having(make("span.age", span(seconds)), { title: `died ${moment(letter.died_ms)}` }),
      make("span.reason", named(letter.reason, this.#names)),
      make("span.kind", `${vendorName(letter.vendor)} · ${letter.kind || "unknown kind"}`, letter.edited_by && ` · corrected by ${letter.edited_by}`),
    );
    return make("li", row);
  }

  #say(text, tone = "") {
    const state = byId("list-state");
    state.textContent = text;
    state.dataset.tone = tone;
  }
}
