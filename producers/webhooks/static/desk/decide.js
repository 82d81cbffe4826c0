// What a person decides about one dead letter; each says first what it will do.

import { allow, ask } from "./ask.js";
import { having, make } from "./dom.js";
import { changesOf } from "./evidence.js";
import { CommandForm } from "./form.js";
import * as words from "./words.js";

const list = (sentences) => make("ul", sentences.filter(Boolean).map((sentence) => make("li", sentence)));

function titled(letter) {
  return make("p.what", words.named(letter.summary || letter.key, letter.names));
}

/** Make the choice of a place in the lanes; `chosen()` gives it, or null for the usual one. */
function placesOf(letter, leavesItsLanes) {
  const ways = words.places(letter, leavesItsLanes).map(([value, text], at) => {
    const input = having(make("input"), { type: "radio", name: "at", value, checked: at === 0 });
    return make("label.choice", input, ` ${text}`);
  });
  const set = make("fieldset", make("legend", "Where in its lanes"), ways);
  return { set, chosen: () => set.querySelector("input:checked").value || null };
}

export class Decisions {
  #api;
  #table;
  /** Called with the letter, what was decided in a word, and the command's state now. */
  onDecided = () => {};

  constructor(api, table) {
    this.#api = api;
    this.#table = table;
  }

  async replay(letter) {
    const place = placesOf(letter);
    const warning = words.replayWarning(letter);
    const found = await ask({
      title: "Replay this command?",
      body: [titled(letter), list([words.replayEffect(letter)]), warning && make("p.warning", warning), place.set],
      action: "Replay",
      act: () => this.#api.replay(letter.key, { at: place.chosen(), revision: letter.revision }),
    });
    if (found) this.onDecided(letter, "replayed", found.state);
  }

  async discard(letter) {
    const reason = having(make("input"), { type: "text", maxlength: this.#table.longest_reason, required: true, autocomplete: "off" });
    const found = await ask({
      title: "Discard this command?",
      body: [titled(letter), list(words.discardEffect(letter)), make("label.field", make("span.name", "Why it stays undone"), reason)],
      action: "Discard for good",
      isStop: true,
      focus: reason,
      act: () => this.#api.discard(letter.key, reason.value.trim(), letter.revision),
    });
    if (found) this.onDecided(letter, "discarded", found.state);
  }

  /** Correct fields; then show what changes, and keep it or replay it so. */
  async correct(letter) {
    let schema;
    try {
      schema = await this.#api.schema(letter.key);
    } catch (error) {
      return ask({ title: "It cannot be corrected", body: [make("p", error.message)], action: "Close", act: () => null });
    }
    const form = new CommandForm(schema, letter.corrected ?? letter.command ?? {}, letter.names);
    const drawn = make("div.fields", form.draw());
    const preview = await ask({
      title: "Correct this command",
      body: [titled(letter), drawn],
      focus: drawn.querySelector("input, select, textarea"),
      action: "Show the difference",
      act: () => this.#preview(letter, form),
    });
    if (preview) await this.#confirm(letter, preview);
  }

  async #preview(letter, form) {
    form.showProblems([]);
    const edits = form.edits();
    if (!Object.keys(edits).length) throw new Error("Nothing was changed.");
    try {
      const diff = await this.#api.preview(letter.key, edits, letter.revision);
      if (!diff.changes.length) throw new Error("Nothing was changed.");
      return { edits, diff };
    } catch (error) {
      const others = form.showProblems(error.errors ?? []);
      if (error.errors?.length && !others.length) throw new Error("See the fields above.");
      throw error;
    }
  }

  async #confirm(letter, { edits, diff }) {
    const place = placesOf(letter, diff.leaves_its_lanes);
    const shown = [
      changesOf(diff.changes, letter.names),
      make("p.what", words.named(diff.new_summary, letter.names)),
      diff.leaves_its_lanes && make("p.warning", `It leaves its lanes for ${diff.new_lanes.map((lane) => words.laneName(lane, letter.names)).join(", ")}.`),
    ];
    const how = ["keep", "replay"].map((value, at) => {
      const text = { keep: "Only keep it: the letter stays here, and a later replay sends it so", replay: "Replay it so now" }[value];
      const input = having(make("input"), { type: "radio", name: "how", value, checked: at === 0 });
      return make("label.choice", input, ` ${text}`);
    });
    const choice = make("fieldset", make("legend", "What to do with the correction"), how);
    const isReplayed = () => choice.querySelector("input:checked").value === "replay";
    const showPlace = () => {
      place.set.hidden = !isReplayed();
      allow(true, isReplayed() ? "Replay corrected" : "Keep the correction");
    };
    choice.addEventListener("change", showPlace);
    const asked = ask({
      title: "Keep this correction?",
      body: [...shown, choice, place.set],
      action: "Keep the correction",
      act: async () => {
        if (!isReplayed()) return { ...(await this.#api.edit(letter.key, edits, letter.revision)), state: letter.state, decision: "corrected" };
        return { ...(await this.#api.replay(letter.key, { edits, at: place.chosen(), revision: letter.revision })), decision: "replayed, corrected" };
      },
    });
    showPlace();
    const found = await asked;
    if (found) this.onDecided(letter, found.decision, found.state);
  }
}
