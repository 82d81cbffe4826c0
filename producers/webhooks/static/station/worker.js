// Opens the station without a network: keeps the page and the files of its version.
"use strict";

const CACHE = "stockrelay-station-{version}";
const FILES = ["{files}"].map((name) => `/station/{version}/${name}`);
const PAGE = "/station";
/** A network that takes longer is none. */
const PATIENCE_MS = 3_000;

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(
    caches.open(CACHE).then((cache) => cache.addAll([PAGE, ...FILES].map((url) => new Request(url, { cache: "reload" })))),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches.keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (origin !== self.location.origin || event.request.method !== "GET") return;
  if (pathname === PAGE) event.respondWith(page(event.request));
  else if (/^\/station\/[0-9a-f]{16}\//.test(pathname)) event.respondWith(file(event.request));
});

/** The newest page there is; the kept one when there is no network. */
async function page(request) {
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.ok) return answer;
  } catch {
    // the kept one has to do
  }
  const cache = await caches.open(CACHE);
  return (await cache.match(PAGE)) ?? Response.error();
}

/** A file never changes under its version. */
async function file(request) {
  return (await caches.match(request)) ?? fetch(request);
}
