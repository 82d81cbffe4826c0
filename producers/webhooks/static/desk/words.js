// What a person reads: moments, ages, and in plain words what a dead letter is and what each decision will do.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SPANS = [[DAY, "d"], [HOUR, "h"], [MINUTE, "min"], [1, "s"]];
/** Characters of an id in a summary. */
const CUT = 8;
const ID = new RegExp(`(?<![0-9a-z])[0-9a-z]{26}(?![0-9a-z])|(?<![0-9a-z])[0-9a-z]{${CUT}}…`, "g");
/** Made once for each answer of the server. */
const cutsKnown = new WeakMap();
const VENDORS = { partsbox: "PartsBox", partium: "Partium", openbom: "OpenBOM", partbolt: "PartBolt", routing: "Routing" };

/** Write a vendor as it writes itself. */
export const vendorName = (vendor) => VENDORS[vendor] ?? vendor;

/** Write a span: two units at most, as `2 h 5 min`. */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const at = SPANS.findIndex(([size]) => whole >= size);
  if (at < 0) return "0 s";
  const [[size, unit], next] = [SPANS[at], SPANS[at + 1]];
  const rest = next ? Math.floor((whole % size) / next[0]) : 0;
  return `${Math.floor(whole / size)} ${unit}${rest ? ` ${rest} ${next[1]}` : ""}`;
}

/** Write a moment of the ledger on this browser's clock face, with the day where it is not today. */
export function moment(ms) {
  const at = new Date(ms);
  const time = at.toLocaleTimeString("en-GB");
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? time : `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })} ${time}`;
}

/** Write how long ago something was, or how soon. */
export function ago(ms, nowMs) {
  return ms > nowMs + 1_000 ? `in ${span((ms - nowMs) / 1000)}` : `${span((nowMs - ms) / 1000)} ago`;
}

/** Tell what an id stands for; undefined where nobody knows. */
export const nameOf = (id, names = {}) => (Object.hasOwn(names, id) ? names[id] : undefined);

/** What ids that are cut short stand for: one that two of them share stands for none. */
function cutsOf(names) {
  const known = cutsKnown.get(names);
  if (known) return known;
  const cuts = new Map();
  for (const [id, name] of Object.entries(names)) {
    const cut = `${id.slice(0, CUT)}…`;
    cuts.set(cut, cuts.has(cut) ? undefined : name);
  }
  cutsKnown.set(names, cuts);
  return cuts;
}

/** Put names where ids stand, whole or cut short as summaries have them; `names` is one that is never changed. */
export function named(text, names = {}) {
  const cuts = cutsOf(names);
  return (text ?? "").replace(ID, (id) => nameOf(id, names) ?? cuts.get(id) ?? id);
}

/** Write a lane: `part:4kd…` as `part RC0603-10R`. */
export const laneName = (lane, names) => named(lane, names).replace(":", " ");

const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;
export { count };

/** The text that marks a command's entries in the vendor's data. */
export const markerOf = (letter) => `[cmd:${letter.key}]`;

/** Tell whether a request that changes something can have left for the vendor. */
function wasSent(letter) {
  return letter.attempts > 0 || letter.doubted || letter.evidence.some(({ before }) => before !== undefined);
}

/** Say what kind of dead letter it is and what that means: a headline and a sentence. */
export function standing(letter) {
  const vendor = vendorName(letter.vendor);
  const behind = waitingBehind(letter);
  if (letter.state === "damaged") {
    return ["Its record cannot be read", "It may have been sent. It can only be looked at and discarded; a lane that it stands in waits until then."];
  }
  if (letter.state === "held") {
    const waits = behind ? `${count(behind, "command waits", "commands wait")} behind it until you decide.` : "Nothing waits behind it yet.";
    return [wasSent(letter) ? `Nobody could tell whether ${vendor} has it` : "Held before it was sent", `Its lane stands still. ${waits}`];
  }
  return [wasSent(letter) ? `${vendor} refused it` : "Refused before it was sent", "Its lane went on without it; nothing waits for it."];
}

/** Count the commands that stand behind a held one, at most in its longest lane. */
export function waitingBehind(letter) {
  if (letter.state !== "held") return 0;
  return Math.max(0, ...letter.lane_heads.map(({ length }) => length - 1));
}

const isRecords = (found) => Array.isArray(found) && found.length > 0 && found.every((each) => each !== null && typeof each === "object");

/** Say what the vendor has of it, as far as the evidence goes. */
export function atVendor(letter) {
  const vendor = vendorName(letter.vendor);
  if (letter.vendor === "routing") return { isSure: true, text: "Nothing by itself: it only makes commands for other vendors.", advice: "" };
  const found = letter.evidence.findLast(({ after }) => isRecords(after));
  if (found) {
    const text = `${count(found.after.length, "entry was", "entries were")} found there that may be this command's:`;
    return { isSure: false, text, entries: found.after, advice: lookAdvice(letter) };
  }
  if (letter.state === "damaged") return { isSure: false, text: "Unknown.", advice: lookAdvice(letter) };
  if (!wasSent(letter)) return { isSure: true, text: "Nothing: no request was ever sent.", advice: "" };
  if (letter.state === "rejected" && !letter.doubted) {
    return { isSure: true, text: `Nothing of it: ${vendor} refused the request.`, advice: "" };
  }
  if (letter.state === "rejected") {
    return { isSure: false, text: "Nothing of the last try, which was refused. The outcome of an earlier try was unknown.", advice: lookAdvice(letter) };
  }
  return { isSure: false, text: "Unknown: it may be there, or not.", advice: lookAdvice(letter) };
}

function lookAdvice(letter) {
  if (letter.vendor !== "partsbox") return `Look at the record in ${vendorName(letter.vendor)} before you decide.`;
  return `Look in PartsBox, in the comments of the part's stock history, for the marker below before you decide.`;
}

const REPEATS = {
  relative: "First the part's stock history is searched for its marker. If it is there, the command counts as applied and nothing is sent; if not, it is sent once more.",
  create: "First the record is looked for by its marker or name. If it is there, nothing is created a second time.",
  guarded: "First it is read whether there is still something to do. Only then is it sent.",
  set: "First the values are compared. If they differ, they are set again: a newer value that somebody set by hand is overwritten.",
  upsert: "First the record is compared. If it differs, it is written again as a whole: a newer change by hand is overwritten.",
  expand: "It is worked out anew, and its commands are handed over; those that are known already are not doubled.",
};

/** Say what a replay does at the vendor, by how such a write behaves when it is repeated. */
export function replayEffect(letter) {
  return REPEATS[letter.effect] ?? "It is tried again as a new delivery is.";
}

/** Warn of the one thing no machine can see. */
export function replayWarning(letter) {
  if (letter.effect !== "relative" || letter.state !== "held" || !wasSent(letter)) return "";
  return "If somebody has booked it by hand, without the marker, a replay books it a second time: then discard it instead.";
}

/** Say what each place in the lanes means for this letter: `[value, words]`; the first is the usual one. */
export function places(letter, leavesItsLanes = letter.leaves_its_lanes) {
  const head = ["head", "At the head: before all that wait, behind what runs now"];
  const tail = ["tail", "At the tail: behind all that were accepted so far"];
  if (letter.state === "rejected") return [["", `${tail[1]} (usual)`], head];
  return leavesItsLanes ? [head, tail] : [["", "In its place: what waits behind it follows (usual)"], tail];
}

/** Say what a discard does. */
export function discardEffect(letter) {
  const behind = waitingBehind(letter);
  const goesOn = letter.state === "rejected" ? "No lane waits for it." : behind
    ? `Its lane goes on: ${count(behind, "command that waits", "commands that wait")} behind it will run now.`
    : "Its lane is free again.";
  return ["It is never sent again, and stays on record with your name and reason.", goesOn, "This cannot be undone."];
}

/** Write a filter in words. */
export function filterWords(filter) {
  const words = [];
  if (filter.state) words.push(filter.state);
  if (filter.vendor) words.push(`of ${vendorName(filter.vendor)}`);
  if (filter.kind) words.push(`of kind ${filter.kind}`);
  if (filter.text) words.push(`with “${filter.text}”`);
  if (filter.reason) words.push(`whose reason has “${filter.reason}”`);
  if (filter.since_ms !== undefined) words.push(`died from ${moment(filter.since_ms)}`);
  if (filter.until_ms !== undefined) words.push(`died before ${moment(filter.until_ms)}`);
  return words.length ? words.join(", ") : "all dead letters of all vendors";
}
