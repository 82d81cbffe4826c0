// Bulk replays: counted and asked about first, then shown with their progress until a person has read it.

import { ask } from "./ask.js";
import { button, byId, having, make } from "./dom.js";
import * as words from "./words.js";

const LOOK_MS = 1_000;
/** Ended ones are shown for so long. */
const SHOWN_SECONDS = 3_600;
const USUAL_PER_SECOND = 1;

export class Redrives {
  #api;
  #table;
  #place = byId("redrives");
  #timer = null;
  #replayed = -1;
  /** Called when one of them has moved on. */
  onMove = () => {};

  constructor(api, table) {
    this.#api = api;
    this.#table = table;
  }

  /** Show the bulk replays, and go on looking while one is running. */
  async look() {
    clearTimeout(this.#timer);
    let found;
    try {
      found = await this.#api.redrives();
    } catch {
      this.#timer = setTimeout(() => this.look(), 5 * LOOK_MS);
      return;
    }
    const shown = found.redrives.filter(({ state, ended_ms: endedMs }) => state === "running" || found.now_ms - endedMs < SHOWN_SECONDS * 1000);
    this.#place.hidden = !shown.length;
    const focused = document.activeElement?.dataset?.redrive;
    this.#place.replaceChildren(make("h2", "Bulk replays"), ...shown.map((redrive) => this.#row(redrive)));
    if (focused) this.#place.querySelector(`[data-redrive="${focused}"]`)?.focus();
    const replayed = found.redrives.reduce((sum, each) => sum + each.replayed + each.skipped, 0);
    if (this.#replayed >= 0 && replayed !== this.#replayed) this.onMove();
    this.#replayed = replayed;
    if (shown.some(({ state }) => state === "running")) this.#timer = setTimeout(() => this.look(), LOOK_MS);
  }

  /** Ask how fast to replay all that fit a filter, after counting them. */
  async open(filter) {
    const rate = having(make("input"), { type: "number", min: 0.01, max: this.#table.fastest_redrive, step: "any", value: USUAL_PER_SECOND, required: true });
    const counted = make("div.counted", make("p.faint", "Counting…"));
    const lasts = make("p.faint");
    let count = null;
    const show = () => {
      const most = Math.max(0, ...Object.values(count?.vendors ?? {}));
      lasts.textContent = count && Number(rate.value) > 0 ? `Takes about ${words.span(most / Number(rate.value))}; it goes on when this page is closed, waits while a vendor is paused, and can be cancelled.` : "";
    };
    rate.addEventListener("input", show);
    const begun = ask({
      title: "Replay many?",
      body: [
        make("p.what", words.filterWords(filter)),
        counted,
        make("label.field", make("span.name", "Replays a second, at each vendor"), rate),
        lasts,
      ],
      action: "Replay them",
      act: async () => {
        if (!count?.total) throw new Error(count ? "There is nothing to replay." : "Still counting: wait for the number.");
        const { redrives } = await this.#api.redrive(filter, Number(rate.value));
        if (!redrives.length) throw new Error("No dead letter fits any more.");
        return redrives;
      },
    });
    this.#api.count(filter).then((found) => {
      count = found;
      counted.replaceChildren(...countedWords(found));
      show();
    }, (error) => counted.replaceChildren(make("p.problem", error.message)));
    if (await begun) await this.look();
  }

  #row(redrive) {
    const { id, vendor, state, by, total, replayed, skipped, left, per_second: rate } = redrive;
    const done = replayed + skipped;
    const bar = having(make("progress"), { max: total, value: done, "aria-label": `${done} of ${total}` });
    const ended = { done: "done", cancelled: `cancelled by ${redrive.cancelled_by}: ${total - done} stay here` }[state];
    const rest = left ? `, ${words.count(left, "is", "are")} left, about ${words.span(left / rate)}` : "";
    const row = make("div.redrive",
      make("p", make("strong", words.vendorName(vendor)), ` ${replayed} of ${total} replayed${skipped ? `, ${skipped} skipped` : ""}${rest}`),
      bar,
      make("p.faint", `${words.filterWords(redrive.filter)} · ${rate} a second · by ${by}${ended ? ` · ${ended}` : ""}`),
      redrive.left_alone.length ? make("details", make("summary", "Skipped"), make("ul", redrive.left_alone.map(({ key, why }) => make("li", make("code", key), ` ${why}`)))) : null);
    row.dataset.state = state;
    if (state === "running") {
      const stop = having(button("Cancel…", () => this.#cancel(redrive), "button.stop"), { "data-redrive": id });
      row.append(stop);
    }
    return row;
  }

  async #cancel(redrive) {
    const found = await ask({
      title: "Cancel this bulk replay?",
      body: [
        make("p.what", `${words.vendorName(redrive.vendor)}: ${words.filterWords(redrive.filter)}`),
        make("p", "What has been replayed goes on. What has not stays a dead letter."),
      ],
      action: "Cancel the rest",
      isStop: true,
      act: () => this.#api.cancelRedrive(redrive.id),
    });
    if (found) await this.look();
  }
}

function countedWords({ total, damaged, vendors, states, effects }) {
  const held = states.held ?? 0;
  const each = Object.entries(vendors).map(([vendor, number]) => `${number} at ${words.vendorName(vendor)}`);
  return [
    total ? make("p", make("strong", words.count(total, "dead letter")), ` (${each.join(", ")}) will be replayed, oldest first, each in its own place.`)
      : make("p.warning", "No dead letter that fits can be replayed."),
    damaged ? make("p", `${damaged} more cannot be read and are left out.`) : null,
    held && effects.relative ? make("p.warning", `${words.count(held, "of them is held", "of them are held")}: each is looked for at the vendor by its marker first. What somebody has booked by hand, without the marker, is booked a second time.`) : null,
  ].filter(Boolean);
}
