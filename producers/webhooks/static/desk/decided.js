// What was decided in this tab, and what became of it.

import { byId, make } from "./dom.js";
import { moment, named } from "./words.js";

const KEPT = 20;
const LOOK_MS = 2_000;
const PLACE = "stockrelay-decided";
const FINAL = ["applied", "rejected", "held", "cancelled", "discarded", "corrected"];
const WORDS = { applied: "applied ✓", rejected: "refused again", held: "held again", in_doubt: "in doubt: being looked up", delayed: "waits for the vendor" };

export class Decided {
  #api;
  #place = byId("decided");
  #rows = JSON.parse(sessionStorage.getItem(PLACE) ?? "[]");
  #timer = null;
  /** Called with a key when a person wants to see it again. */
  onChoose = () => {};

  constructor(api) {
    this.#api = api;
    this.#place.addEventListener("click", (event) => {
      const key = event.target.closest("[data-key]")?.dataset.key;
      if (key) this.onChoose(key);
    });
    this.#show();
  }

  /** Keep a decision and follow it. */
  add(letter, decision, state) {
    const isKept = decision === "corrected";
    this.#rows.unshift({ key: letter.key, summary: named(letter.summary, letter.names), decision, state: isKept ? "corrected" : state, at: Date.now() });
    this.#rows.length = Math.min(KEPT, this.#rows.length);
    this.#show();
    this.look();
  }

  /** Ask what became of what is still on its way. */
  async look() {
    clearTimeout(this.#timer);
    const open = this.#rows.filter(({ state }) => !FINAL.includes(state));
    if (!open.length) return;
    try {
      const found = await this.#api.states(open.map(({ key }) => key));
      for (const row of open) {
        const { state, reason } = found[row.key] ?? {};
        Object.assign(row, { state: state ?? row.state, reason });
      }
      this.#show();
    } catch {
      // asked again below
    }
    this.#timer = setTimeout(() => this.look(), LOOK_MS);
  }

  /** Forget all: another person works here now. */
  clear() {
    this.#rows = [];
    this.#show();
  }

  #show() {
    sessionStorage.setItem(PLACE, JSON.stringify(this.#rows));
    this.#place.hidden = !this.#rows.length;
    this.#place.querySelector("ol").replaceChildren(...this.#rows.map(({ key, summary, decision, state, reason, at }) => {
      const isDead = ["rejected", "held"].includes(state);
      const outcome = state === "discarded" || state === "corrected" ? "" : ` → ${WORDS[state] ?? state.replaceAll("_", " ")}`;
      const told = make(isDead ? "button.link" : "span", `${decision}${outcome}`);
      if (isDead) told.dataset.key = key;
      const item = make("li", make("time", moment(at)), " ", told, make("p.faint", summary, isDead && reason ? `: ${reason}` : ""));
      item.dataset.state = state;
      return item;
    }));
  }
}
