"""Loading catalogs past the HTTP API: languages, ontology, parts, assemblies and what refers to them."""

from typing import Any

from tests.sandbox.partium.nouns import check_assembly, check_part
from tests.sandbox.partium.ontology import Attribute
from tests.sandbox.partium.state import ApiUser, State
from tests.sandbox.partium.wire import Record

#: sizes of the screws of the fixture
SIZES = ("M3x8", "M3x12", "M4x8", "M4x16", "M5x20", "M6x16", "M6x30", "M8x40")
COLORS = (
    {"en": "red", "de": "rot", "fr": "rouge"},
    {"en": "blue", "de": "blau", "fr": "bleu"},
    {"en": "grey", "de": "grau", "fr": "gris"},
)


def _value(text: str, organization: str = "") -> Record:
    return {"organization": organization, "value": {"en": text, "de": text, "fr": text}}


def _screw(size: str, number: int) -> Record:
    return {
        "part_id": f"P-{number}",
        "name": {"en": f"Screw {size}", "de": f"Schraube {size}", "fr": f"Vis {size}"},
        "attributes": [{"attribute_id": "weight", "values": [_value(f"{number - 1000} g")]}],
    }


def _motor(volts: int, number: int) -> Record:
    color = COLORS[number % len(COLORS)]
    return {
        "part_id": f"P-{number}",
        "name": {"en": f"Motor {volts} V", "de": f"Motor {volts} V", "fr": f"Moteur {volts} V"},
        "attributes": [
            {"attribute_id": "voltage", "values": [_value(f"{volts} V"), _value(f"{volts} V DC", "org-north")]},
            {"attribute_id": "color", "values": [{"organization": "", "value": color}]},
        ],
    }


def _assembly(ass_id: str, parent_id: str, en: str, de: str, fr: str) -> Record:
    return {"ass_id": ass_id, "parent_id": parent_id, "name": {"en": en, "de": de, "fr": fr}}


#: the spare parts of two machines
WAREHOUSE: Record = {
    "languages": ["en", "de", "fr"],
    "organizations": ["org-north", "org-south"],
    "attributes": [
        {"attribute_id": "weight", "type": "text"},
        {"attribute_id": "color", "type": "enum", "choices": list(COLORS)},
        {"attribute_id": "voltage", "type": "text", "per_org_values": True},
    ],
    "parts": [_screw(size, number) for number, size in enumerate(SIZES, 1001)]
    + [_motor(volts, number) for number, volts in enumerate((12, 24, 48, 110, 230, 400), 2001)]
    + [
        {"part_id": f"P-{number}", "name": {"en": en, "de": de}}
        for number, (en, de) in enumerate(
            (("Belt", "Riemen"), ("Bearing", "Lager"), ("Seal", "Dichtung"), ("Fuse", "Sicherung"), ("Lamp", "Lampe")),
            3001,
        )
    ]
    + [{"part_id": "P-4001", "name": {"en": "Control panel"}, "attributes": []}],
    "assemblies": [
        _assembly("press", "", "Press", "Presse", "Presse"),
        _assembly("press-drive", "press", "Drive", "Antrieb", "Entraînement"),
        _assembly("press-motor", "press-drive", "Motor", "Motor", "Moteur"),
        _assembly("press-belt", "press-drive", "Belt drive", "Riementrieb", "Courroie"),
        _assembly("press-frame", "press", "Frame", "Rahmen", "Châssis"),
        _assembly("saw", "", "Saw", "Säge", "Scie"),
        _assembly("saw-table", "saw", "Table", "Tisch", "Table"),
    ],
    "assignments": [
        {"part_id": "P-2005", "ass_id": "press-motor"},
        {"part_id": "P-3001", "ass_id": "press-belt"},
        {"part_id": "P-3001", "ass_id": "saw"},
    ],
    "images": [{"image_id": "I-1", "part_id": "P-4001"}],
}

SEEDS: dict[str, Record] = {"empty": {}, "warehouse": WAREHOUSE}


class Loader:
    """Puts records straight into the state; wrong ones raise RefusedError."""

    def __init__(self, state: State) -> None:
        self._state = state

    def user(self, name: str, key: str, denied: tuple[str, ...] = ()) -> None:
        """Add a key; `denied` lists operations that it is answered with 403."""
        self._state.users[key] = ApiUser(name, frozenset(denied))

    def attribute(
        self, attribute_id: str, kind: str = "text", *, per_org_values: bool = False, choices: tuple[Record, ...] = ()
    ) -> None:
        """Add an attribute to the ontology; kind is text or enum."""
        self._state.attributes[attribute_id] = Attribute(attribute_id, kind, per_org_values, choices)

    def part(self, part_id: str, name: Record, attributes: list[Record] | None = None) -> str:
        """Add a part and give its id."""
        item = {"part_id": part_id, "name": name, **({} if attributes is None else {"attributes": attributes})}
        check_part(self._state, item)
        self._state.parts.put(item)
        return part_id

    def assembly(self, ass_id: str, parent_id: str, name: Record) -> str:
        """Add an assembly, a root when the parent is "", and give its id."""
        item = {"ass_id": ass_id, "parent_id": parent_id, "name": name}
        check_assembly(self._state, item)
        self._state.assemblies.put(item)
        return ass_id

    def assign(self, part_id: str, ass_id: str) -> None:
        """Let an assembly refer to a part."""
        self._state.assignments[part_id].add(ass_id)

    def unassign(self, part_id: str, ass_id: str) -> None:
        """Remove what `assign` added."""
        self._state.assignments[part_id].discard(ass_id)

    def image(self, image_id: str, part_id: str) -> None:
        """Give a part an image."""
        self._state.images[image_id] = part_id

    def load(self, fixture: Record) -> dict[str, Any]:
        """Load a whole fixture, as the control API receives it, and give the ids by noun."""
        state = self._state
        state.languages = tuple(fixture.get("languages", state.languages))
        state.organizations |= frozenset(fixture.get("organizations", []))
        for user in fixture.get("users", []):
            self.user(user["name"], user["key"], tuple(user.get("denied", ())))
        for one in fixture.get("attributes", []):
            choices, per_org_values = tuple(one.get("choices", ())), bool(one.get("per_org_values"))
            self.attribute(one["attribute_id"], one["type"], per_org_values=per_org_values, choices=choices)
        parts = [self.part(p["part_id"], p["name"], p.get("attributes")) for p in fixture.get("parts", [])]
        assemblies = [self.assembly(**one) for one in fixture.get("assemblies", [])]
        for link in fixture.get("assignments", []):
            self.assign(link["part_id"], link["ass_id"])
        for image in fixture.get("images", []):
            self.image(image["image_id"], image["part_id"])
        return {"parts": parts, "assemblies": assemblies}
