// Requests to the server that this page came from, with the session's cookie.

export class Relay {
  /** Called with nothing when the server says that this browser has no session any more. */
  onLoggedOut = () => {};

  /** Give status, document (null when it is no JSON) and the seconds to wait; null when nobody answered. */
  async ask(path, body, patienceMs) {
    const init = {
      method: body === undefined ? "GET" : "POST",
      headers: { Accept: "application/json" },
      credentials: "same-origin",
      redirect: "error",
      cache: "no-store",
      signal: AbortSignal.timeout(patienceMs),
    };
    if (body !== undefined) {
      init.headers["Content-Type"] = "application/json";
      init.body = JSON.stringify(body);
    }
    try {
      const answer = await fetch(path, init);
      const document = await answer.json().catch(() => null);
      if (answer.status === 401 && !path.startsWith("/station/")) this.onLoggedOut();
      return { status: answer.status, document, retryAfterMs: retryAfterMs(answer.headers.get("Retry-After")) };
    } catch {
      return null;
    }
  }
}

/** Read the delay form (RFC 9110 10.2.3); the date form would trust a second clock. */
function retryAfterMs(text) {
  return /^[0-9]{1,4}$/.test(text ?? "") ? Math.min(Number(text), 60) * 1000 : 0;
}
