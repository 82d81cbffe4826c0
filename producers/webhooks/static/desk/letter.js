// One dead letter: what happened, what the vendor has, what each button does, and the evidence.

import { button, byId, facts, having, make } from "./dom.js";
import { evidenceOf, table, valueOf } from "./evidence.js";
import * as words from "./words.js";

export class Letter {
  #api;
  #place = byId("letter");
  #asking = null;
  /** The letter that is shown; null when there is none, or it is on its way. */
  shown = null;
  /** What the buttons do; each gets the letter. */
  acts = { replay: () => {}, correct: () => {}, discard: () => {}, back: () => {} };

  constructor(api) {
    this.#api = api;
  }

  /** Show a dead letter; its focus goes there when a person has opened it. */
  async open(key, { isFocused = false } = {}) {
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    if (isFocused) this.#place.focus({ preventScroll: true });
    if (this.shown?.key !== key) {
      this.shown = null;
      this.#place.replaceChildren(make("p.faint", "Reading…"));
    }
    try {
      const letter = await this.#api.show(key, asking.signal);
      const isOther = this.shown?.key !== key;
      // an unchanged one is left as it is: a person may have opened a part of it, or be reading
      if (isOther || !isSame(letter, this.shown)) this.#draw(letter);
      this.shown = letter;
      if (isOther) this.#place.scrollTop = 0;
    } catch (error) {
      if (asking.signal.aborted) return;
      // what is being read stays; the note on top says that it may be old
      if (this.shown?.key === key && !isDecided(error)) return;
      this.shown = null;
      this.#place.replaceChildren(this.#backButton(), make("p.gone", gone(key, error)));
    }
  }

  /** Show that none is chosen. */
  close() {
    this.#asking?.abort();
    this.shown = null;
    this.#place.replaceChildren(make("p.faint.empty", "Choose a dead letter from the list: here you see what happened, what the vendor has, and what you can do."));
  }

  #backButton() {
    return button("‹ List", () => this.acts.back(), "button.back");
  }

  #draw(letter) {
    const [headline, meaning] = words.standing(letter);
    const isDamaged = letter.state === "damaged";
    this.#place.dataset.state = letter.state;
    this.#place.replaceChildren(
      this.#backButton(),
      make("header.top",
        make("p.line", having(make("span.badge", letter.state), { "data-state": letter.state }), ` ${words.vendorName(letter.vendor)} · ${letter.kind || "unknown kind"}`),
        make("h2", words.named(letter.summary || letter.key, letter.names)),
        letter.edited_by && make("p.corrected", `Corrected by ${letter.edited_by}: a replay sends it as corrected.`)),
      make("section.happened",
        make("h3", headline),
        letter.reason && make("blockquote", words.named(letter.reason, letter.names)),
        make("p", meaning)),
      vendorSection(letter),
      make("section.decide", make("h3", "What you can do"), isDamaged ? null : [
        this.#act("Replay…", "r", words.replayEffect(letter), () => this.acts.replay(letter), "button.go"),
        this.#act("Correct…", "c", "Change fields, see the difference, then keep it or replay it so.", () => this.acts.correct(letter)),
      ], this.#act("Discard…", "d", words.discardEffect(letter).slice(0, 2).join(" "), () => this.acts.discard(letter), "button.stop")),
      make("section", make("h3", "What was asked"), isDamaged ? keptOf(letter) : askedOf(letter)),
      make("section", make("h3", "Evidence, oldest first"), evidenceOf(letter)),
      lanesOf(letter),
      make("section", make("h3", "Record"), recordOf(letter)),
    );
  }

  #act(text, key, effect, press, description) {
    const made = having(button(text, press, description), { "aria-keyshortcuts": key });
    return make("div.act", made, make("p", effect));
  }
}

function isSame(one, other) {
  const told = (letter) => JSON.stringify({ ...letter, now_ms: 0 });
  return other !== null && told(one) === told(other);
}

const isDecided = ({ status }) => status === 404 || status === 409;

function gone(key, error) {
  if (isDecided(error)) return `No longer a dead letter: ${error.message}. Somebody has decided about it, or it went on.`;
  return `${key} could not be read. ${error.message}`;
}

function vendorSection(letter) {
  const { isSure, text, entries, advice } = words.atVendor(letter);
  const marker = words.markerOf(letter);
  const copy = button("Copy", async (event) => {
    try {
      await navigator.clipboard.writeText(marker);
      event.target.textContent = "Copied";
    } catch {
      event.target.textContent = "Select it by hand";
    }
  });
  const section = make("section.vendor", make("h3", `What ${words.vendorName(letter.vendor)} has`), make("p.verdict", text),
    entries && table(entries, letter.names),
    advice && make("p", advice),
    advice && letter.vendor === "partsbox" && make("p.marker", make("code", marker), " ", copy));
  section.dataset.sure = String(isSure);
  return section;
}

function askedOf(letter) {
  const asked = letter.corrected ?? letter.command;
  const was = letter.original ?? letter.command;
  if (typeof asked !== "object" || asked === null) return make("pre", String(asked));
  const names = [...new Set([...Object.keys(asked), ...Object.keys(was ?? {})])];
  return facts(names.map((name) => {
    const isChanged = JSON.stringify(asked[name]) !== JSON.stringify(was?.[name]);
    const before = isChanged ? make("p.was", "originally ", valueOf(name, was?.[name], letter.names)) : null;
    return [name.replaceAll("_", " "), valueOf(name, asked[name], letter.names), before];
  }));
}

const keptOf = ({ fields }) => facts(Object.entries(fields ?? {}).sort().map(([name, text]) => [name, make("span.text", text)]));

function lanesOf(letter) {
  if (!letter.lane_heads.length) return null;
  return make("section", make("h3", "Its lanes"), letter.lane_heads.map(({ name, length, first }) => make("div.lane",
    make("p", make("strong", words.laneName(name, letter.names)), `: ${words.count(length, "command")} in it`),
    first.length ? make("ol", first.map(({ key, state, summary }) => {
      const item = make("li", make("span.state", state.replaceAll("_", " ")), " ", words.named(summary, letter.names));
      if (key === letter.key) item.className = "self";
      return item;
    })) : null,
    length > first.length && make("p.faint", `and ${length - first.length} more`))));
}

function recordOf(letter) {
  const spent = letter.attempts === null ? null
    : `${words.count(letter.attempts, "attempt")}, ${words.count(letter.waits, "wait")}, ${words.count(letter.looks, "look-up")}`;
  return facts([
    ["key", make("code", letter.key)],
    ["died", `${words.moment(letter.died_ms)} (${words.ago(letter.died_ms, letter.now_ms)})`],
    ["accepted", letter.accepted_ms && `${words.moment(letter.accepted_ms)} (${words.ago(letter.accepted_ms, letter.now_ms)})`],
    ["sent by", letter.client],
    ["spent", spent],
    ["trouble", letter.failed_looks > 0 && `${words.count(letter.failed_looks, "look-up")} got no answer`, letter.crashes > 0 && ` its worker was lost ${words.count(letter.crashes, "time")}`].filter(Boolean),
    ["line of", letter.parent && make("code", letter.parent)],
    ["replayed by", letter.replayed_by],
  ]);
}
