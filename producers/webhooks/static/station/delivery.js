// Brings the outbox to the server in order, one tab at a time, and hears what becomes of it.

import { settle } from "./station.js";
import { compensate, markUndo, wayBack } from "./undo.js";

const LOCK = "stockrelay-delivery";
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 60_000;
/** Longer than the server takes for one request. */
const ANSWER_MS = 15_000;
const CANCEL_MS = 3_000;
/** Keys in one question. */
const KEYS_AT_ONCE = 100;
const FINAL = ["applied", "rejected", "held", "cancelled"];
const PROBLEM = "urn:stockrelay:problem:";
/** Statuses that are about what was sent, not about who sends it or when. */
const ABOUT_THE_BODY = [400, 413, 422];

export class Delivery {
  #table;
  #disk;
  #relay;
  #client;
  #clock;
  #wake = () => {};
  #isWoken = false;
  #source = null;
  /** News of keys that are not on this disk yet: the answer with the key is still on its way. */
  #early = new Map();
  /** How the link is: `up`, `down` or `logged out`. */
  link = "down";
  onLink = () => {};
  /** Called with the entry when something became of it; `isNews` when a person wants to hear it. */
  onChange = () => {};

  constructor({ table, disk, relay, client, clock = Date.now }) {
    this.#table = table;
    this.#disk = disk;
    this.#relay = relay;
    this.#client = client;
    this.#clock = clock;
  }

  /** Deliver for as long as the page lives, as soon as no other tab does. */
  run() {
    return navigator.locks.request(LOCK, async () => {
      this.#listen();
      for (;;) await this.#round();
    });
  }

  /** There is something to send, or a reason to try again now. */
  wake() {
    this.#isWoken = true;
    this.#wake();
    if (this.#source?.readyState === EventSource.CLOSED) this.#listen();
  }

  /** Ask the server to take an entry back; gives `{state, reason}` when it is known, else null. */
  async cancel(row) {
    const answer = row.key && (await this.#relay.ask(`/v1/commands/${row.key}/cancel`, {}, CANCEL_MS));
    const state = answer?.document?.state;
    return [200, 409].includes(answer?.status) && FINAL.includes(state) ? { state, reason: "" } : null;
  }

  #failures = 0;

  async #round() {
    let outcome;
    try {
      outcome = await this.#deliver();
    } catch {
      outcome = { isDone: false, retryAfterMs: 0 };
    }
    if (outcome.isMore) return;
    this.#failures = outcome.isDone ? 0 : this.#failures + 1;
    const ceiling = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#failures - 1));
    await this.#sleep(outcome.isDone ? null : Math.max(outcome.retryAfterMs, Math.random() * ceiling));
  }

  /** Wait until something is to be done, or for so long. */
  async #sleep(ms) {
    if (!this.#isWoken) {
      await new Promise((resolve) => {
        this.#wake = resolve;
        if (ms !== null) setTimeout(resolve, ms);
      });
    }
    this.#isWoken = false;
  }

  /** Send the oldest; always all that wait, so that a later one never overtakes an earlier one. */
  async #deliver() {
    // Nothing is tried without a network, so that it can still be withdrawn. A browser that knows of none may be on the
    // server's own machine, so the server is asked.
    if (!navigator.onLine && (await this.#relay.ask("/healthz", undefined, CANCEL_MS)) === null) {
      this.#setLink("down");
      return { isDone: false, retryAfterMs: LONGEST_WAIT_MS };
    }
    const rows = await this.#disk.change(async (change) => {
      const waiting = await change.under("waiting", this.#client, this.#table.max_scans);
      for (const row of waiting) {
        row.attempts += 1;
        await change.put("outbox", row);
      }
      return waiting;
    });
    if (!rows.length) return { isDone: true };
    return this.#send(rows);
  }

  async #send(rows) {
    const answer = await this.#relay.ask("/v1/scans", rows.map((row) => row.body), ANSWER_MS);
    if (ABOUT_THE_BODY.includes(answer?.status) && rows.length > 1) {
      return this.#send(rows.slice(0, Math.ceil(rows.length / 2)));
    }
    const results = resultsOf(answer, rows.length);
    if (answer?.status !== 401) this.#setLink(results || (answer && answer.status < 500) ? "up" : "down");
    if (results === null) return { isDone: false, retryAfterMs: answer?.retryAfterMs ?? 0 };
    for (const [at, result] of results.entries()) await this.#note(rows[at], result);
    const isStuck = results.some(({ status }) => status === "unavailable");
    return { isMore: !isStuck, isDone: false, retryAfterMs: answer.retryAfterMs };
  }

  async #note(row, { status, key, problem }) {
    if (status === "unavailable") return;
    const changed = await this.#disk.change(async (change) => {
      const kept = await change.get("outbox", row.seq);
      if (!kept?.waiting) return null;
      if (status === "refused") {
        settle(kept, { state: "refused", reason: reasonOf(problem) });
      } else {
        Object.assign(kept, { state: "sent", key, unsettled: kept.client });
        delete kept.waiting;
      }
      await change.put("outbox", kept);
      return kept;
    });
    if (changed === null) return;
    this.onChange(changed, status === "refused");
    if (status === "refused") await this.#takeBack(changed.seq);
    else await this.#catchUp(changed);
  }

  /** Do what came up while the key was on its way. */
  async #catchUp(row) {
    const early = this.#early.get(row.key);
    this.#early.delete(row.key);
    if (early) await this.#hear(row.key, early);
    else if (row.undo === "wanted") {
      const cancelled = await this.cancel(row);
      if (cancelled) await this.#hear(row.key, cancelled);
    }
  }

  #setLink(link) {
    if (link === this.link) return;
    this.link = link;
    this.onLink(link);
  }

  loggedOut() {
    this.#setLink("logged out");
  }

  #listen() {
    this.#source?.close();
    const source = new EventSource("/v1/stream");
    this.#source = source;
    source.onopen = () => {
      this.#setLink("up");
      this.#failures = 0;
      this.wake();
      this.#askAll();
    };
    source.onerror = () => {
      if (this.link !== "logged out") this.#setLink("down");
      // refused: a browser does not try again by itself
      if (source.readyState === EventSource.CLOSED) setTimeout(() => source === this.#source && this.#listen(), 5_000);
    };
    source.addEventListener("command.state", (event) => this.#told(JSON.parse(event.data)));
    source.addEventListener("stream.gap", () => this.#askAll());
  }

  async #told({ key, state, reason }) {
    if (!(await this.#hear(key, { state, reason }))) {
      this.#early.set(key, { state, reason });
      if (this.#early.size > this.#table.max_scans) this.#early.delete(this.#early.keys().next().value);
    }
  }

  /** Ask what became of everything that is on its way. */
  async #askAll() {
    const rows = await this.#disk.look((change) => change.under("unsettled", this.#client));
    for (let at = 0; at < rows.length; at += KEYS_AT_ONCE) {
      const keys = rows.slice(at, at + KEYS_AT_ONCE).map((row) => row.key);
      const answer = await this.#relay.ask(`/v1/commands?keys=${keys.join(",")}`, undefined, ANSWER_MS);
      for (const [key, command] of Object.entries(answer?.document?.commands ?? {})) {
        if (command) await this.#hear(key, command);
      }
    }
  }

  /** Note a command's state; false when nothing here has that key. */
  async #hear(key, { state, reason }) {
    const found = await this.#disk.change(async (change) => {
      const [row] = await change.under("key", key, 1);
      if (!row || row.state === state || !FINAL.includes(state)) return { row, isNew: false };
      settle(row, { state, reason });
      // what is held goes on once a person has decided
      if (state === "held") row.unsettled = row.client;
      await change.put("outbox", row);
      return { row, isNew: true };
    });
    if (found.isNew) {
      this.onChange(found.row, ["rejected", "held"].includes(state));
      await this.#takeBack(found.row.seq);
    }
    return found.row !== undefined;
  }

  /** Take an entry back that waited for its outcome. */
  async #takeBack(seq) {
    const undone = await this.#disk.change(async (change) => {
      const row = await change.get("outbox", seq);
      if (row.undo !== "wanted") return null;
      const [how] = wayBack(row, this.#table.opposites);
      if (!["drop", "compensate"].includes(how)) return null;
      await markUndo(change, row, "undone");
      if (how === "compensate") {
        await compensate(change, row, this.#table.opposites, await change.moment(this.#clock()));
      }
      return row;
    });
    if (undone) {
      this.onChange(undone, false);
      this.wake();
    }
  }
}

/** Give one result for each entry; null when that is not an answer of the relay's. */
function resultsOf(answer, size) {
  const { status, document } = answer ?? {};
  if (ABOUT_THE_BODY.includes(status) && document?.type?.startsWith?.(PROBLEM)) {
    return [{ status: "refused", key: null, problem: document }];
  }
  const results = status === 200 ? document?.results : null;
  const known = ["stored", "duplicate", "refused", "unavailable"];
  return results?.length === size && results.every((each) => known.includes(each?.status)) ? results : null;
}

function reasonOf(problem) {
  const errors = (problem?.errors ?? []).map(({ field, message }) => `${field}: ${message}`);
  return (errors.join("; ") || problem?.detail || problem?.title || "no reason given").slice(0, 200);
}
