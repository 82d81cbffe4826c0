// Hears when the dead letters change, and looks by itself while nothing can be heard.

/** Changes that come together are shown together. */
const GATHER_MS = 400;
/** Without the feed, and for what it does not tell. */
const LOOK_MS = 30_000;
const RETRY_MS = 5_000;
const DEAD = ["rejected", "held"];

export class Feed {
  #source = null;
  #timer = null;
  #isRunning = false;
  /** `isListed(key)`: whether a change of a command's state changes the list. */
  isListed = () => false;
  onChange = () => {};
  /** Called with `up` or `down`. */
  onLink = () => {};

  run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#listen();
    setInterval(() => this.#gather(), LOOK_MS);
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#gather());
  }

  #listen() {
    this.#source?.close();
    const source = new EventSource("/v1/dead-letters/stream");
    this.#source = source;
    source.onopen = () => {
      this.onLink("up");
      this.#gather();
    };
    source.onerror = () => {
      this.onLink("down");
      // refused: a browser does not try again by itself
      if (source.readyState === EventSource.CLOSED) setTimeout(() => source === this.#source && this.#listen(), RETRY_MS);
    };
    source.addEventListener("command.state", (event) => {
      const { key, state } = JSON.parse(event.data);
      if (DEAD.includes(state) || this.isListed(key)) this.#gather();
    });
    source.addEventListener("stream.gap", () => this.#gather());
  }

  #gather() {
    if (document.visibilityState === "hidden") return;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.onChange();
    }, GATHER_MS);
  }
}
