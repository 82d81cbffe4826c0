// What the operator sees. Everything is put in as text, never as HTML.

/** What a screen across the table still shows in large letters. */
const SHOWN_RESULTS = 5;
const TONE_WORDS = {
  ok: "ok", note: "note", ask: "confirm?", error: "not taken", stored: "stored", undone: "undone", expired: "expired",
};
const STATE_WORDS = {
  stored: "waiting", sent: "sent", applied: "booked", rejected: "REFUSED", refused: "REFUSED", held: "HELD",
  cancelled: "cancelled", withdrawn: "taken back",
};

/** States of which a person wants to know the reason. */
const BAD_STATES = ["rejected", "refused", "held"];

/** Draw the arrows, each on one line with what it points at. */
const drawn = (text) => text.replaceAll(" -> ", " →\u00a0").replaceAll(" <- ", " ←\u00a0");

const byId = (id) => document.getElementById(id);

function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

export class Screen {
  /** Make one button for each mode and instruction; `press(code)` gets what its printed code holds. */
  constructor(table, press) {
    const modes = Object.keys(table.modes);
    const others = Object.keys(table.codes.texts).filter((name) => !modes.includes(name));
    for (const [place, names] of [[byId("modes"), modes], [byId("instructions"), others]]) {
      place.replaceChildren(...names.map((name) => {
        const button = make("button", name.toLowerCase(), name);
        button.type = "button";
        button.addEventListener("click", () => press(table.codes.texts[name]));
        return button;
      }));
    }
  }

  feedback({ tone, mode, message, prompt, detail, operator, things }) {
    if (tone === "bounce") return;
    document.body.dataset.tone = tone;
    document.body.dataset.mode = mode;
    byId("mode").textContent = mode;
    byId("operator").textContent = operator || "no badge";
    byId("tone").textContent = TONE_WORDS[tone];
    // a live region speaks only of what has changed: the same message twice is two messages
    byId("message").replaceChildren(document.createTextNode(drawn(message)));
    byId("detail").textContent = detail;
    byId("prompt").textContent = prompt;
    byId("entry").replaceChildren(...things.map(([word, name]) => {
      const item = document.createElement("li");
      item.append(make("span", "slot", word), " ", make("span", "thing", name));
      return item;
    }));
    for (const button of byId("modes").children) {
      button.setAttribute("aria-pressed", String(button.textContent === mode));
    }
  }

  results(rows) {
    const items = rows.slice(0, SHOWN_RESULTS).map((row) => {
      const item = document.createElement("li");
      item.dataset.state = row.state;
      const because = row.reason && BAD_STATES.includes(row.state);
      const waits = row.undo === "wanted" ? ", undo waits" : "";
      const undone = row.undo === "undone" && row.state !== "withdrawn" ? ", undone" : "";
      item.append(
        make("time", "", new Date(row.stock_timestamp).toLocaleTimeString("en-GB", { timeStyle: "short" })),
        make("span", "summary", drawn(because ? `${row.summary}: ${row.reason}` : row.summary)),
        make("span", "state", STATE_WORDS[row.state] + waits + undone),
      );
      return item;
    });
    byId("results").replaceChildren(...items);
  }

  station(client) {
    byId("station").textContent = client || "Stockrelay";
  }

  /** Show how the deliveries stand. */
  link(link, waiting) {
    const words = { up: waiting ? `${waiting} waiting` : "all delivered", down: `OFFLINE ${waiting} waiting` };
    byId("link").textContent = words[link] ?? `LOG IN ${waiting} waiting`;
    document.body.dataset.link = link;
  }

  note(text) {
    byId("note").textContent = text;
    byId("note").hidden = !text;
  }
}

export class LoginDialog {
  #dialog = byId("login");
  #tried = byId("login-problem");

  /** `logIn(token)` gives an empty text, or why not. */
  constructor(logIn) {
    byId("login-form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const problem = await logIn(byId("token").value.trim());
      this.#tried.textContent = problem;
      if (!problem) {
        byId("token").value = "";
        this.#dialog.close();
      }
    });
  }

  open() {
    if (!this.#dialog.open) this.#dialog.showModal();
  }
}
