// What a scan says as far as it can be told without asking: a command code, a number, a badge, a vendor's id.

/** What scanners put round a code: blanks, line ends, NUL, byte order mark, end-of-message characters. */
const WRAPPING = /^[\0-\x20\ufeff\ufffe]+|[\0-\x20\ufeff\ufffe]+$/g;

const stripped = (text) => text.replace(WRAPPING, "");
const unreadable = (reason, advice = "") => ({ is: "unreadable", reason, advice });

export class CodeReader {
  #codes;
  #reading;
  #patterns;
  #instructions;

  constructor(table) {
    this.#codes = table.codes;
    this.#reading = table.reading;
    const { aim, sheet_aim, article_aim, digits, vendor_id, id } = table.reading;
    this.#patterns = {
      aim: new RegExp(aim),
      sheetAim: new RegExp(sheet_aim),
      articleAim: new RegExp(article_aim),
      digits: new RegExp(digits),
      vendorId: new RegExp(vendor_id),
      id: new RegExp(id, "i"),
    };
    this.#instructions = new Map(Object.entries(table.codes.words).map(([name, word]) => [word, name]));
  }

  /** Say what a scan is; what only the server can read comes back as `{is: "foreign"}`. */
  read(raw) {
    if (new TextEncoder().encode(raw).length > this.#reading.max_characters) {
      return unreadable(`longer than ${this.#reading.max_characters} characters: no label is`);
    }
    const text = stripped(raw);
    const aim = text.match(this.#patterns.aim)?.[0] ?? "";
    const body = stripped(text.slice(aim.length));
    return this.#command(body, aim) ?? this.#number(body, aim) ?? this.#id(body) ?? { is: "foreign", raw };
  }

  #command(given, aim) {
    const text = /^[\0-\x7f]*$/.test(given) ? given.toUpperCase() : given;
    if (!text.startsWith(this.#codes.prefix)) return null;
    if (aim && !this.#patterns.sheetAim.test(aim)) {
      const code = this.#decoded(text);
      return code && unreadable("command code in a symbol that the sheet has not", "scan it from the printed sheet");
    }
    return this.#decoded(text);
  }

  #decoded(text) {
    const { prefix, letters, quantity_word: pieces, badge_word: badge } = this.#codes;
    const body = text.slice(prefix.length, -1);
    const foreign = [...text].some((letter) => !letters.includes(letter));
    if (!body || foreign || text.at(-1) !== this.#check(text.slice(0, -1))) {
      return unreadable("damaged command code", "scan it again, or print the sheet anew");
    }
    if (this.#instructions.has(body)) return { is: "instruction", name: this.#instructions.get(body) };
    if (body.startsWith(pieces)) return this.#quantity(body.slice(pieces.length));
    if (body.startsWith(badge)) return this.#badge(body.slice(badge.length));
    return this.#unknown();
  }

  /** ISO/IEC 7064, hybrid system MOD 21,20. */
  #check(text) {
    const { letters } = this.#codes;
    const size = letters.length;
    let carry = size;
    for (const letter of text) carry = (((carry + letters.indexOf(letter)) % size || size) * 2) % (size + 1);
    return letters[(size + 1 - carry) % size];
  }

  #quantity(letters) {
    const digits = [...letters].map((letter) => this.#codes.digits.indexOf(letter));
    const quantity = Number(digits.join(""));
    const good = digits.length === this.#codes.digit_places && !digits.includes(-1);
    if (!good || quantity < 1 || quantity > this.#reading.max_quantity) return this.#unknown();
    return { is: "quantity", quantity, doubt: "" };
  }

  #badge(letters) {
    const halves = [...letters].map((letter) => this.#codes.halves.indexOf(letter));
    if (halves.length % 2 || halves.includes(-1)) return this.#unknown();
    const bytes = Uint8Array.from({ length: halves.length / 2 }, (_, at) => halves[2 * at] * 16 + halves[2 * at + 1]);
    let name;
    try {
      name = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return this.#unknown();
    }
    const unprintable = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(name);
    const long = [...name].length > this.#reading.max_name_characters;
    if (!name || name !== name.trim() || unprintable || long || name.includes("[cmd:")) return this.#unknown();
    return { is: "badge", name };
  }

  #number(text, aim) {
    if (!this.#patterns.digits.test(text)) return null;
    if (this.#patterns.articleAim.test(aim) || text.startsWith("0")) {
      return unreadable(`"${text}" is an article number, not a quantity`, "type a quantity without zeros");
    }
    const most = this.#reading.max_quantity;
    if (Number(text) > most) {
      return unreadable(`"${text}" is no quantity: 1 to ${most.toLocaleString("en-US")} pieces`);
    }
    return { is: "quantity", quantity: Number(text), doubt: "a bare number may be an order, a lot or a date" };
  }

  #id(text) {
    const id = text.match(this.#patterns.id)?.groups.id?.toLowerCase() ?? "";
    return this.#patterns.vendorId.test(id) && !/^[0-9]+$/.test(id) ? { is: "id", id } : null;
  }

  #unknown() {
    return unreadable("unknown command code", "print the sheet of this version: stockrelay-station sheet");
  }
}
