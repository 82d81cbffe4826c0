"""The sources of stockrelay.toml: what they may say, and that a wrong one is named by its place and stops the start."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import pytest

from producers.webhooks.hooks import open_hook, open_hooks
from producers.webhooks.sources import SourcesError, read_sources
from tests.unit.webhook_senders import NOW, OTHER, SECRET, github, several

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
[routes.catalog_part.partsbox]
name = "part_id"

[sources.repo]
scheme = "github"
secrets = [{ env = "HOOK_SECRET" }]
time = { field = "event.at", unit = "s" }

[[sources.repo.commands]]
when = 'event.action == `"added"`'
kind = "stock.add"
each = "event.lines"
fields = { part_id = "item.part", storage_id = { literal = "aaaaaaaaaaaaaaaaaaaaaaaaaa" }, quantity = 1 }
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "stockrelay.toml"
    path.write_text(text)
    return path


def test_a_good_file_is_read_and_the_tables_of_others_are_left_alone(tmp_path: Path) -> None:
    hooks = open_hooks(written(tmp_path, GOOD), {"HOOK_SECRET": SECRET})

    assert hooks.names == ("repo",)


def test_without_a_file_there_is_no_source() -> None:
    assert read_sources(None) == {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("[routes", "[routes"[:-1] + "[["), "not TOML"),
        (('scheme = "github"', 'scheme = "gitlab"'), "sources.repo.scheme: Input should be 'standard-webhooks'"),
        (('scheme = "github"', ""), "sources.repo.scheme: Field required"),
        (('scheme = "github"', 'scheme = "github"\nsecret = "x"'), "sources.repo.secret: Extra inputs"),
        (('scheme = "github"', 'scheme = "hmac"'), "sources.repo: signature: give it if"),
        (('scheme = "github"', 'scheme = "bearer"'), "sources.repo: id: missing"),
        (('scheme = "github"', 'scheme = "github"\ntolerance_seconds = 9'), "tolerance_seconds: the signatures of"),
        (('scheme = "github"', 'scheme = "github"\nheader_prefix = "svix"'), "header_prefix: is for the scheme"),
        (('scheme = "github"', 'scheme = "github"\nid = {}'), "sources.repo.id: give one of header, field, content"),
        (('scheme = "github"', 'scheme = "github"\nid = { field = "id", content = true }'), "id"),
        (
            ('scheme = "github"', 'scheme = "github"\nformat = "cloudevents"\nid = { content = true }'),
            "sources.repo: id: a CloudEvent has its own",
        ),
        (('[{ env = "HOOK_SECRET" }]', "[]"), "sources.repo.secrets"),
        (('[{ env = "HOOK_SECRET" }]', f'["{SECRET}"]'), "sources.repo.secrets.0"),
        (('[{ env = "HOOK_SECRET" }]', '[{ env = "A", file = "b" }]'), 'give either env = "NAME" or file'),
        (('[{ env = "HOOK_SECRET" }]', '[{ env = "STOCKRELAY_X" }]'), "begins with STOCKRELAY_"),
        (("sources.repo", "sources.two words"), "not TOML"),
        (("sources.repo", 'sources."two words"'), "sources.two words"),
        (('unit = "s"', 'unit = "days"'), "sources.repo.time.unit"),
        (('"event.at"', '"event..at"'), "sources.repo.time.field: 'event..at' is no JMESPath expression"),
        (('"event.at"', '"at"'), "sources.repo.time.field: at: begins with 'at'; begin with one of event"),
        (('"event.lines"', '"lines[?a].b"'), "sources.repo.commands.0.each: lines[?a].b: begins with 'lines'"),
        (('"event.lines"', '"evnt.a || event.b"'), "begins with 'evnt'"),
        (('"event.lines"', '"sum_all(event.lines)"'), "there is no function 'sum_all'"),
        (('"event.lines"', '"contains(event.lines)"'), "contains takes 2 arguments, not 1"),
        (('kind = "stock.add"', 'kind = "stock.ad"'), "sources.repo.commands.0: kind: 'stock.ad' is unknown"),
        (('kind = "stock.add"', 'kind = "part.create"'), "kind: 'part.create' is unknown"),
        (("quantity = 1", "quantiy = 1"), "fields.quantiy: stock.add has no such field"),
        ((", quantity = 1", ""), "fields.quantity: missing; stock.add needs it"),
        (("quantity = 1", "quantity = 1, source = 'event.x'"), "fields.source: is set by the delivery"),
        (("quantity = 1", "quantity = { value = 1 }"), "quantity: is a table; write an expression, or"),
        (("quantity = 1", "quantity = 'item.'"), "quantity: 'item.' is no JMESPath expression"),
    ],
)
def test_a_wrong_source_is_named_by_its_place(tmp_path: Path, change: tuple[str, str], reason: str) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD

    with pytest.raises(SourcesError) as caught:
        read_sources(written(tmp_path, text))

    assert reason in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ('{ header = "X-S", signed = "{timestamp}.{body}" }', "timestamp_header: give it if, and only if"),
        ('{ header = "X-S", timestamp_header = "X-T" }', "timestamp_header: give it if, and only if"),
        ('{ header = "X-S", signed = "{id}.{timestamp}" }', "signed: must hold {body} once"),
        ('{ header = "X-S", signed = "{body}{body}" }', "signed: must hold {body} once"),
        ('{ header = "X S" }', "sources.repo.signature.header"),
        ('{ header = "X-S", algorithm = "md5" }', "sources.repo.signature.algorithm"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused(tmp_path: Path, signature: str, reason: str) -> None:
    way = f'scheme = "hmac"\nid = {{ content = true }}\nsignature = {signature}'

    with pytest.raises(SourcesError) as caught:
        read_sources(written(tmp_path, GOOD.replace('scheme = "github"', way)))

    assert reason in str(caught.value)


def test_secrets_come_from_the_environment_and_from_files(tmp_path: Path) -> None:
    kept = tmp_path / "secret"
    kept.write_text(f"{OTHER}\n")
    text = GOOD.replace('{ env = "HOOK_SECRET" }', f'{{ env = "HOOK_SECRET" }}, {{ file = "{kept}" }}')

    hooks = open_hooks(written(tmp_path, text), {"HOOK_SECRET": SECRET})

    for secret in (SECRET, OTHER):
        hook, reason = hooks.verify("repo", several(github(b"{}", secret=secret)), b"{}", NOW)
        assert (hook and hook.name, reason) == ("repo", "")


@pytest.mark.parametrize(
    ("place", "environ", "reason"),
    [
        ('{ env = "HOOK_SECRET" }', {}, "sources.repo.secrets.1 (variable HOOK_SECRET): the variable is not set"),
        ('{ env = "HOOK_SECRET" }', {"HOOK_SECRET": SECRET[:23]}, "is shorter than 24 bytes"),
        ('{ file = "no-such-file" }', {}, "sources.repo.secrets.1 (file no-such-file): cannot be read: No such file"),
    ],
)
def test_a_secret_that_is_not_there_or_too_short_stops_the_start(
    tmp_path: Path, place: str, environ: dict[str, str], reason: str
) -> None:
    path = written(tmp_path, GOOD.replace('{ env = "HOOK_SECRET" }', place))

    with pytest.raises(SourcesError) as caught:
        open_hooks(path, environ)

    assert reason in str(caught.value)
    assert SECRET[:23] not in str(caught.value)


def test_a_file_of_secrets_that_is_no_text_is_not_quoted(tmp_path: Path) -> None:
    kept = tmp_path / "secret"
    kept.write_bytes(b"\xff\xfeinvented secret of somebody")
    path = written(tmp_path, GOOD.replace('{ env = "HOOK_SECRET" }', f'{{ file = "{kept}" }}'))

    with pytest.raises(SourcesError, match="is not UTF-8 text") as caught:
        open_hooks(path, {})

    assert caught.value.__cause__ is None
    assert "invented" not in str(caught.value)


def test_an_unknown_source_is_refused_like_a_wrong_signature(tmp_path: Path) -> None:
    hooks = open_hooks(written(tmp_path, GOOD), {"HOOK_SECRET": SECRET})

    assert hooks.verify("other", several(github(b"{}")), b"{}", NOW) == (None, "no such source")
    assert hooks.verify("repo", several(github(b"{}", secret=OTHER)), b"{}", NOW)[0] is None


@pytest.mark.parametrize("name", ["repo", "other"])
def test_an_unknown_source_costs_the_work_of_a_wrong_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    hooks = open_hooks(written(tmp_path, GOOD), {"HOOK_SECRET": SECRET})
    hashed: list[bytes] = []
    real = hmac.digest

    def digest(key: bytes, message: bytes, algorithm: str) -> bytes:
        hashed.append(message)
        return real(key, message, algorithm)

    monkeypatch.setattr(hmac, "digest", digest)
    hooks.verify(name, several(github(b"{}", secret=OTHER)), b"{}", NOW)

    assert b"{}" in hashed


def test_rules_can_be_tried_without_the_secrets(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)

    assert open_hook(path, "repo", None).verifier.verify(several(github(b"{}")), b"{}", NOW) != ""
    with pytest.raises(SourcesError, match="there is no source shop; known are repo"):
        open_hook(path, "shop", None)
