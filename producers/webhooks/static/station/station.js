// One station: each scan becomes feedback, and a complete entry becomes a command on this disk before the feedback.

import { CodeReader } from "./codes.js";
import { Flow, isOpen, newEntry } from "./flow.js";
import { compensate, lastEntry, markUndo, newRow, UNDO_WORDS, wayBack } from "./undo.js";
import { comment, Words } from "./words.js";

const EXPIRED = "the unfinished entry had expired";

export class Station {
  #table;
  #disk;
  #lookups;
  #delivery;
  #clock;
  #reader;
  #words;
  #flow;
  #client;
  #state = { entry: newEntry(), operator: "", touchedMs: 0 };
  #last = new Map();

  /** `delivery.cancel(row)` asks the server to take an entry back and gives its state, or null. */
  constructor({ table, disk, lookups, delivery, client, clock = Date.now }) {
    this.#table = table;
    this.#disk = disk;
    this.#lookups = lookups;
    this.#delivery = delivery;
    this.#client = client;
    this.#clock = clock;
    this.#reader = new CodeReader(table);
    this.#words = new Words(table);
    this.#flow = new Flow(table, this.#words);
  }

  greet() {
    return this.#feedback(this.#state, "note", this.#words.line("ready", { station: this.#client }));
  }

  /** Take one scan, which ended at that moment (UTC milliseconds). One after the other: wait for the answer. */
  async scan(raw, device, now = this.#clock()) {
    const before = this.#aged(now);
    if (this.#isBounce(raw, device, now)) {
      this.#state = before;
      return this.#feedback(before, "bounce", this.#words.line("bounced"));
    }
    const seen = await this.#lookups.meaning(this.#reader.read(raw));
    let state;
    let feedback;
    try {
      [state, feedback] = await this.#taken({ ...before, touchedMs: now }, seen, { raw, device, now });
    } catch (error) {
      const detail = `scan again later: ${error.message || error.name}`;
      return this.#feedback(this.#state, "error", this.#words.line("not_stored"), detail);
    }
    if (isOpen(this.#state.entry) && !isOpen(before.entry)) {
      feedback.detail = feedback.detail ? `${EXPIRED}; ${feedback.detail}` : EXPIRED;
    }
    this.#state = state;
    return feedback;
  }

  /** Drop an unfinished entry that is too old, log an idle operator out; the mode never changes by itself. */
  tick() {
    const before = this.#state;
    this.#state = this.#aged(this.#clock());
    if (isOpen(before.entry) && !isOpen(this.#state.entry)) {
      return this.#feedback(this.#state, "expired", this.#words.line("expired"));
    }
    if (before.operator && !this.#state.operator) {
      return this.#feedback(this.#state, "note", this.#words.line("logged_out", { name: before.operator }));
    }
    return null;
  }

  async #taken(state, seen, scan) {
    if (seen.is === "badge") return this.#logIn(state, seen.name);
    if (seen.is === "instruction" && seen.name === "UNDO") return this.#undo(state, scan);
    return this.#disk.change(async (change) => {
      const reply = await this.#reply(change, state.entry, seen, scan.now);
      if (reply.draft) return this.#stored(change, state, reply, scan);
      const after = { ...state, entry: reply.entry };
      return [after, this.#feedback(after, reply.tone, reply.message, reply.detail)];
    });
  }

  async #reply(change, entry, seen, now) {
    const isPart = seen.is === "picks" && entry.mode !== null && this.#flow.wanted(entry).includes("part");
    if (!isPart) return this.#flow.take(entry, seen);
    const { booked, doubt } = await this.#judged(change, seen.choices[0].label, entry.mode, now);
    if (booked) {
      const message = this.#words.line("seen_before", { name: this.#flow.shown(seen.choices[0]) });
      return { entry, tone: "error", message, draft: null, detail: booked };
    }
    return this.#flow.take(entry, doubt ? { ...seen, doubts: [doubt, ...seen.doubts] } : seen);
  }

  /** Say what speaks against a label: that this very bag is booked, or the doubt that it may be. */
  async #judged(change, identity, mode, now) {
    const { scope, unique_once: isOnce } = this.#table.modes[mode];
    const known = identity ? await change.get("labels", [scope, identity]) : undefined;
    if (!known) return {};
    const moment = new Date(known.at_ms);
    if (identity.startsWith("unique:") && isOnce) {
      return { booked: `this very bag was booked on ${moment.toLocaleString()}` };
    }
    // A clock that was set back by a little must not make the same bag a new one.
    if (Math.abs(now - known.at_ms) >= this.#table.limits.repeat_seconds * 1000) return {};
    return { doubt: `same label again, booked at ${moment.toLocaleTimeString()}: CONFIRM only for a second bag` };
  }

  #logIn(state, name) {
    const isDropped = isOpen(state.entry) && name !== state.operator;
    const entry = isDropped ? newEntry(state.entry.mode) : state.entry;
    const after = { ...state, entry, operator: name };
    const message = this.#words.line(isDropped ? "operator_dropped" : "operator", { name });
    return [after, this.#feedback(after, "ok", message)];
  }

  async #stored(change, state, reply, { raw, device, now }) {
    const { draft } = reply;
    const moment = await change.moment(now);
    const body = { kind: draft.kind, ...draft.fields, stock_timestamp: moment, source: this.#client };
    const comments = comment(draft.remark, state.operator ? `by ${state.operator}` : "");
    if (comments) body.comments = comments;
    const label = draft.label ? { scope: this.#table.modes[state.entry.mode].scope, identity: draft.label } : null;
    const origin = { device, operator: state.operator, raw };
    await change.add("outbox", newRow(this.#client, body, this.#words.summary(draft), { isEntry: true, label, origin }));
    if (label) await change.put("labels", { ...label, at_ms: moment });
    const after = { ...state, entry: reply.entry };
    return [after, this.#feedback(after, "stored", this.#words.line(draft.done, draft.words))];
  }

  async #undo(state, { now }) {
    const refused = (tone, word, detail = "") => [state, this.#feedback(state, tone, this.#words.line(word), detail)];
    if (!this.#flow.isBetween(state.entry)) return refused("error", "undo_open", "scan CANCEL to drop it, or finish it");
    const taken = await this.#disk.change((change) => this.#withdraw(change));
    if (taken === null) return refused("note", "nothing_to_undo");
    const cancelled = taken.state === "sent" ? await this.#delivery.cancel(taken) : null;
    return this.#disk.change(async (change) => {
      const row = await change.get("outbox", taken.seq);
      if (cancelled && row.state === "sent") settle(row, cancelled);
      const isDropped = taken.state === "withdrawn";
      const [how, why] = isDropped ? ["drop", "it had not left this station"] : wayBack(row, this.#table.opposites);
      const message = this.#words.line(UNDO_WORDS[how], { summary: row.summary });
      const detail = `${row.summary}: ${why}`;
      if (how === "refuse") return [state, this.#feedback(state, "error", message, detail)];
      await markUndo(change, row, how === "wait" ? "wanted" : "undone");
      if (how === "compensate") await compensate(change, row, this.#table.opposites, await change.moment(now));
      const after = { ...state, entry: { ...state.entry, done: Math.max(0, state.entry.done - 1) } };
      return [after, this.#feedback(after, "undone", message, detail)];
    });
  }

  /** Take the last entry off the disk when it has never been sent; give it in any case, null when there is none. */
  async #withdraw(change) {
    const row = await lastEntry(change, this.#client, this.#table.limits.undo_depth);
    if (row?.waiting && row.attempts === 0) {
      settle(row, { state: "withdrawn", reason: "" });
      await change.put("outbox", row);
    }
    return row;
  }

  #isBounce(raw, device, now) {
    const last = this.#last.get(device);
    this.#last.set(device, { raw, now });
    // A clock that was set back says nothing.
    return last?.raw === raw && now >= last.now && now - last.now < this.#table.limits.bounce_ms;
  }

  /** Give the state without what has expired; a clock that was set back expires nothing. */
  #aged(now) {
    const { entry_seconds: entrySeconds, badge_seconds: badgeSeconds } = this.#table.limits;
    const { entry, operator, touchedMs } = this.#state;
    const idleMs = now - touchedMs;
    return {
      touchedMs,
      entry: isOpen(entry) && idleMs >= entrySeconds * 1000 ? newEntry(entry.mode) : entry,
      operator: operator && idleMs >= badgeSeconds * 1000 ? "" : operator,
    };
  }

  #feedback({ entry, operator }, tone, message, detail = "") {
    const things = entry.things.map(([slot, pick]) => [this.#table.slot_words[slot], this.#flow.shown(pick)]);
    if (entry.quantity !== null) things.push([this.#table.slot_words.quantity, String(entry.quantity)]);
    return { tone, mode: entry.mode ?? "no mode", message, prompt: this.#flow.prompt(entry), detail, operator, things };
  }
}

/** Note the end of an entry: neither waiting nor unsettled any more. */
export function settle(row, { state, reason }) {
  row.state = state;
  row.reason = reason ?? "";
  delete row.waiting;
  delete row.unsettled;
}
