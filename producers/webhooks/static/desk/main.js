// Starts the desk: finds out who looks, and joins list, letter, decisions, bulk replays, feed and keys.

import { Api, RefusedError } from "./api.js";
import { isAsking, stopAsking } from "./ask.js";
import { Decided } from "./decided.js";
import { Decisions } from "./decide.js";
import { byId, make } from "./dom.js";
import { Feed } from "./feed.js";
import { Letter } from "./letter.js";
import { Filters, List } from "./list.js";
import { Redrives } from "./redrives.js";
import { vendorName } from "./words.js";

const table = await (await fetch(new URL("./table.json", import.meta.url))).json();
const api = new Api();
const list = new List(api);
const letter = new Letter(api);
const decisions = new Decisions(api, table);
const decided = new Decided(api);
const redrives = new Redrives(api, table);
const feed = new Feed();
const filters = new Filters(table, () => {
  remember();
  look({ isOther: true });
});
const loginDialog = byId("login");
const helpDialog = byId("help");
let client = "";

/** Keep filter and chosen letter in the page's address, so that it can be passed on and gone back to. */
function remember({ isStep = false } = {}) {
  const told = new URLSearchParams({ ...filters.get(), ...(list.chosen ? { key: list.chosen } : {}) });
  const address = told.size ? `#${told}` : location.pathname;
  if (location.hash === (told.size ? `#${told}` : "")) return;
  if (isStep) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
}

/** Show what the page's address says. */
function recall() {
  const { key = "", ...filter } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  filters.set(filter);
  choose(key, { isRecalled: true });
  look({ isOther: true });
}

function choose(key, { isStep = false, isRecalled = false, isFocused = !isStep } = {}) {
  list.mark(key, { isFocused: isStep });
  if (!isRecalled) remember({ isStep });
  document.body.dataset.view = key && !isStep ? "letter" : document.body.dataset.view;
  if (!key) {
    document.body.dataset.view = "list";
    letter.close();
    return;
  }
  if (client) letter.open(key, { isFocused: isFocused && !isRecalled });
}

/** Read list and letter anew. */
async function look(how = {}) {
  if (!client) return;
  try {
    await list.load(filters.get(), how);
    note("");
  } catch (error) {
    if (error instanceof RefusedError && error.status !== 422) note(error.isLost ? "The server does not answer. What you see may be old." : error.message);
  }
  if (list.chosen && !isAsking()) await letter.open(list.chosen);
}

function backToList() {
  const key = list.chosen;
  document.body.dataset.view = "list";
  choose("");
  document.querySelector(`#letters [data-key="${CSS.escape(key)}"]`)?.focus();
}

function note(text) {
  byId("note").textContent = text;
  byId("note").hidden = !text;
}

function showCounts(counts) {
  const all = Object.values(counts).reduce((sum, each) => sum + each, 0);
  const each = Object.entries(counts).filter(([, number]) => number).map(([vendor, number]) => `${vendorName(vendor)} ${number}`);
  byId("total").replaceChildren(all ? `${all} in all` : "none", all ? make("span", `: ${each.join(", ")}`) : "");
  document.title = all ? `(${all}) Dead letters` : "Dead letters";
}

/** Ask for the token, once; above a question that is open, whose answer a person may have half typed. */
function logInAgain(problem) {
  if (loginDialog.open) return;
  loginDialog.querySelector(".problem").textContent = problem && problem.status !== 401 ? problem.message : "";
  loginDialog.showModal();
  byId("token").focus();
}

function begin(name) {
  if (client && client !== name) {
    decided.clear();
    stopAsking();
  }
  client = name;
  byId("who").textContent = client;
  byId("log-out").hidden = false;
  feed.run();
  redrives.look();
  decided.look();
  recall();
}

list.onChoose = (key, how) => choose(key, how);
list.onCounts = showCounts;
letter.acts = {
  replay: (shown) => decisions.replay(shown),
  correct: (shown) => decisions.correct(shown),
  discard: (shown) => decisions.discard(shown),
  back: backToList,
};
decided.onChoose = (key) => choose(key);
decisions.onDecided = async (shown, decision, state) => {
  decided.add(shown, decision, state);
  if (decision !== "corrected") {
    const at = list.letters.findIndex(({ key }) => key === shown.key);
    const next = list.letters[at + 1] ?? list.letters[at - 1];
    // on a wide screen the next one is ready to be read; on a narrow one the list is
    const isWide = matchMedia("(min-width: 60rem)").matches;
    choose(isWide && next ? next.key : "", { isStep: true });
    if (!isWide) document.body.dataset.view = "list";
  }
  await look();
};
redrives.onMove = () => look();
feed.isListed = (key) => list.letters.some((each) => each.key === key);
feed.onChange = () => look();
feed.onLink = (link) => {
  document.body.dataset.link = link;
  byId("link").textContent = link === "up" ? "live" : "not live, looking every 30 s";
};
api.onLoggedOut = logInAgain;

byId("redrive-open").addEventListener("click", () => {
  filters.apply();
  redrives.open(filters.get());
});
byId("help-open").addEventListener("click", () => helpDialog.showModal());
helpDialog.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  helpDialog.close();
});
// without a session there is nothing behind it
loginDialog.addEventListener("cancel", (event) => event.preventDefault());
loginDialog.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = loginDialog.querySelector(".problem");
  problem.textContent = "";
  try {
    const { client: name } = await api.logIn(byId("token").value.trim());
    byId("token").value = "";
    loginDialog.close();
    begin(name);
  } catch (error) {
    problem.textContent = error.status === 401 ? "This token is not known." : error.message;
  }
});
byId("log-out").addEventListener("click", async () => {
  decided.clear();
  await api.logOut().catch(() => {});
  location.reload();
});
addEventListener("popstate", recall);

const KEYS = {
  j: () => list.step(1),
  k: () => list.step(-1),
  r: () => letter.shown && letter.shown.state !== "damaged" && letter.acts.replay(letter.shown),
  c: () => letter.shown && letter.shown.state !== "damaged" && letter.acts.correct(letter.shown),
  d: () => letter.shown && letter.acts.discard(letter.shown),
  "/": () => filters.focus(),
  "?": () => helpDialog.showModal(),
};
document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target.closest("input, select, textarea");
  if (event.key === "Escape") {
    if (isTyping) event.target.blur();
    else if (list.chosen) backToList();
    return;
  }
  if (isTyping) return;
  const isInList = event.target.closest("#letters");
  const act = KEYS[event.key] ?? (isInList && { ArrowDown: KEYS.j, ArrowUp: KEYS.k }[event.key]);
  if (!act) return;
  event.preventDefault();
  act();
});

letter.close();
try {
  const { client: name } = await api.session();
  if (name) begin(name);
  else logInAgain();
} catch (error) {
  note(error.message);
  logInAgain();
}
