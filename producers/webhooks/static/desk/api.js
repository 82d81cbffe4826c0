// Requests to the server that this page came from, with the desk's session.

const PATH = "/v1/dead-letters";
/** Longer than the server waits for the ledger. */
const PATIENCE_MS = 15_000;
/** Counting and beginning bulk replays reads every letter. */
const BULK_PATIENCE_MS = 120_000;

/** What went wrong with a request; `isLost` when no answer came, so that nobody knows whether it was done. */
export class RefusedError extends Error {
  constructor(message, { status = 0, code = "", errors = [] } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.errors = errors;
    this.isLost = status === 0;
  }
}

export class Api {
  /** Called with the problem when this browser has no session, or none that may operate. */
  onLoggedOut = () => {};

  find(query, signal) {
    return this.#ask(`${PATH}?${new URLSearchParams(query)}`, { signal });
  }

  show(key, signal) {
    return this.#ask(`${PATH}/${encodeURIComponent(key)}`, { signal });
  }

  schema(key) {
    return this.#ask(`${PATH}/${key}/schema`);
  }

  preview(key, edits, revision) {
    return this.#ask(`${PATH}/${key}/preview`, { body: { edits, revision } });
  }

  edit(key, edits, revision) {
    return this.#ask(`${PATH}/${key}/edit`, { body: { edits, revision } });
  }

  replay(key, how) {
    return this.#ask(`${PATH}/${key}/replay`, { body: how });
  }

  discard(key, reason, revision) {
    return this.#ask(`${PATH}/${key}/discard`, { body: { reason, revision } });
  }

  count(filter) {
    return this.#ask(`${PATH}/redrives/count`, { body: { filter }, patienceMs: BULK_PATIENCE_MS });
  }

  redrive(filter, perSecond) {
    return this.#ask(`${PATH}/redrives`, { body: { filter, per_second: perSecond }, patienceMs: BULK_PATIENCE_MS });
  }

  redrives() {
    return this.#ask(`${PATH}/redrives`);
  }

  cancelRedrive(id) {
    return this.#ask(`${PATH}/redrives/${id}/cancel`, { body: {} });
  }

  /** Give what became of commands, by key. */
  async states(keys) {
    return (await this.#ask(`/v1/commands?keys=${keys.join(",")}`)).commands;
  }

  session() {
    return this.#ask("/dead-letters/session");
  }

  logIn(token) {
    return this.#ask("/dead-letters/login", { body: { token }, isLogin: true });
  }

  logOut() {
    return this.#ask("/dead-letters/logout", { body: {} });
  }

  /** Give the answer's document; throws RefusedError, and AbortError when `signal` ends it. */
  async #ask(path, { body, signal, patienceMs = PATIENCE_MS, isLogin = false } = {}) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const patience = AbortSignal.timeout(patienceMs);
    let answer;
    let document;
    try {
      answer = await fetch(path, {
        method: body === undefined ? "GET" : "POST",
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "same-origin",
        redirect: "error",
        cache: "no-store",
        signal: signal ? AbortSignal.any([signal, patience]) : patience,
      });
      document = await answer.json();
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new RefusedError("The server does not answer.");
    }
    if (answer.ok) return document;
    const refused = new RefusedError(textOf(document), { status: answer.status, ...document });
    if (!isLogin && (answer.status === 401 || document.code === "role-missing")) this.onLoggedOut(refused);
    throw refused;
  }
}

function textOf(document) {
  const errors = (document.errors ?? []).map(({ field, message }) => `${field}: ${message}`);
  return errors.join("; ") || document.detail || document.title || "The server refused it.";
}
