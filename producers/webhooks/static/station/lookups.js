// What ids and labels stand for: asked of the server; ids are kept on this disk for when it is away.

const OFFLINE = "the directory cannot be asked now";
const UNKNOWN = "not in the directory";
const OFFLINE_LABEL = "offline: scan the PartsBox label";
/** An operator waits for a beep no longer. */
const ANSWER_MS = 1_500;
/** After a failure what is kept has to do for so long, so that not every scan waits. */
const PAUSE_MS = 10_000;

export class Lookups {
  #table;
  #disk;
  #relay;
  #clock;
  #awayUntil = -Infinity;

  constructor(table, disk, relay, clock = Date.now) {
    this.#table = table;
    this.#disk = disk;
    this.#relay = relay;
    this.#clock = clock;
  }

  /** The server is back: ask again at once. */
  resume() {
    this.#awayUntil = -Infinity;
  }

  /** Say which things an id or a label stands for, or why none of them may be taken. Anything else comes back as it is. */
  async meaning(code) {
    if (code.is === "id") return this.#thing(code.id);
    return code.is === "foreign" ? this.#label(code.raw) : code;
  }

  async #thing(id) {
    const found = await this.#ofId(id);
    if (typeof found === "string") return picks([pick(id, null)], [found]);
    const doubts = found.archived ? [`${found.name || id} is archived`] : [];
    return picks([pick(found.id, found.type, found.name)], doubts);
  }

  async #ofId(id) {
    const question = `ids/${id}`;
    const kept = await this.#disk.get("known", question);
    if (kept && Math.abs(this.#clock() - kept.at_ms) < this.#table.fresh_ms) return kept.thing;
    const answer = await this.#ask(`/v1/directory/ids/${id}`);
    if (answer === null) return kept?.thing ?? OFFLINE;
    if (answer.status !== 200) return UNKNOWN;
    const thing = thingOf(answer.document);
    // What cannot be kept now is asked again; the scan itself will say what is wrong with the disk.
    await this.#disk.change((change) => change.put("known", { question, thing, at_ms: this.#clock() })).catch(() => {});
    return thing;
  }

  async #label(raw) {
    const answer = await this.#ask("/v1/labels", { scan: raw });
    if (answer?.status !== 200) return refusal(OFFLINE_LABEL, "nothing was taken");
    const { label, refusal: refused } = answer.document;
    if (refused) return refusal(refused.reason, refused.advice);
    if (label.vendor_id) return this.#thing(label.vendor_id);
    if (label.codes_to_check.length) return this.#partsOf(label);
    if (label.quantity) return { is: "quantity", quantity: label.quantity, doubt: label.doubts[0] ?? "" };
    return refusal("this label names no part", "scan the label with the part number");
  }

  /** Find the part that all numbers of the label agree on. */
  async #partsOf(label) {
    const numbers = label.codes_to_check;
    const answers = await Promise.all(numbers.map((number) => this.#ofNumber(number)));
    const known = answers.filter((answer) => Array.isArray(answer) && answer.length);
    const unasked = answers.includes(null) ? [OFFLINE] : [];
    if (!known.length && unasked.length) return refusal(OFFLINE_LABEL, "nothing was taken");
    const things = new Map(known.flat().map((part) => [part.id, part]));
    const found = [...things.values()].filter((part) => known.every((parts) => parts.some(({ id }) => id === part.id)));
    if (!found.length) {
      const names = numbers.filter((_, at) => !known.length || answers[at]?.length).map((each) => `"${each}"`);
      const all = names.join(" and ");
      const reason = known.length ? `${all} are different parts` : `the directory does not know ${all}`;
      return refusal(reason, "scan the part's own code");
    }
    const archived = found.filter((part) => part.archived).map((part) => `${part.name || part.id} is archived`);
    return picks(found.map((part) => labelled(part, found, label)), [...label.doubts, ...unasked, ...archived]);
  }

  /** Give the parts of a number, or null when that cannot be told. */
  async #ofNumber(number) {
    if (!number.trim() || number.length > this.#table.max_code_characters) return null;
    const answer = await this.#ask(`/v1/directory/parts?code=${encodeURIComponent(number)}`);
    return answer?.status === 200 ? answer.document.parts.map(thingOf) : null;
  }

  /** Give the server's answer, or null when it is away. */
  async #ask(path, body) {
    if (this.#clock() < this.#awayUntil) return null;
    const answer = await this.#relay.ask(path, body, ANSWER_MS);
    const isAnswer = answer !== null && [200, 404].includes(answer.status) && answer.document !== null;
    if (isAnswer) return answer;
    if (answer === null || answer.status >= 500) this.#awayUntil = this.#clock() + PAUSE_MS;
    return null;
  }
}

const pick = (id, type, name = "", more = {}) => ({ id, type, name, quantity: null, remark: "", label: "", ...more });
const picks = (choices, doubts) => ({ is: "picks", choices, doubts });
const refusal = (reason, advice) => ({ is: "unreadable", reason, advice });

function thingOf(document) {
  const { id, type, name = "", archived = false, manufacturer = "" } = document;
  return { id, type, name, archived: archived === true, manufacturer };
}

function labelled(part, among, label) {
  const alike = among.filter((other) => other.name === part.name);
  const name = alike.length === 1 ? part.name : `${part.name} ${part.manufacturer || part.id.slice(0, 8)}`.trim();
  const remark = [["lot", label.lot], ["date code", label.date_code]]
    .filter(([, value]) => value).map(([word, value]) => `${word} ${value}`).join(", ");
  return pick(part.id, "part", name, { quantity: label.quantity, remark, label: identityOf(label) });
}

/** Name a label by its own id, or by everything it says; two bags may share the latter, never the former. */
function identityOf(label) {
  if (label.unique_id) return `unique:${label.unique_id}`;
  return `same:${JSON.stringify([label.format, Object.entries(label.fields).sort()])}`;
}
