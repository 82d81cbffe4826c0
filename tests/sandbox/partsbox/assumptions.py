"""What the vendor document leaves open, in one place, each to be verified on first live contact.

Switchable here: the form of the category, the HTTP status of each problem, whether order/get-entries lists receipts,
whether a storage can be renamed to the name it has.
Built in, also inferred:

- comments are kept verbatim on removals, moves and receipts (stock/add is proven by real data);
- a partial receipt keeps the line's stock/id on the outstanding rest, the received entry carries no stock/id;
- order/receive is atomic over several lines, an empty list of lines is refused;
- order lines appear in part/stock with a status; those of an open order are "being-ordered";
- a storage rule, an order that is not ordered, more than the rest of a line and insufficient stock are conflicts;
- timestamps are unique per part, max(now, last + 1 ms);
- single-part? lets an empty storage take any one part; existing-parts-only? asks for stock on hand there;
- a part without stock history has no part/stock key ("absent until first set" is the vendor's habit);
- lot data without lot control, a move onto itself, a malformed id and a null value are refused as invalid;
- a blank name of a part, a storage or a project is refused, and so is a part that is linked to itself;
- names of projects need not be unique; names of archived storages are taken; names are compared exactly;
- a list of ids or entries is taken as a whole: one unknown among them refuses all, one id twice counts once;
- lists and maps sent replace those stored; of part/attrition and part/low-stock either half may be left out;
- part/custom-fields is a list of {key, value} as in the request; a key that is not there is deleted already;
- an entry needs a quantity, zero or more, and a part or a name; designators are a set, read back sorted;
- part/delete takes the stock history, the order lines and the links from other parts along;
- entries, builds and lots of a deleted part, and builds of a deleted project, stay;
- archiving and restoring again are no errors; what is archived can be written as before;
- db/download-all-data is a map of lists by noun;
- categories other than ok, not-found and conflict are invented.
"""

from dataclasses import dataclass, field

#: problem -> HTTP status (vendors.md 2.7, contradiction 4)
DEFAULT_STATUSES = {
    "invalid": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "conflict": 409,
    "rate-limited": 429,
}


@dataclass
class Assumptions:
    """The switchable readings of the document."""

    #: "" gives `ok`, "status/" gives `status/ok` (vendors.md 2.7, contradiction 3)
    category_prefix: str = ""
    statuses: dict[str, int] = field(default_factory=lambda: dict(DEFAULT_STATUSES))
    #: order entries are stock entries: are the received ones among them?
    receipts_in_order_entries: bool = True
    #: does storage/rename to the name it has answer a conflict?
    own_name_is_taken: bool = False

    def status_of(self, problem: str) -> int:
        """Give the HTTP status that answers this problem."""
        return self.statuses[problem]
