"""The report of a comparison as one page for a browser: no script, nothing from elsewhere, everything escaped."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any, Final

from workers.cli.screen import moment, span, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --red: #c0392b; --amber: #b07400; --green: #1e8449; }
@media (prefers-color-scheme: dark) { :root { --red: #ff7b6b; --amber: #f0b040; --green: #58d68d; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-top: 1px solid var(--line); padding: .45rem .6rem .45rem 0; text-align: left; vertical-align: top; }
th[scope=row] { font-weight: 400; opacity: .75; white-space: nowrap; width: 9rem; }
td { overflow-wrap: anywhere; } td:first-child { white-space: nowrap; width: 6rem; } td:nth-child(2) { width: 17rem; }
th[scope=row] + td { width: auto; }
dl { display: grid; gap: .2rem .8rem; grid-template-columns: 6rem 1fr; } dd { margin: 0; }
code, pre { font: 13px/1.4 ui-monospace, monospace; }
pre { background: #8881; border-radius: 4px; margin: .4rem 0 0; padding: .5rem .6rem; white-space: pre-wrap; }
.missing, .double { color: var(--red); font-weight: 600; } .foreign, .changed { color: var(--amber); font-weight: 600; }
.agrees { color: var(--green); font-weight: 600; }
.name { font-weight: 600; }
@media (max-width: 40rem) {
  body { margin: 1rem auto; } thead { display: none; } th[scope=row] { width: 6rem; }
  .differences tr, .differences td { display: block; } .differences td { border: 0; padding: .1rem 0; width: auto; }
  .differences tr { border-top: 1px solid var(--line); padding: .5rem 0; }
}
@media print {
  body { font-size: 10pt; margin: 0; max-width: none; } tr { break-inside: avoid; } h2 { break-after: avoid; }
  details:not([open]) { display: none; } pre { border: 1px solid var(--line); }
}
details { margin-top: .3rem; } summary { cursor: pointer; opacity: .75; }
"""
_HEAD: Final = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Stockrelay: ledger and vendors compared</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Ledger and vendors compared</h1>
<p>Nothing was changed. The commands below would put differences right; a person decides about each.</p>
<dl>
<dt class="missing">MISSING</dt><dd>Stockrelay has applied it, and the vendor does not show it.</dd>
<dt class="double">DOUBLE</dt><dd>The vendor shows it more than once.</dd>
<dt class="foreign">FOREIGN</dt><dd>The vendor shows it, and no command of Stockrelay has made it.</dd>
<dt class="changed">CHANGED</dt><dd>The vendor shows it otherwise than it was applied.</dd>
</dl>
"""


def page(reports: Sequence[Mapping[str, Any]]) -> str:
    """Write the reports, as `Report.public` gives them, as one HTML document."""
    return _HEAD + "".join(_section(report) for report in reports) + "</body>\n</html>\n"


def _section(report: Mapping[str, Any]) -> str:
    counts = report["counts"]
    told = [f'<span class="{name}">{name} {count}</span>' for name, count in counts.items() if count]
    took = span((report["ended_ms"] - report["began_ms"]) / 1000)
    total, shown = sum(counts.values()), len(report["differences"])
    facts = [
        ("compared", _text(f"{report['compared']} commands applied since {moment(report['since_ms'])}")),
        ("at", _text(f"{moment(report['began_ms'])}, in {took}")),
        ("undecided", _text(f"{report['undecided']} commands: not ended, or held")),
        ("differences", ", ".join(told) or '<span class="agrees">none</span>'),
        *([("shown", f"the first {shown} of {total}")] if shown < total else []),
        *([("cannot tell", _text(report["note"]))] if report["note"] else []),
        *(("not compared", _text(f"{gap['what']}: {gap['why']}")) for gap in report["uncompared"]),
    ]
    rows = "".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>\n' for name, value in facts)
    return f"<h2>{_text(report['vendor'])}</h2>\n<table>\n{rows}</table>\n{_differences(report['differences'])}"


def _differences(differences: Iterable[Mapping[str, Any]]) -> str:
    rows = "".join(_difference(each) for each in differences)
    if not rows:
        return ""
    head = "<tr><th>finding</th><th>what</th><th>how, and what would put it right</th></tr>"
    return f'<table class="differences">\n<thead>{head}</thead>\n<tbody>\n{rows}</tbody>\n</table>\n'


def _difference(difference: Mapping[str, Any]) -> str:
    finding = _text(difference["finding"])
    about = f"{difference['kind']} {difference['key']}".strip()
    name = f'<span class="name">{_text(difference["name"])}</span><br>' if difference.get("name") else ""
    what = name + _text(difference["subject"]) + (f"<br><code>{_text(about)}</code>" if about else "")
    offers = "".join(f"<pre>{_text(offer['line'] or _json(offer['fields']))}</pre>" for offer in difference["offers"])
    sides = {name: difference[name] for name in ("expected", "found") if difference[name] is not None}
    seen = f"<details><summary>expected and found</summary><pre>{_text(_json(sides))}</pre></details>" if sides else ""
    how = f"{_text(difference['detail'])}{offers}{seen}"
    return f'<tr><td class="{finding}">{finding.upper()}</td><td>{what}</td><td>{how}</td></tr>\n'


def _text(text: str) -> str:
    return escape(visible(text))


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
