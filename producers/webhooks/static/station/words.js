// What the station says, in the words of the table, each first line cut so that it fits the display.

/** A name is never cut shorter: below this, two parts look alike. */
const NAME_CHARACTERS = 6;

const charactersOf = (text) => Array.from(text);

export function filled(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** Cut a text in its middle: part numbers differ at their ends. */
export function shortened(text, size) {
  const characters = charactersOf(text);
  const gap = characters.indexOf("…");
  const half = Math.floor(characters.length / 2);
  const head = gap < 0 ? characters.slice(0, half) : characters.slice(0, gap);
  const tail = gap < 0 ? characters.slice(half) : characters.slice(gap + 1);
  while (head.length + tail.length + 1 > size) {
    if (head.length >= tail.length) head.pop();
    else tail.shift();
  }
  return `${head.join("")}…${tail.join("")}`;
}

const ended = (text, size) => charactersOf(text).slice(0, size - 1).join("") + "…";

export class Words {
  #table;

  constructor(table) {
    this.#table = table;
  }

  /** Write a first line; what does not fit loses its remark, then the middle of its longest names, never a quantity. */
  line(word, values = {}) {
    const limit = this.#table.line_characters;
    const texts = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
    let template = this.#table.lines[word];
    if (charactersOf(filled(template, texts)).length > limit) template = this.#withoutRemark(template);
    for (;;) {
      const text = filled(template, texts);
      if (charactersOf(text).length <= limit) return text;
      const longest = longestOf(texts);
      if (charactersOf(texts[longest] ?? "").length <= NAME_CHARACTERS) {
        return charactersOf(text).slice(0, limit - 1).join("") + "…";
      }
      const cut = longest === "reason" ? ended : shortened;
      texts[longest] = cut(texts[longest], charactersOf(texts[longest]).length - 1);
    }
  }

  /** Say in full what is stored. */
  summary(draft) {
    const text = this.#withoutRemark(filled(this.#table.lines[draft.done], draft.words));
    const { from, place } = draft.words;
    return from && from !== place ? `${text} (from ${from})` : text;
  }

  #withoutRemark(text) {
    const remark = this.#table.line_remark;
    return text.endsWith(remark) ? text.slice(0, -remark.length) : text;
  }
}

function longestOf(texts) {
  let longest = "";
  for (const name of Object.keys(texts)) {
    if (name === "quantity") continue;
    if (!longest || charactersOf(texts[name]).length > charactersOf(texts[longest]).length) longest = name;
  }
  return longest;
}

/** Put texts of people and labels into one comment that every vendor takes. */
export function comment(...parts) {
  const text = parts.filter(Boolean).join(", ");
  const plain = text.replace(/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, " ").replaceAll("[", "(");
  return charactersOf(plain).slice(0, 200).join("");
}
