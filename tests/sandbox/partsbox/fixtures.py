"""Fixtures by name: what a database holds before anyone writes."""

from tests.sandbox.partsbox.ids import id_for
from tests.sandbox.partsbox.wire import Record

#: parts with something to tell, and the projects that use them
NAMED_PARTS: list[Record] = [
    {"part/name": "R-10K-THIN", "part/substitute-ids": [id_for("part", "R-10K")]},
    {
        "part/name": "R-10K-ANY",
        "part/type": "meta",
        "part/description": "Any 10k resistor",
        "part/part-ids": [id_for("part", "R-10K"), id_for("part", "R-10K-THIN")],
    },
    {
        "part/name": "IC-MCU",
        "part/description": "Controller of the lamp",
        "part/footprint": "QFN-32",
        "part/tags": ["ic", "lot-tracked"],
        "part/low-stock": {"report": 10},
        "part/custom-fields": [{"key": "shelf life", "value": "24 months"}, {"key": "supplier", "value": "Acme"}],
    },
]

PROJECTS: list[Record] = [
    {
        "project/name": "lamp",
        "project/description": "Desk lamp with a dimmer",
        "entries": [
            {"part": "IC-MCU", "entry/quantity": 1, "entry/designators": ["U1"]},
            {
                "part": "R-10K",
                "entry/quantity": 3,
                "entry/designators": ["R1", "R2", "R3"],
                "entry/comments": "pull-up",
            },
            {"part": "C-100N", "entry/quantity": 2, "entry/designators": ["C1", "C2"], "entry/order": 7},
        ],
        "builds": [{"build/quantity": 5, "build/comments": "first series"}],
    },
    {
        "project/name": "clock",
        "project/notes": "Waits for its housing.",
        "entries": [
            {"part": "R-10K-ANY", "entry/quantity": 2, "entry/designators": ["R1", "R2"]},
            {"entry/name": "housing", "entry/quantity": 1},
        ],
    },
]

#: a small store room; ids come from the names, see id_for
WAREHOUSE: Record = {
    "unique_part_names": True,
    "parts": [{"part/name": f"R-{value}"} for value in ("10R", "100R", "1K", "10K", "100K", "1M")]
    + [{"part/name": f"C-{value}"} for value in ("10N", "100N", "1U", "10U", "47U", "100U")]
    + NAMED_PARTS,
    "storages": [{"storage/name": name} for name in ("goods-in", "shelf-1", "shelf-2", "shelf-3", "line-1", "line-2")]
    + [
        {"storage/name": "full-box", "storage/full?": True},
        {"storage/name": "bag", "storage/single-part?": True},
        {"storage/name": "bin", "storage/existing-parts-only?": True},
        {"storage/name": "drawer-1", "storage/description": "Lots of 2024", "storage/tags": ["lots"]},
        {"storage/name": "drawer-2"},
    ],
    "lots": [
        {
            "part": "IC-MCU",
            "lot/name": "L-2024-07",
            "lot/description": "First reel",
            "lot/expiration-date": 1798761600000,
        },
        {"part": "IC-MCU", "lot/name": "L-2024-11"},
    ],
    "stock": [
        {"part": part, "storage": "shelf-1", "stock/quantity": 1000} for part in ("R-10R", "R-100R", "R-1K", "R-10K")
    ]
    + [{"part": part, "storage": "shelf-2", "stock/quantity": 500} for part in ("C-10N", "C-100N", "C-1U", "C-10U")]
    + [
        {"part": "IC-MCU", "storage": "drawer-1", "lot": "L-2024-07", "stock/quantity": 40},
        {"part": "IC-MCU", "storage": "drawer-2", "lot": "L-2024-11", "stock/quantity": 60},
    ],
    "orders": [
        {
            "order/number": f"SO-{number}",
            "order/status": status,
            "order/entries": [
                {"part": part, "stock/quantity": 100, "stock/vendor-sku": f"SKU-{part}"}
                for part in ("R-100K", "R-1M", "C-47U", "C-100U")
            ],
        }
        for number, status in ((1, "ordered"), (2, "ordered"), (3, "open"))
    ],
    "projects": PROJECTS,
}

SEEDS: dict[str, Record] = {"empty": {}, "warehouse": WAREHOUSE}
