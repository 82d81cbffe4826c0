// Shows the OpenAPI document of this server. Everything is put in as text, never as HTML.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete", "options", "head"];
let description = null;

/** Make an element: its classes behind dots in the name, then its children, strings as text. */
function make(name, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  element.append(...children.filter((child) => child !== null));
  return element;
}

function link(text, anchor) {
  const element = make("a", text);
  element.href = "#" + anchor;
  return element;
}

/** The little Markdown that the descriptions use: paragraphs, `code` and **strong**. */
function prose(text) {
  return text.trim().split(/\n\s*\n/).map((paragraph) => make("p", ...inline(paragraph.replace(/\s+/g, " "))));
}

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).filter(Boolean).map((part) => {
    if (part.startsWith("`")) return make("code", part.slice(1, -1));
    if (part.startsWith("**")) return make("strong", part.slice(2, -2));
    return part;
  });
}

function slug(...words) {
  return words.join("-").replace(/[^A-Za-z0-9.]+/g, "-").replace(/^-|-$/g, "");
}

function code(value) {
  return make("pre", make("code", typeof value === "string" ? value : JSON.stringify(value, null, 2)));
}

function nameOf(schema) {
  return schema.$ref ? schema.$ref.split("/").pop() : null;
}

/** A type in words, as short as it can be; names of schemas are links. */
function typeOf(schema) {
  const name = nameOf(schema);
  if (name) return [link(name, slug("schema", name))];
  const several = schema.anyOf || schema.oneOf;
  if (several) return several.flatMap((each, index) => (index ? [" or ", ...typeOf(each)] : typeOf(each)));
  if (schema.const !== undefined) return [make("code", JSON.stringify(schema.const))];
  if (schema.enum) return schema.enum.flatMap((each, index) => [index ? ", " : "", make("code", String(each))]);
  if (schema.type === "array") return ["list of ", ...typeOf(schema.items || {})];
  if (schema.type === "object" && typeof schema.additionalProperties === "object") {
    return ["object of ", ...typeOf(schema.additionalProperties)];
  }
  return [schema.type === "integer" ? "whole number" : schema.type === "null" ? "null" : schema.type || "any JSON"];
}

function limitsOf(schema) {
  const said = [];
  const parts = [schema, ...(schema.anyOf || [])];
  for (const part of parts) {
    if (part.minimum !== undefined) said.push("at least " + part.minimum);
    if (part.exclusiveMinimum !== undefined) said.push("more than " + part.exclusiveMinimum);
    if (part.maximum !== undefined) said.push("at most " + part.maximum);
    if (part.minLength === 1) said.push("not empty");
    else if (part.minLength) said.push("at least " + part.minLength + " characters");
    if (part.maxLength !== undefined) said.push("at most " + part.maxLength + " characters");
    if (part.minItems) said.push("at least " + part.minItems);
    if (part.maxItems !== undefined) said.push("at most " + part.maxItems);
    if (part.pattern) said.push("as " + part.pattern);
  }
  return said.join(", ");
}

function fieldsTable(schema) {
  const rows = Object.entries(schema.properties || {}).map(([name, field]) => {
    const isNeeded = (schema.required || []).includes(name);
    const limits = limitsOf(field);
    const text = field.description ? inline(field.description.replace(/\s+/g, " ")) : [];
    return make("tr",
      make("th", make("code", name), isNeeded ? make("span.needed", " required") : null),
      make("td",
        make("span.kind", ...typeOf(field), limits ? "; " + limits : ""),
        text.length ? make("p", ...text) : null));
  });
  return rows.length ? make("table", make("tbody", ...rows)) : make("p.kind", ...typeOf(schema));
}

function parameters(operation) {
  if (!operation.parameters) return [];
  const rows = operation.parameters.map((each) => make("tr",
    make("th", make("code", each.name), each.required ? make("span.needed", " required") : null),
    make("td", make("span.kind", each.in), make("p", ...inline(each.description)),
      each.example === undefined ? null : make("code", String(each.example)))));
  return [make("h4", "Parameters"), make("table", make("tbody", ...rows))];
}

/** One of several examples, chosen by its title. */
function examples(found) {
  const shown = make("div", code(found[0][1].value));
  if (found.length === 1) return [shown];
  const choice = make("select", ...found.map(([title]) => make("option", title)));
  choice.setAttribute("aria-label", "Example");
  choice.addEventListener("change", () => shown.replaceChildren(code(found[choice.selectedIndex][1].value)));
  return [make("div.pick", "Example of", choice), shown];
}

function body(operation) {
  if (!operation.requestBody) return [];
  const types = Object.entries(operation.requestBody.content);
  const [type, media] = types[0];
  const schema = media.schema || {};
  const found = Object.entries(media.examples || {});
  const text = operation.requestBody.description;
  return [
    make("h4", "Body ", make("span.kind", types.map(([name]) => name).join(", "))),
    make("p", ...typeOf(schema)),
    ...(text ? prose(text) : []),
    ...(found.length ? examples(found) : []),
  ];
}

function answers(operation) {
  const rows = Object.entries(operation.responses).map(([status, answer]) => {
    const [type, media] = Object.entries(answer.content || {})[0] || [];
    const isGood = status.startsWith("2");
    const headers = Object.entries(answer.headers || {}).map(([name, header]) =>
      make("p", make("code", name), " ", ...inline(header.description)));
    return make("tr",
      make("th." + (isGood ? "status.good" : "status.bad"), status),
      make("td",
        make("p", ...inline(answer.description)),
        media && isGood ? make("p.kind", ...typeOf(media.schema), ", " + type) : null,
        ...headers,
        media && media.example !== undefined ? code(media.example) : null));
  });
  return [make("h4", "Answers"), make("table", make("tbody", ...rows))];
}

function operationCard(path, method, operation) {
  const card = make("section.card",
    make("h3",
      make("span.method." + method, method.toUpperCase()),
      make("code", path),
      make("span.lock", operation.security ? `role ${operation.security.flatMap((each) => each.bearer).join(" or ")}` : "open")),
    make("p", make("strong", operation.summary)),
    ...prose(operation.description || ""),
    ...parameters(operation),
    ...body(operation),
    ...answers(operation));
  card.id = slug(method, path);
  card.dataset.words = [method, path, operation.summary, operation.description].join(" ").toLowerCase();
  return card;
}

function schemaCard(name, schema) {
  const found = (schema.examples || []).slice(0, 1);
  const card = make("section.card",
    make("h3", make("code", name)),
    ...prose(schema.description || ""),
    schema.oneOf ? make("p", ...typeOf(schema)) : schema.enum ? make("p", ...typeOf(schema)) : fieldsTable(schema),
    ...found.map((example) => make("details", make("summary", "Example"), code(example))));
  card.id = slug("schema", name);
  card.dataset.words = [name, schema.description, ...Object.keys(schema.properties || {})].join(" ").toLowerCase();
  return card;
}

function contents(title, cards, label) {
  const list = make("ul", ...cards.map((card) => {
    const entry = make("li", label(card));
    entry.dataset.card = card.id;
    return entry;
  }));
  return make("div", make("h2", title), list);
}

function operationLabel(card) {
  const anchor = link("", card.id);
  anchor.append(card.querySelector(".method").cloneNode(true), card.querySelector("h3 code").textContent);
  return anchor;
}

function curl() {
  const example = Object.values(description.paths["/v1/commands"].post.requestBody.content)[0].examples;
  const first = JSON.stringify(Object.values(example)[0].value, null, 2);
  return `curl -X POST ${new URL("v1/commands", location.href).href} \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '${first}'`;
}

function show() {
  const main = document.getElementById("content");
  const nav = document.getElementById("contents");
  document.getElementById("version").textContent = "HTTP interface, version " + description.info.version;
  const intro = make("div.intro", make("h1", "The HTTP interface"), ...prose(description.info.description),
    make("p", "For programs: ", Object.assign(make("a", "openapi.json"), { href: "openapi.json" }), "."));
  const parts = [intro, make("h2", "A first command"), code(curl())];
  const byTag = new Map();
  for (const [path, operations] of Object.entries(description.paths)) {
    for (const method of METHODS.filter((each) => operations[each])) {
      const [tag] = operations[method].tags;
      byTag.set(tag, [...(byTag.get(tag) || []), operationCard(path, method, operations[method])]);
    }
  }
  for (const [tag, cards] of byTag) {
    const title = tag[0].toUpperCase() + tag.slice(1);
    parts.push(make("h2", title), ...cards);
    nav.append(contents(title, cards, operationLabel));
  }
  const schemas = Object.entries(description.components.schemas).map(([name, schema]) => schemaCard(name, schema));
  const isKind = (card) => card.id.includes(".");
  for (const [title, cards] of [["Kinds of commands", schemas.filter(isKind)],
    ["Schemas", schemas.filter((card) => !isKind(card))]]) {
    parts.push(make("h2", title), ...cards);
    nav.append(contents(title, cards, (card) => link(card.querySelector("h3 code").textContent, card.id)));
  }
  main.replaceChildren(...parts);
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

/** Show only the cards that hold every word. */
function filter(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const card of document.querySelectorAll(".card")) {
    card.hidden = !words.every((word) => card.dataset.words.includes(word));
  }
  for (const entry of document.querySelectorAll("nav li")) {
    entry.hidden = document.getElementById(entry.dataset.card).hidden;
  }
  for (const group of document.querySelectorAll("nav > div")) {
    group.hidden = !group.querySelector("li:not([hidden])");
  }
}

async function start() {
  try {
    const answer = await fetch("openapi.json");
    if (!answer.ok) throw new Error("status " + answer.status);
    description = await answer.json();
    show();
    const input = document.getElementById("filter");
    input.addEventListener("input", () => filter(input.value));
  } catch (error) {
    const state = document.getElementById("state");
    state.textContent = "The description could not be read (" + error.message + "). Load the page again.";
    state.classList.add("failed");
  }
}

start();
