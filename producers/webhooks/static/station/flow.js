// The flows as a pure state machine that goes by the table: a scan and an entry give a reply, the next entry, maybe a draft.

import { filled } from "./words.js";

const QUANTITY = "quantity";
const PART = "part";

/** Where the operator is; the mode stays until another is scanned. */
export const newEntry = (mode = null, more = {}) => ({
  mode, things: [], quantity: null, isCounted: false, question: null, done: 0, ...more,
});

export const isOpen = (entry) => entry.things.length > 0 || entry.quantity !== null || entry.question !== null;

const places = (path) => path.slots.filter((slot) => slot !== QUANTITY);
const startsWith = (list, start) => start.every((each, at) => list[at] === each);
const unique = (list) => [...new Set(list)];
const reply = (entry, tone, message, more = {}) => ({ entry, tone, message, draft: null, detail: "", ...more });

export class Flow {
  #table;
  #words;

  constructor(table, words) {
    this.#table = table;
    this.#words = words;
  }

  /** Give the reply to one scan: an instruction, a quantity, picks, or what cannot be read. */
  take(entry, seen) {
    if (seen.is === "unreadable") {
      const detail = seen.advice ? `${seen.reason}: ${seen.advice}` : seen.reason;
      return reply(entry, "error", this.#line("not_taken", { reason: seen.reason }), { detail });
    }
    if (seen.is === "instruction" && seen.name === "CANCEL") return this.#cancel(entry);
    if (seen.is === "instruction" && seen.name in this.#table.modes) {
      const word = isOpen(entry) ? "mode_dropped" : "mode";
      return reply(newEntry(seen.name), "ok", this.#line(word, { mode: seen.name }));
    }
    if (entry.mode === null) return reply(entry, "error", this.#line("no_mode"));
    if (entry.question !== null) return this.#answer(entry, seen);
    if (seen.is === "quantity") return this.#takeQuantity(entry, seen);
    if (seen.is === "picks") return this.#takePicks(entry, seen);
    return reply(entry, "error", this.#line("nothing_asked"));
  }

  /** Say what to scan next. */
  prompt(entry) {
    const { prompts, slot_words: slotWords, modes } = this.#table;
    if (entry.mode === null) return filled(prompts.no_mode, { modes: Object.keys(modes).join(", ") });
    if (entry.question !== null) {
      const { choices } = entry.question;
      if (choices.length === 1) return prompts.confirm;
      return filled(prompts.choose, { choices: this.#choices(choices).join(", ") });
    }
    const words = this.wanted(entry).map((slot) => slotWords[slot]);
    const last = words.pop();
    const slots = words.length ? `${words.join(", ")} or ${last}` : last;
    const place = this.batchPlace(entry);
    const close = place === null ? "" : filled(prompts.close, { place: this.shown(place) });
    return filled(prompts.next, { slots }) + close;
  }

  /** List what may come next, the usual one first. */
  wanted(entry) {
    return unique(this.#paths(entry).map((path) => this.#next(path, entry)).filter((slot) => slot !== null));
  }

  /** Give the place whose scan closes the open batch, or null. */
  batchPlace(entry) {
    const size = entry.things.length;
    const isBatch = this.#paths(entry).some((path) => path.keeps === size);
    return size && isBatch ? entry.things.at(-1)[1] : null;
  }

  /** Tell whether no entry is half done. */
  isBetween(entry) {
    const isWaiting = entry.question === null && entry.quantity === null && this.batchPlace(entry) !== null;
    return !isOpen(entry) || isWaiting;
  }

  /** Name a thing for the operator. */
  shown(pick) {
    return pick.name || `${pick.id.slice(0, this.#table.shown_id_characters)}…`;
  }

  #line(word, values) {
    return this.#words.line(word, values);
  }

  #paths(entry) {
    const paths = entry.mode === null ? [] : this.#table.modes[entry.mode].paths;
    const taken = entry.things.map(([slot]) => slot);
    return paths.filter((path) => startsWith(places(path), taken));
  }

  #next(path, entry) {
    const taken = entry.things.map(([slot]) => slot);
    for (const slot of path.slots) {
      if (slot !== QUANTITY && !taken.includes(slot)) return slot;
      // wanted once its part is there; before that it may come, but nothing waits for it
      if (slot === QUANTITY && entry.quantity === null && taken.includes(PART)) return slot;
    }
    return null;
  }

  #takeQuantity(entry, code) {
    const hasQuantity = this.#paths(entry).some((path) => path.slots.includes(QUANTITY));
    if (!entry.things.length || !hasQuantity) return reply(entry, "error", this.#line("quantity_unwanted"));
    if (code.doubt) return this.#ask(entry, { choices: [code], reason: code.doubt });
    const { quantity } = code;
    const isSame = entry.quantity === null || entry.quantity === quantity;
    const message = isSame
      ? this.#line("quantity", { quantity })
      : this.#line("quantity_changed", { quantity, before: entry.quantity });
    return this.#completed({ ...entry, quantity, isCounted: true }, message);
  }

  #takePicks(entry, { choices, doubts }) {
    const known = entry.things.find(([, pick]) => pick.id === choices[0].id);
    if (choices.length === 1 && known) return this.#again(entry, ...known);
    const fitting = choices.flatMap((pick) => this.#fitting(entry, pick));
    if (!fitting.length) return this.#unfitting(entry, choices[0]);
    if (fitting.length === 1 && !doubts.length) return this.#put(entry, fitting[0]);
    const reason = doubts.join("; ") || "several parts have this number";
    return this.#ask(entry, { choices: fitting.slice(0, this.#table.max_choices), reason });
  }

  #fitting(entry, pick) {
    const types = unique(this.wanted(entry).map((slot) => this.#table.types[slot]).filter(Boolean));
    if (pick.type === null) return types.map((type) => ({ ...pick, type }));
    return types.includes(pick.type) ? [pick] : [];
  }

  #unfitting(entry, pick) {
    const name = this.shown(pick);
    const wanted = this.wanted(entry);
    if (wanted.length === 1 && wanted[0] === QUANTITY) {
      return reply(entry, "error", this.#line("quantity_missing", { name }));
    }
    const place = this.batchPlace(entry);
    if (place !== null && this.#table.types[entry.things.at(-1)[0]] === pick.type) {
      return reply(entry, "error", this.#line("other_place", { place: this.shown(place) }));
    }
    const type = (pick.type === null ? "code" : this.#table.type_words[pick.type]).toUpperCase();
    return reply(entry, "error", this.#line("wrong_type", { name, type }));
  }

  #again(entry, slot, pick) {
    const place = this.batchPlace(entry);
    if (place !== null && place.id === pick.id) {
      const message = this.#line("batch_closed", { done: entry.done, place: this.shown(place) });
      return reply(newEntry(entry.mode), "note", message);
    }
    const values = { name: this.shown(pick), slot: this.#table.slot_words[slot].toUpperCase() };
    return reply(entry, "error", this.#line("already", values));
  }

  #put(entry, pick) {
    const slot = this.wanted(entry).find((each) => this.#table.types[each] === pick.type);
    const next = { ...entry, things: [...entry.things, [slot, pick]], question: null };
    if (slot === PART && !entry.isCounted) next.quantity = pick.quantity;
    const name = this.shown(pick);
    const message = slot === PART && next.quantity !== null
      ? this.#line("taken_counted", { quantity: next.quantity, name })
      : this.#line("taken", { slot: this.#table.slot_words[slot].toUpperCase(), name });
    return this.#completed(next, message);
  }

  #completed(entry, message) {
    for (const path of this.#paths(entry)) {
      const isCounted = !path.slots.includes(QUANTITY) || entry.quantity !== null;
      if (this.#next(path, entry) !== null || !isCounted) continue;
      const things = entry.things.slice(0, path.keeps);
      const next = newEntry(entry.mode, { things, done: things.length ? entry.done + 1 : 0 });
      return reply(next, "stored", "", { draft: this.#draft(path, entry) });
    }
    return reply(entry, "ok", message);
  }

  #draft(path, entry) {
    const values = Object.fromEntries(entry.things.map(([slot, pick]) => [slot, pick.id]));
    const words = Object.fromEntries(
      entry.things.map(([slot, pick]) => [slot === "to" ? "place" : slot, this.shown(pick)]),
    );
    words.place ??= words.from ?? "";
    words.part ??= words.order ?? "";
    if (path.slots.includes(QUANTITY)) {
      values.quantity = entry.quantity;
      words.quantity = String(entry.quantity);
    }
    const fields = Object.fromEntries(Object.entries(path.fields).map(([slot, name]) => [name, values[slot]]));
    const part = entry.things.find(([slot]) => slot === PART)?.[1];
    return { kind: path.kind, fields, words, done: path.done, remark: part?.remark ?? "", label: part?.label ?? "" };
  }

  #ask(entry, question) {
    const [first] = question.choices;
    const next = { ...entry, question };
    const detail = question.reason;
    if (first.is === "quantity") {
      return reply(next, "ask", this.#line("ask_quantity", { quantity: first.quantity }), { detail });
    }
    const name = this.shown(first);
    if (question.choices.length > 1) return reply(next, "ask", this.#line("ask_which", { name }), { detail });
    if (first.quantity === null) return reply(next, "ask", this.#line("ask_uncounted", { name }), { detail });
    const quantity = entry.isCounted ? entry.quantity : first.quantity;
    return reply(next, "ask", this.#line("ask", { quantity, name }), { detail });
  }

  #answer(entry, seen) {
    const { choices, reason: detail } = entry.question;
    let chosen = null;
    if (seen.is === "instruction" && seen.name === "CONFIRM" && choices.length === 1) {
      [chosen] = choices;
    } else if (seen.is === "quantity" && choices.length > 1) {
      if (seen.quantity > choices.length) {
        return reply(entry, "error", this.#line("no_such_choice", { number: seen.quantity }), { detail });
      }
      chosen = choices[seen.quantity - 1];
    } else if (seen.is === "picks" && seen.choices.length === 1 && !seen.doubts.length) {
      chosen = named(choices, seen.choices[0]);
    }
    if (chosen === null) return reply(entry, "error", this.#line("answer_first"), { detail });
    const unasked = { ...entry, question: null };
    return chosen.is === "quantity" ? this.#takeQuantity(unasked, { ...chosen, doubt: "" }) : this.#put(unasked, chosen);
  }

  #choices(choices) {
    const byType = new Set(choices.map((pick) => pick.id)).size === 1;
    const nameOf = (pick) => (byType && pick.type ? this.#table.type_words[pick.type] : this.shown(pick));
    return choices.map((pick, at) => `${at + 1} ${nameOf(pick)}`);
  }

  #cancel(entry) {
    if (entry.question !== null) return reply({ ...entry, question: null }, "note", this.#line("question_dropped"));
    if (!isOpen(entry)) return reply(entry, "note", this.#line("nothing_to_cancel"));
    const closed = newEntry(entry.mode);
    if (!this.isBetween(entry)) return reply(closed, "note", this.#line("cancelled"));
    const place = this.shown(this.batchPlace(entry));
    return reply(closed, "note", this.#line("batch_closed", { done: entry.done, place }));
  }
}

/** Give the choice that the thing's own code names; only where there was a choice to make. */
function named(choices, said) {
  const found = choices.filter((each) => each.is !== "quantity" && each.id === said.id && each.type === said.type);
  return found.length === 1 && choices.length > 1 ? found[0] : null;
}
