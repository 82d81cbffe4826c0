"""The feeds in the configuration file: what they may say, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from producers.files.feeds import FeedsError, read_feeds
from producers.files.numbers import NumberStyle
from producers.files.targets import Shape, find_target, required_fields
from tasks.registry import command_type, submittable_kinds
from tests.unit.file_harness import PART, SHELF, written

GOOD = f"""
[routes.catalog_part.partsbox]
name = "part_id"

[feeds.goods-in]
path = "var/drop/goods-in"
pattern = "*.csv"
format = "csv"
kind = "stock.add"
encoding = "CP1250"
delimiter = ";"
decimal = ","
thousands = "."
policy = "skip-bad-rows"
settle_seconds = 3
when = {{ State = "new" }}
unless = {{ DNP = ["1", "x"] }}

[feeds.goods-in.fields]
part_id = {{ column = ["MPN", "Part"], lookup = "part" }}
storage_id = {{ column = "Shelf", values = {{ "A 1" = "{SHELF}" }} }}
quantity = {{ column = "Qty" }}
comments = {{ value = "by file" }}

[feeds.goods-in.timestamp]
column = "Date"
format = "%d.%m.%Y %H:%M"
zone = "Europe/Berlin"

[feeds.notices]
path = "var/drop/notices"
format = "x12-856"
kind = "stock.add"
fields = {{ part_id.column = "buyer_part", storage_id.value = "{SHELF}", quantity.column = "quantity" }}
"""

HEAD = 'path = "in"\nformat = "csv"\nkind = "stock.add"\n'
FIELDS = f"""
[feeds.one.fields]
part_id = {{ value = "{PART}" }}
storage_id = {{ value = "{SHELF}" }}
quantity = {{ column = "Qty" }}
"""


def test_good_feeds_are_read_beside_the_tables_of_others(tmp_path: Path) -> None:
    goods_in, notices = read_feeds(written(tmp_path, GOOD))

    assert (goods_in.name, goods_in.path, goods_in.pattern) == ("goods-in", Path("var/drop/goods-in"), "*.csv")
    assert (goods_in.encoding, goods_in.number_style) == ("cp1250", NumberStyle(",", "."))
    assert (goods_in.policy, goods_in.settle_seconds, goods_in.poll_seconds) == ("skip-bad-rows", 3.0, 2.0)
    assert goods_in.fields["part_id"].column == ("MPN", "Part")
    assert (goods_in.when, goods_in.unless) == ({"State": ("new",)}, {"DNP": ("1", "x")})
    assert set(goods_in.used_columns()) == {("MPN", "Part"), ("Shelf",), ("Qty",), ("Date",), ("State",), ("DNP",)}
    assert (notices.policy, notices.on_duplicate, notices.done_marker) == ("all-or-nothing", "refuse", False)
    assert notices.number_style == NumberStyle(".")


def test_a_file_with_the_tables_of_others_alone_has_no_feeds(tmp_path: Path) -> None:
    assert read_feeds(written(tmp_path, "[sources]")) == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[feeds", "not TOML"),
        (b"\xff\xfe", "not TOML"),
        ("feeds = 3", "feeds: not a table"),
        ("[feeds]\none = 3", "feeds.one: not a table"),
        (f"[feeds.One]\n{HEAD}[feeds.One.fields]\n", "feeds.One.name: String should match"),
        (f'[feeds.one]\nname = "two"\n{HEAD}{FIELDS}', "feeds.one.name: unknown"),
        (f'[feeds.one]\n{HEAD}polcy = "x"\n{FIELDS}', "feeds.one.polcy: unknown key"),
        (f"[feeds.one]\n{HEAD}", "feeds.one.fields: Field required"),
        (f"[feeds.one]\n{HEAD}[feeds.one.fields]\n", "feeds.one.fields: Dictionary should have at least 1"),
        (f'[feeds.one]\n{HEAD}pattern = "in/*.csv"\n{FIELDS}', "feeds.one.pattern: is matched against file names"),
        (f'[feeds.one]\n{HEAD}encoding = "base64"\n{FIELDS}', "feeds.one.encoding: base64 is no encoding"),
        (f'[feeds.one]\n{HEAD}encoding = "utf-7"\n{FIELDS}', "feeds.one.encoding: utf-7 is no encoding"),
        (f'[feeds.one]\n{HEAD}delimiter = ";;"\n{FIELDS}', "feeds.one.delimiter: String should have at most 1"),
        (f'[feeds.one]\n{HEAD}decimal = "·"\n{FIELDS}', "feeds.one.decimal: Input should be"),
        (f'[feeds.one]\n{HEAD}thousands = "."\n{FIELDS}', "feeds.one.thousands: is the decimal mark as well"),
        (f'[feeds.one]\n{HEAD}sheet = "S"\n{FIELDS}', "feeds.one.sheet: is for xlsx, not for csv"),
        (f'[feeds.one]\n{HEAD}record = "a"\n{FIELDS}', "feeds.one.record: is for json, xml, not for csv"),
        (f'[feeds.one]\n{HEAD}header_row = 2\ncolumns = ["Qty"]\n{FIELDS}', "feeds.one.columns: names the columns"),
        (f"[feeds.one]\n{HEAD}settle_seconds = -1\n{FIELDS}", "feeds.one.settle_seconds: Input should be"),
        (f"[feeds.one]\n{HEAD}max_rows = 0\n{FIELDS}", "feeds.one.max_rows: Input should be"),
        (
            f"[feeds.one]\n{HEAD.replace('csv', 'xml')}{FIELDS}",
            "feeds.one.record: missing; name the element that is one row",
        ),
        (
            f"[feeds.one]\n{HEAD.replace('csv', 'edifact-desadv')}decimal = ','\n{FIELDS}",
            "feeds.one.decimal: is for csv, tsv, bom, xlsx, json, ndjson, xml, not for edifact-desadv",
        ),
        (
            f"[feeds.one]\n{HEAD.replace('csv', 'x12-856')}{FIELDS}",
            "feeds.one.column Qty: x12-856 gives no such value; it gives buyer_part, description",
        ),
        (
            f"[feeds.one]\n{HEAD.replace('stock.add', 'stock.steal')}{FIELDS}",
            "feeds.one.kind: no command that may be asked for; give one of bom.set_property",
        ),
        (
            f"[feeds.one]\n{HEAD.replace('stock.add', 'order.receive_line')}{FIELDS}",
            "feeds.one.kind: no command that may be asked for",
        ),
        (
            f'[feeds.one]\n{HEAD}{FIELDS}colour = {{ value = "red" }}\n',
            "feeds.one.fields.colour: stock.add has no colour there; it has comments, part_id",
        ),
        (
            f'[feeds.one]\n{HEAD}{FIELDS}source = {{ value = "me" }}\n',
            "feeds.one.fields.source: fixed by the feed",
        ),
        (
            f'[feeds.one]\n{HEAD}{FIELDS}order = {{ column = "PO" }}\n',
            "feeds.one.fields.order: has fields of its own; name one, as order.vendor_name",
        ),
        (
            f'[feeds.one]\n{HEAD}{FIELDS}"comments.en" = {{ column = "PO" }}\n',
            "feeds.one.fields.comments.en: en is behind a field that holds one value",
        ),
        (
            f'[feeds.one]\n{HEAD}[feeds.one.fields]\nquantity = {{ column = "Qty" }}\n',
            "feeds.one.fields.part_id: missing; every stock.add needs it",
        ),
        (
            (
                f'[feeds.one]\n{HEAD.replace("stock.add", "order.receive")}[feeds.one.fields]\norder_id.column = "o"\n'
                'storage_id.column = "s"\n"lines.quantity" = { column = "a" }\n"lines.0.quantity" = { column = "b" }\n'
            ),
            "feeds.one.fields: two names mean the same field; keep one",
        ),
        (f"[feeds.one]\n{HEAD}{FIELDS}comments = {{}}\n", "feeds.one.fields.comments: give either column"),
        (
            f'[feeds.one]\n{HEAD}{FIELDS}comments = {{ column = "a", value = "b" }}\n',
            "feeds.one.fields.comments: give either column",
        ),
        (
            f'[feeds.one]\n{HEAD}{FIELDS}comments = {{ value = "a", split = "," }}\n',
            "feeds.one.fields.comments: values, lookup, split and default are for a column",
        ),
        (
            f'[feeds.one]\n{HEAD}{FIELDS}comments = {{ column = "a", lookup = "part", values = {{ a = "b" }} }}\n',
            "feeds.one.fields.comments: values and lookup both say",
        ),
        (
            f'[feeds.one]\n{HEAD}{FIELDS}[feeds.one.timestamp]\ncolumn = "Day"\nformat = "%d.%m.%Y"\n',
            "feeds.one.timestamp.format: has no time of day",
        ),
        (
            f'[feeds.one]\n{HEAD}{FIELDS}[feeds.one.timestamp]\ncolumn = "Day"\nzone = "Berlin"\n',
            "feeds.one.timestamp.zone: no time zone",
        ),
    ],
)
def test_a_wrong_feed_is_refused_with_the_table_and_the_key(tmp_path: Path, text: str | bytes, reason: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(FeedsError) as refused:
        read_feeds(path)

    assert str(refused.value).startswith(f"{path}: {reason}")


def test_a_file_that_is_not_there_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(FeedsError, match=r"none\.toml: cannot be read: No such file"):
        read_feeds(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("kind", "name", "path", "shape"),
    [
        ("stock.add", "quantity", ("quantity",), Shape.WHOLE),
        ("stock.add", "price", ("price",), Shape.DECIMAL),
        ("stock.add", "currency", ("currency",), Shape.CHOICE),
        ("stock.add", "order.po_number", ("order", "po_number"), Shape.TEXT),
        ("stock.add", "lot.tags", ("lot", "tags"), Shape.TEXTS),
        ("stock.move", "split_lot", ("split_lot",), Shape.YES_NO),
        ("order.receive", "lines.stock_id", ("lines", 0, "stock_id"), Shape.TEXT),
        ("order.receive", "lines.2.quantity", ("lines", 2, "quantity"), Shape.WHOLE),
        ("project.add_entries", "entries.designators", ("entries", 0, "designators"), Shape.TEXTS),
        ("catalog.upsert_part", "name.de", ("name", "de"), Shape.TEXT),
        (
            "catalog.upsert_part",
            "attributes.1.values.value.en",
            ("attributes", 1, "values", 0, "value", "en"),
            Shape.TEXT,
        ),
        ("part.add_members", "member_ids", ("member_ids",), Shape.TEXTS),
    ],
)
def test_a_field_is_found_by_its_dotted_name(kind: str, name: str, path: tuple[str | int, ...], shape: Shape) -> None:
    target = find_target(command_type(kind), name)

    assert (target.path, target.shape) == (path, shape)


@pytest.mark.parametrize("kind", submittable_kinds())
def test_every_field_that_a_command_needs_can_be_filled_or_names_what_can(kind: str) -> None:
    model = command_type(kind)
    for name in required_fields(model):
        try:
            assert find_target(model, name).path == (name,)
        except ValueError as error:
            inner = str(error).rpartition(" as ")[2]
            assert inner.startswith(f"{name}.")
            assert find_target(model, inner).path[0] == name
