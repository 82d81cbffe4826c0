// What was seen, sent and answered, in order, for a person who has to decide.

import { make, facts, having } from "./dom.js";
import { moment, nameOf, named } from "./words.js";

/** Fields of UTC milliseconds, which are also written as a date. */
const MOMENTS = ["stock_timestamp", "entry_timestamp", "timestamp_ms", "at_ms", "created_ms", "expiration_ms"];
/** Shown in the line that opens a step, or as a table of their own. */
const OPENING = ["what", "at_ms", "attempt", "owner", "by", "before", "exchange", "after", "changes", "replaced", "note"];
const GOOD_STATUS = 300;
/** Longer texts are folded away. */
const LONG = 600;

/** Write a value as a person reads it. */
export function valueOf(name, value, names = {}) {
  if (value === null || value === undefined) return make("span.none", "not given");
  if (MOMENTS.includes(name) && typeof value === "number") return make("span", having(make("time", moment(value)), { title: String(value) }));
  if (typeof value === "string") {
    const known = nameOf(value, names);
    return known ? make("span", known, " ", make("code.id", value)) : make("span.text", value || "(empty)");
  }
  if (typeof value !== "object") return make("span", String(value));
  return block(JSON.stringify(value, null, 2), names);
}

function block(text, names) {
  const pre = make("pre", text);
  const known = Object.entries(names).filter(([id]) => text.includes(id));
  const legend = known.length > 0 && make("p.legend", known.map(([id, name]) => make("span", `${name} = ${id}`)));
  if (text.length <= LONG) return make("div", pre, legend);
  return make("details", make("summary", `${text.split("\n").length} lines`), pre, legend);
}

/** Draw all steps, oldest first; the last is open. */
export function evidenceOf(letter) {
  if (!letter.evidence.length) return make("p.faint", "Nothing was kept: no worker has begun it, or its evidence is damaged.");
  return make("ol.evidence", letter.evidence.map((entry) => stepOrRaw(entry, letter.names)));
}

/** One step that is not as a worker keeps it must not hide the others, nor the decisions. */
function stepOrRaw(entry, names) {
  try {
    return step(entry, names);
  } catch {
    return make("li", make("p.note", "This step is not as a worker keeps it:"), block(JSON.stringify(entry, null, 2), names));
  }
}

function step(entry, names) {
  const who = entry.by ? ` by ${entry.by}` : "";
  const opening = make("p.opening",
    make("strong", `${entry.what ?? "step"}${who}`),
    entry.attempt ? make("span", `attempt ${entry.attempt}`) : null,
    having(make("time", entry.at_ms ? moment(entry.at_ms) : "no time"), { title: new Date(entry.at_ms || 0).toISOString() }));
  const item = make("li", opening, entry.note && make("p.note", named(entry.note, names)));
  item.dataset.what = String(entry.what ?? "");
  if (entry.before !== undefined) item.append(part("Before", beforeOf(entry.before, names)));
  if (entry.exchange) item.append(...exchangeOf(entry.exchange, names));
  if (entry.after?.length) item.append(part("Found at the vendor", table(entry.after, names)));
  if (entry.changes?.length) item.append(part("Correction", changesOf(entry.changes, names)));
  if (entry.replaced) item.append(part("Sent before the correction", valueOf("replaced", decoded(entry.replaced), names)));
  const others = Object.entries(entry).filter(([name, value]) => !OPENING.includes(name) && value !== null && value !== false);
  if (others.length) item.append(facts(others.map(([name, value]) => [words(name), valueOf(name, value, names)])));
  if (entry.owner) item.append(make("p.faint", `worker ${entry.owner}`));
  return item;
}

const part = (title, ...content) => make("div.part", make("h4", title), content);
/** Write a field's name as words; a time is shown as one, whatever its unit. */
const words = (name) => name.replace(/_ms$/, "").replaceAll("_", " ");

function beforeOf(before, names) {
  const rows = Object.entries(before ?? {});
  if (!rows.length) return make("p.faint", "nothing was there, or nothing had to be known");
  return facts(rows.map(([name, value]) => {
    if (name === "timestamps") return ["stock entries", String(value.length)];
    return [words(name), valueOf(name, value, names)];
  }));
}

function exchangeOf({ operation, request, status, answer, elapsed_ms: elapsedMs }, names) {
  const took = elapsedMs === undefined ? "" : ` after ${elapsedMs} ms`;
  const came = status === null || status === undefined ? "no answer was read" : `HTTP ${status}`;
  const head = make(status && status < GOOD_STATUS ? "span.status.good" : "span.status.bad", came);
  return [
    part("Request", make("p", make("code", operation ?? "")), valueOf("request", request, names)),
    part("Answer", make("p", head, took), answer === null || answer === undefined ? null : valueOf("answer", answer, names)),
  ];
}

function cell(name, value, names) {
  const known = typeof value === "string" && nameOf(value, names);
  const content = known ? having(make("span", known), { title: value }) : value === null || value === undefined ? "" : valueOf(name, value, names);
  return having(make("td", content), { "data-name": words(name) });
}

/** Draw records of one form as a table, with names instead of ids. */
export function table(rows, names) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => rows.some((row) => row[name] !== null));
  return make("div.wide-table", make("table.records",
    make("thead", make("tr", columns.map((name) => make("th", words(name))))),
    make("tbody", rows.map((row) => make("tr", columns.map((name) => cell(name, row[name], names)))))));
}

/** Draw what a correction changes, field by field. */
export function changesOf(changes, names) {
  return make("div.wide-table", make("table.diff",
    make("thead", make("tr", make("th", "Field"), make("th", "Now"), make("th", "Corrected"))),
    make("tbody", changes.map(({ field, old, new: wanted }) => make("tr",
      having(make("th", words(field)), { scope: "row" }),
      make("td", make("del", valueOf(field, old, names))),
      make("td", make("ins", valueOf(field, wanted, names))))))));
}

/** Read JSON that is kept as a text; what is none stays one. */
export function decoded(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
