"""db/…: the whole database at once."""

import copy

from tests.sandbox.partsbox import parts
from tests.sandbox.partsbox.operations import Operation, Read
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record


def download(state: State, params: Record) -> Answer:
    """db/download-all-data: every record with its namespaced keys, by the plural of its noun."""
    everything = {
        "parts": parts.get_all(state, params).data,
        "storages": list(state.storages.values()),
        "lots": list(state.lots.values()),
        "orders": list(state.orders.values()),
        "projects": [
            {**project, "project/entries": list(state.project_entries.get(project_id, {}).values())}
            for project_id, project in state.projects.items()
        ],
        "builds": [
            {**build, "build/entries": list(state.build_entries[build_id].values())}
            for build_id, build in state.builds.items()
        ],
        "settings": {"enforce-unique-part-names?": state.unique_part_names},
    }
    return Answer(copy.deepcopy(everything))


OPERATIONS: dict[str, Operation] = {"db/download-all-data": Read(download)}
