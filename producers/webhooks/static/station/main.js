// Starts the station: opens this browser's disk, finds out who it is, and joins scans, screen, sounds and delivery.

import { Delivery } from "./delivery.js";
import { Disk } from "./disk.js";
import { Keys } from "./keys.js";
import { Lookups } from "./lookups.js";
import { Relay } from "./relay.js";
import { LoginDialog, Screen } from "./screen.js";
import { Sounds } from "./sounds.js";
import { Station } from "./station.js";

const SESSION_MS = 5_000;
const TICK_MS = 1_000;
const SHOWN = 5;

const table = await (await fetch(new URL("./table.json", import.meta.url))).json();
const relay = new Relay();
const sounds = new Sounds();
const tabs = new BroadcastChannel("stockrelay-station");
let disk;
let client = "";
let station = null;
let delivery = null;
let lookups = null;
let link = "down";
let queue = Promise.resolve();

const screen = new Screen(table, (code) => take(code, "screen"));
const box = document.getElementById("scan");
const keys = new Keys(box, take);
const login = new LoginDialog(logIn);

/** Scans are taken one after the other, each at the moment it ended. */
function take(raw, device) {
  const at = Date.now();
  sounds.unlock();
  queue = queue.then(() => scanned(raw, device, at)).catch((error) => screen.note(`The page failed: ${error.message}`));
}

async function scanned(raw, device, at) {
  if (station === null) {
    screen.note("Nothing was taken: this browser has to be logged in once.");
    return login.open();
  }
  const feedback = await station.scan(raw, device, at);
  screen.feedback(feedback);
  sounds.play(table.sounds[feedback.tone]);
  if (["stored", "undone"].includes(feedback.tone)) {
    delivery.wake();
    tabs.postMessage({ is: "stored" });
    await refresh();
  }
}

/** Show what is on disk; any tab may have changed it. */
async function refresh() {
  const rows = [];
  const waiting = await disk.look(async (change) => {
    await change.newestFirst((row) => row.client === client && rows.push(row) >= SHOWN);
    return change.count("waiting", client);
  });
  screen.results(rows);
  screen.link(link, waiting);
}

function setLink(now) {
  link = now;
  if (now === "up") lookups?.resume();
  return refresh();
}

function heard(isNews) {
  if (isNews && document.visibilityState === "visible") sounds.play("late");
  return refresh();
}

async function begin(name) {
  client = name;
  screen.station(client);
  lookups = new Lookups(table, disk, relay);
  delivery = new Delivery({ table, disk, relay, client });
  station = new Station({ table, disk, lookups, delivery, client });
  relay.onLoggedOut = () => delivery.loggedOut();
  delivery.onLink = (now) => {
    tabs.postMessage({ is: "link", link: now });
    setLink(now);
  };
  delivery.onChange = (_, isNews) => {
    tabs.postMessage({ is: "changed", isNews });
    heard(isNews);
  };
  screen.feedback(station.greet());
  box.focus({ preventScroll: true });
  delivery.run();
  tabs.postMessage({ is: "hello" });
  await refresh();
}

tabs.onmessage = ({ data }) => {
  if (station === null) return;
  if (data.is === "stored") delivery.wake();
  if (data.is === "hello") tabs.postMessage({ is: "link", link });
  if (data.is === "link" && data.link !== link) setLink(data.link);
  if (data.is === "changed") heard(data.isNews);
  else if (data.is === "stored") refresh();
};

async function logIn(token) {
  const answer = await relay.ask("/station/login", { token }, SESSION_MS);
  if (answer === null) return "The server does not answer.";
  if (answer.status !== 200) return answer.status === 401 ? "This token is not known." : answer.document?.detail ?? "Refused.";
  await become(answer.document.client);
  return "";
}

/** Be a client; another one than before begins with a fresh page, so that nothing of the two is mixed. */
async function become(name) {
  const isOther = station !== null && name !== client;
  await disk.change((change) => change.put("facts", { name: "client", value: name }));
  screen.note("");
  if (isOther) location.reload();
  else if (station === null) await begin(name);
  else {
    await setLink("up");
    delivery.wake();
    tabs.postMessage({ is: "stored" });
  }
}

async function logOut() {
  await relay.ask("/station/logout", {}, SESSION_MS);
  await disk.change((change) => change.delete("facts", "client"));
  location.reload();
}

async function start() {
  disk = await Disk.open();
  await disk.tidy(Date.now());
  const known = await disk.fact("client");
  if (known) await begin(known);
  const answer = await relay.ask("/station/session", undefined, SESSION_MS);
  if (answer?.document?.client) return become(answer.document.client);
  if (answer?.status === 200) delivery?.loggedOut();
  if (!known) login.open();
}

// where a finger is the pointer, the keyboard on the screen would hide half of the station
if (matchMedia("(pointer: coarse)").matches) {
  box.inputMode = "none";
  box.addEventListener("pointerdown", () => { box.inputMode = "text"; });
  box.addEventListener("blur", () => { box.inputMode = "none"; });
}
document.getElementById("scan-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keys.send();
});
document.getElementById("log-in").addEventListener("click", () => login.open());
document.getElementById("log-out").addEventListener("click", logOut);
document.addEventListener("pointerdown", () => sounds.unlock());
window.addEventListener("online", () => delivery?.wake());
window.addEventListener("offline", () => delivery?.wake());
setInterval(() => {
  const feedback = station?.tick();
  if (feedback) {
    screen.feedback(feedback);
    sounds.play(table.sounds[feedback.tone]);
  }
}, TICK_MS);

navigator.storage?.persist?.();
navigator.serviceWorker?.register("/station/worker.js", { scope: "/station" });
if (!window.isSecureContext) screen.note("Open this page over https: a browser keeps nothing for plain http.");
else start().catch((error) => screen.note(`This browser keeps nothing (${error.message}): the station cannot work.`));
