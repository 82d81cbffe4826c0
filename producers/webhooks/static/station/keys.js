// A scanner that types like a keyboard, wherever the focus is, and a person who types into the box.

/** Control characters as their pictures, so that they can be seen in the box. */
const PICTURES = { "\x04": "␄", "\x1d": "␝", "\x1e": "␞" };
/** What scanners press for them with Ctrl (ASCII minus 64), by the key's name. */
const WITH_CONTROL = { "]": "\x1d", "^": "\x1e", 6: "\x1e", d: "\x04", D: "\x04" };
/** What they type on the number pad with Alt. */
const WITH_ALT = { "029": "\x1d", "030": "\x1e", "004": "\x04", 29: "\x1d", 30: "\x1e", 4: "\x04" };
/** Carriage return and line feed. */
const ENDS_WITH_CONTROL = ["m", "j", "M", "J"];

const real = (text) => Object.entries(PICTURES).reduce((found, [sign, drawn]) => found.replaceAll(drawn, sign), text);

export class Keys {
  #box;
  #onScan;
  #keypad = "";

  /** `onScan(text, device)` gets each scan when its Enter or Tab comes; keys may come as slowly as they like. */
  constructor(box, onScan) {
    this.#box = box;
    this.#onScan = onScan;
    document.addEventListener("keydown", (event) => this.#down(event), { capture: true });
    document.addEventListener("keyup", (event) => this.#up(event), { capture: true });
  }

  /** Take what is in the box as a scan. */
  send() {
    const text = real(this.#box.value);
    this.#box.value = "";
    if (text) this.#onScan(text, "keyboard");
  }

  #down(event) {
    if (event.isComposing || document.querySelector("dialog[open]")) return;
    if (event.altKey && /^Numpad[0-9]$/.test(event.code)) {
      this.#keypad += event.code.at(-1);
      event.preventDefault();
    } else if (event.ctrlKey && !event.altKey) {
      this.#withControl(event);
    } else if (event.key === "Enter" || event.key === "Tab") {
      if (!this.#box.value) return;
      event.preventDefault();
      this.send();
    } else if (event.key === "Escape") {
      this.#box.value = "";
    } else if (PICTURES[event.key]) {
      this.#type(event, PICTURES[event.key]);
    } else if ([...event.key].length === 1 && !event.metaKey && document.activeElement !== this.#box) {
      const isPress = event.key === " " && !this.#box.value && document.activeElement?.tagName === "BUTTON";
      if (!isPress) this.#type(event, event.key);
    }
  }

  #withControl(event) {
    const sign = WITH_CONTROL[event.key];
    if (ENDS_WITH_CONTROL.includes(event.key)) {
      event.preventDefault();
      this.send();
    } else if (sign) {
      this.#type(event, PICTURES[sign]);
    }
  }

  #up(event) {
    if (event.key !== "Alt" || !this.#keypad) return;
    const sign = WITH_ALT[this.#keypad];
    this.#keypad = "";
    if (sign) this.#type(event, PICTURES[sign]);
  }

  #type(event, text) {
    event.preventDefault();
    if (document.activeElement !== this.#box) {
      this.#box.focus();
      this.#box.setSelectionRange(this.#box.value.length, this.#box.value.length);
    }
    this.#box.setRangeText(text, this.#box.selectionStart, this.#box.selectionEnd, "end");
  }
}
