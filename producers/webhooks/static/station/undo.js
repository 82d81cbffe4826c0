// Taking a stored entry back: off this disk while it is there alone, by a cancel, by the opposite once it is booked.

import { comment } from "./words.js";

/** Not booked and never will be. */
const NEVER_BOOKED = ["withdrawn", "refused", "rejected", "cancelled"];

/** The word that says how an entry is taken back. */
export const UNDO_WORDS = { drop: "undone", compensate: "undo_sent", wait: "undo_waits", refuse: "undo_refused" };

/** Say how an entry that can no longer be withdrawn is taken back, and why so. */
export function wayBack(row, opposites) {
  if (NEVER_BOOKED.includes(row.state)) return ["drop", `it was never booked (${row.state})`];
  if (row.state === "held") return ["refuse", "nobody knows yet whether it was booked: a person decides first"];
  const hasOpposite = row.body.kind in opposites;
  if (!hasOpposite) return ["refuse", "a received order cannot be taken back from here: correct it at the vendor"];
  if (row.state === "applied") return ["compensate", "it was booked: the opposite is on its way"];
  return ["wait", "it is on its way: the opposite follows as soon as it is booked"];
}

/** Find the newest entry of a client that is not taken back yet; null when the newest `depth` are. */
export async function lastEntry(change, client, depth) {
  let found = null;
  let seen = 0;
  await change.newestFirst((row) => {
    if (!row.isEntry || row.client !== client) return false;
    seen += 1;
    if (seen > depth) return true;
    if (!row.undo) found = row;
    return found !== null;
  });
  return found;
}

/** Note that an entry is `undone`, or `wanted` back; its label may be booked again. */
export async function markUndo(change, row, undo) {
  row.undo = undo;
  await change.put("outbox", row);
  if (row.label) await change.delete("labels", [row.label.scope, row.label.identity]);
}

/** Put the opposite of an entry into the outbox. */
export async function compensate(change, row, opposites, moment) {
  const { kind, fields } = opposites[row.body.kind];
  const taken = Object.fromEntries(Object.entries(fields).map(([name, from]) => [name, row.body[from]]));
  const summary = `UNDO ${row.summary}`;
  const body = { kind, ...taken, stock_timestamp: moment, source: row.client, comments: comment(summary) };
  await change.add("outbox", newRow(row.client, body, summary, { undoes: row.seq }));
}

/** Make an entry of the outbox that waits to be sent. */
export function newRow(client, body, summary, more) {
  return {
    client, body, summary, stock_timestamp: body.stock_timestamp, state: "stored", waiting: client,
    attempts: 0, key: "", reason: "", undo: "", isEntry: false, ...more,
  };
}
