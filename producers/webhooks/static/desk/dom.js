// Making elements. Everything is put in as text, never as HTML.

/** Characters that show nothing and turn what stands beside them: a name must not change what a quantity reads like. */
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Write those characters as their numbers. */
const visible = (text) => text.replace(UNSEEN, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Find the element with an id. */
export const byId = (id) => document.getElementById(id);

/** Make an element: `make("p.reason", "text", other)`; null and false children are left out. */
export function make(description, ...children) {
  const [tag, ...classes] = description.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  const given = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  element.append(...given.map((child) => (typeof child === "string" ? visible(child) : child)));
  return element;
}

/** Set attributes; one that is null or false is left out. */
export function having(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false || value === undefined) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  return element;
}

/** Make a button that does something. */
export function button(text, press, description = "button") {
  const made = make(description, text);
  made.type = "button";
  made.addEventListener("click", press);
  return made;
}

/** Make the rows of a table of terms; a row without a value is left out. */
export function facts(rows) {
  const list = make("dl.facts");
  for (const [term, ...values] of rows) {
    const given = values.flat(Infinity).filter((value) => value !== null && value !== undefined && value !== "");
    if (given.length) list.append(make("dt", term), make("dd", given));
  }
  return list;
}
