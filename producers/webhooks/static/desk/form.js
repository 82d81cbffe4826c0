// The form that corrects a command: one input for each field of its schema, and what was changed in it.

import { facts, having, make } from "./dom.js";
import { valueOf } from "./evidence.js";
import { nameOf } from "./words.js";

/** Longer texts get more than a line. */
const LINE = 200;

export class CommandForm {
  #fields = [];
  #names;

  /** `asked` is the command as a replay would send it now. */
  constructor(schema, asked, names) {
    this.#names = names;
    this.#fields = Object.entries(schema.properties ?? {}).map(([name, own]) => new Field(name, own, schema, asked[name]));
  }

  /** Draw the form: what can be changed, then what never does. */
  draw() {
    const [open, fixed] = [false, true].map((isFixed) => this.#fields.filter((field) => field.isFixed === isFixed));
    const [given, others] = [true, false].map((isGiven) => open.filter((field) => field.isGiven === isGiven));
    const drawn = (fields) => fields.map((field) => field.draw(this.#names));
    return [
      ...drawn(given),
      others.length > 0 && make("details", make("summary", `Fields that are not given (${others.length})`), make("div.fields", drawn(others))),
      make("p.faint", "These say which event it was and never change; for another event discard this and submit a new one."),
      facts(fixed.map(({ name, value }) => [name.replaceAll("_", " "), valueOf(name, value, this.#names)])),
    ];
  }

  /** Give the changed fields with their new values; null takes one out. Throws an Error naming what cannot be read. */
  edits() {
    const changed = this.#fields.filter((field) => !field.isFixed).map((field) => [field.name, field.read(), field.value]);
    return Object.fromEntries(
      changed.filter(([, now, was]) => JSON.stringify(now ?? null) !== JSON.stringify(was ?? null)).map(([name, now]) => [name, now ?? null]),
    );
  }

  /** Show what the server says of each field; gives what belongs to none of them. */
  showProblems(errors) {
    for (const field of this.#fields) field.say("");
    return errors.filter(({ field, message }) => {
      const own = this.#fields.find(({ name, isFixed }) => !isFixed && name === field.split(".")[0]);
      own?.say(field === own.name ? message : `${field}: ${message}`);
      own?.reveal();
      return !own;
    });
  }
}

class Field {
  #input = null;
  /** What the input holds before a person touches it: a line keeps no line break, a choice only what it knows. */
  #untouched = "";
  #problem = make("span.problem");

  constructor(name, own, schema, value) {
    this.name = name;
    this.value = value;
    this.isFixed = Boolean(own.readOnly);
    this.isRequired = (schema.required ?? []).includes(name);
    this.kinds = (own.anyOf ?? [own]).map((each) => resolved(each, schema));
    this.type = typeOf(this.kinds);
  }

  get isGiven() {
    const isEmpty = this.value === undefined || this.value === null || this.value === "" || this.value.length === 0;
    return this.isRequired || !isEmpty;
  }

  /** Open what it is folded into. */
  reveal() {
    const fold = this.#input?.closest("details");
    if (fold) fold.open = true;
  }

  draw(names) {
    this.#input = this.#made();
    this.#input.name = this.name;
    this.#untouched = this.#input.value;
    having(this.#input, { "aria-describedby": `problem-${this.name}`, autocomplete: "off", spellcheck: "false" });
    this.#problem.id = `problem-${this.name}`;
    const known = typeof this.value === "string" && nameOf(this.value, names);
    const label = make("label.field", make("span.name", this.name.replaceAll("_", " "), this.isRequired ? "" : make("span.faint", " optional")), this.#input);
    return make("div", label, known && make("p.faint", `now ${known}`), this.#problem);
  }

  #made() {
    const shown = this.value === undefined || this.value === null ? "" : this.value;
    if (this.type === "choice" || this.type === "boolean") {
      const values = this.type === "boolean" ? ["true", "false"] : this.kinds.flatMap((kind) => kind.enum ?? []);
      const options = [...(this.isRequired ? [] : [""]), ...values];
      const select = make("select", options.map((value) => having(make("option", value || "not given"), { value })));
      select.value = String(shown);
      return select;
    }
    if (this.type === "json") {
      const area = make("textarea.json");
      area.rows = 6;
      area.value = shown === "" ? "" : JSON.stringify(shown, null, 2);
      return area;
    }
    const longest = Math.max(...this.kinds.map(({ maxLength }) => maxLength ?? 0));
    const input = make(longest > LINE ? "textarea" : "input");
    if (longest > LINE) input.rows = 2;
    else input.type = "text";
    if (this.type === "number") input.inputMode = "decimal";
    input.value = String(shown);
    return input;
  }

  /** Read the input as JSON has it; undefined where nothing is given. */
  read() {
    const text = this.#input.value;
    if (text === this.#untouched) return this.value;
    // an optional text that is emptied is taken out; what a text may not be, the server says
    if (text.trim() === "") return this.isGiven ? undefined : this.value;
    if (this.type === "boolean") return text === "true";
    if (this.type === "number") return typeof this.value === "string" || !isExact(text.trim()) ? text.trim() : Number(text);
    if (this.type !== "json") return text;
    try {
      return JSON.parse(text);
    } catch (error) {
      this.say(`not JSON: ${error.message}`);
      throw new Error(`${this.name}: not JSON`);
    }
  }

  say(text) {
    this.#problem.textContent = text;
    this.#input?.setAttribute("aria-invalid", String(Boolean(text)));
  }
}

/** Tell whether a text is a number that a browser keeps digit by digit. */
const isExact = (text) => String(Number(text)) === text;

function resolved(kind, schema) {
  return kind.$ref ? { ...schema.$defs?.[kind.$ref.split("/").at(-1)], ...kind } : kind;
}

function typeOf(kinds) {
  const given = kinds.filter(({ type }) => type !== "null");
  if (given.some((kind) => kind.enum)) return "choice";
  const types = given.map(({ type }) => type);
  if (types.some((type) => ["array", "object", undefined].includes(type))) return "json";
  if (types.some((type) => ["integer", "number"].includes(type))) return "number";
  return types.includes("boolean") ? "boolean" : "text";
}
