"""What the station says: every sentence in one table, and the rule that makes a first line fit the display."""

from __future__ import annotations

from typing import Final

#: A first line is read from two metres away.
LINE_CHARACTERS: Final = 40
#: A name is never cut shorter: below this, two parts look alike.
_NAME_CHARACTERS: Final = 6

#: The end of a line about what is stored, where there is room for it.
REMARK: Final = " (waiting)"

#: First lines, by what happened; the browser station says the same. Values stand in braces.
WORDS: Final = {
    "ready": "STATION {station} READY",
    "mode": "MODE {mode}",
    "mode_dropped": "MODE {mode}, OPEN ENTRY DROPPED",
    "no_mode": "NO MODE CHOSEN, NOTHING TAKEN",
    "taken": "{slot} {name}",
    "taken_counted": "{quantity} x {name}",
    "quantity": "QUANTITY {quantity}",
    "quantity_changed": "QUANTITY {quantity}, NOT {before}",
    "quantity_unwanted": "NO QUANTITY WANTED YET, NOT TAKEN",
    "quantity_missing": "QUANTITY MISSING, {name} NOT TAKEN",
    "already": "{name} IS THE {slot} ALREADY",
    "other_place": "BATCH IN {place} IS OPEN",
    "wrong_type": "{type} {name} NOT WANTED HERE",
    "ask": "{quantity} x {name}?",
    "ask_uncounted": "{name}?",
    "ask_quantity": "{quantity} PIECES?",
    "ask_which": "WHICH IS {name}?",
    "answer_first": "ANSWER FIRST, NOTHING TAKEN",
    "nothing_asked": "NOTHING TO CONFIRM",
    "no_such_choice": "NO CHOICE {number}",
    "question_dropped": "NOT TAKEN",
    "cancelled": "ENTRY CANCELLED, NOTHING STORED",
    "nothing_to_cancel": "NOTHING TO CANCEL",
    "batch_closed": "BATCH CLOSED: {done} INTO {place}",
    "expired": "ENTRY EXPIRED, NOTHING STORED",
    "received": "RECEIVED {quantity} x {part} -> {place} (waiting)",
    "received_order": "RECEIVED {part} -> {place} (waiting)",
    "moved": "MOVED {quantity} x {part} -> {place} (waiting)",
    "added": "ADDED {quantity} x {part} -> {place} (waiting)",
    "removed": "REMOVED {quantity} x {part} <- {place} (waiting)",
    "operator": "OPERATOR {name}",
    "operator_dropped": "OPERATOR {name}, OPEN ENTRY DROPPED",
    "logged_out": "{name} LOGGED OUT",
    "bounced": "SAME SCAN AT ONCE, COUNTED ONCE",
    "not_taken": "NOT TAKEN: {reason}",
    "seen_before": "{name}: THIS BAG IS BOOKED",
    "not_stored": "NOT STORED, CALL FOR HELP",
    "nothing_to_undo": "NOTHING TO UNDO",
    "undo_open": "ENTRY OPEN, NOT UNDONE",
    "undone": "UNDONE: {summary}",
    "undo_sent": "TAKING BACK: {summary}",
    "undo_waits": "UNDO WAITS: {summary}",
    "undo_refused": "NOT UNDONE: {summary}",
}

#: Second lines: what to do next.
PROMPTS: Final = {
    "no_mode": "scan a mode: {modes}",
    "next": "scan the {slots}",
    "close": " (or {place} again to close the batch)",
    "confirm": "scan CONFIRM to take it, or CANCEL",
    "choose": "scan a number or type it ({choices}), or CANCEL",
}


def line(word: str, **values: object) -> str:
    """Write a first line of at most `LINE_CHARACTERS`.

    What does not fit loses the remark in brackets at its end, then the middle of its longest names; never a quantity.
    """
    texts = {name: str(value) for name, value in values.items()}
    template = WORDS[word]
    if len(template.format_map(texts)) > LINE_CHARACTERS:
        template = template.removesuffix(REMARK)
    while len(text := template.format_map(texts)) > LINE_CHARACTERS:
        longest = max((name for name in texts if name != "quantity"), key=lambda name: len(texts[name]), default="")
        if len(texts.get(longest, "")) <= _NAME_CHARACTERS:
            return text[: LINE_CHARACTERS - 1] + "…"
        cut = _ended if longest == "reason" else shortened
        texts[longest] = cut(texts[longest], len(texts[longest]) - 1)
    return text


def shortened(text: str, characters: int) -> str:
    """Cut a text in its middle: part numbers differ at their ends."""
    halves = text.split("…", 1) if "…" in text else [text[: len(text) // 2], text[len(text) // 2 :]]
    head, tail = halves
    while len(head) + len(tail) + 1 > characters:
        head, tail = (head[:-1], tail) if len(head) >= len(tail) else (head, tail[1:])
    return f"{head}…{tail}"


def _ended(text: str, characters: int) -> str:
    return text[: characters - 1] + "…"
