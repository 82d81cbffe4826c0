"""What the page's own modules say to scans, told as the fixture and the terminal's reader tell it."""

from __future__ import annotations

from typing import Any

from producers.scanner.codes import CodeReader, VendorIdCode
from producers.scanner.commands import Badge, Instruction, QuantityCode, Unreadable, encode, sheet_codes
from tests.unit.station_desk import FLOWS, START_MS, raw_of

NAMES = {thing["id"]: name for name, thing in FLOWS["things"].items()}
SHELF = FLOWS["things"]["shelf"]["id"]

#: Plays the scenarios on the page's own station, with a clock turned by hand, and tells what came of each step.
PLAY = """
async ({ scenarios, start }) => {
  const base = document.querySelector("script[type=module]").src;
  const load = (name) => import(new URL(name, base));
  const [{ Station }, { Disk }, { Lookups }, { Relay }] =
    await Promise.all(["station.js", "disk.js", "lookups.js", "relay.js"].map(load));
  const table = await (await fetch(new URL("table.json", base))).json();
  const played = [];
  for (const [number, steps] of scenarios.entries()) {
    const disk = await Disk.open(`scenario-${number}`);
    let ms = start;
    const station = new Station({
      table, disk, lookups: new Lookups(table, disk, new Relay()), client: "ST-01", clock: () => ms,
      delivery: { cancel: async () => null },
    });
    const told = [];
    for (const { wait, raw, pause } of steps) {
      const before = await disk.look((change) => change.count("waiting", "ST-01"));
      ms += wait ?? pause;
      const feedback = wait === undefined ? await station.scan(raw, "desk", ms) : station.tick();
      const rows = await disk.look((change) => change.under("waiting", "ST-01"));
      told.push({ feedback, stored: rows.slice(before).map((row) => row.body) });
    }
    disk.close();
    indexedDB.deleteDatabase(`scenario-${number}`);
    played.push(told);
  }
  return played;
}
"""


def step(token: str) -> dict[str, Any]:
    if token[0] == "+":
        return {"wait": float(token[1:]) * 1000}
    bounced = token[0] == "^"
    return {"raw": raw_of(token[1:] if bounced else token).decode(), "pause": 500 if bounced else 1000}


def told(token: str, feedback: dict[str, Any] | None, stored: list[dict[str, Any]]) -> dict[str, Any]:
    """Describe what came of a step as the fixture does."""
    step: dict[str, Any] = {"scan": token}
    if feedback is not None:
        step |= {name: feedback[name] for name in ("tone", "mode", "message", "prompt")}
        step |= {"operator": feedback["operator"]} if feedback["operator"] else {}
    for body in stored:
        assert body["source"] == "ST-01"
        assert body["stock_timestamp"] > START_MS
        own = ("stock_timestamp", "source")
        step["stored"] = {
            name: NAMES.get(value, value) if isinstance(value, str) else value
            for name, value in body.items()
            if name not in own
        }
    return step


def is_read_alike(raw: str, found: dict[str, Any]) -> bool:
    """Hold what the page reads by itself against the terminal's reader; what it leaves to the server is alike."""
    code = CodeReader().read(raw.encode()).code
    match code:
        case Instruction():
            return found == {"is": "instruction", "name": code.value}
        case Badge(name=name):
            return found == {"is": "badge", "name": name}
        case VendorIdCode(id=vendor_id):
            return found == {"is": "id", "id": vendor_id}
    if found["is"] == "foreign":
        return raw not in OWN_CODES
    if isinstance(code, QuantityCode):
        return found == {"is": "quantity", "quantity": code.quantity, "doubt": code.doubt}
    return isinstance(code, Unreadable) and found == {
        "is": "unreadable",
        "reason": code.reason,
        "advice": code.advice,
    }


#: Read without asking the server, whatever they turn out to be.
OWN_CODES = [
    *(each.text for each in sheet_codes()),
    *(encode(Badge(name)) for name in ("Ada", "Žofie Ångström", "李", "x" * 32)),
    *("0", "007", "25", "10000000", "10000001", "]E00123", "]Q125", "STOCK", "STOCKX", "STOCKSUREB"),
    *(SHELF, SHELF.upper(), f"https://partsbox.com/I{SHELF}", f"HTTPS://WWW.PARTSBOX.COM/I{SHELF}/", "x" * 5000),
    *(f"\x00 {encode(Instruction.MOVE)}\r\n", f"]C0{encode(Instruction.ADD)}", f"]d2{encode(Instruction.ADD)}"),
]


def without_raw(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != "raw"}
