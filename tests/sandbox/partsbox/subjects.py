"""What a request is about, as far as it tells: the `noun:id` under which the books keep it."""

from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Record


def subjects_of(state: State, operation: str, params: Record) -> set[str]:
    """Name what a request reads or is about to write; of stock and receipts the parts whose history it is."""
    noun = operation.partition("/")[0]
    if noun == "stock" or operation == "order/receive":
        return {f"part:{part_id}" for part_id in _parts_booked(state, operation, params)}
    if operation == "storage/change-settings":
        given = params.get("ids")
        return {f"storage:{one}" for one in given if isinstance(one, str)} if isinstance(given, list) else set()
    named = params.get(f"{noun}/id")
    return {f"{noun}:{named}"} if isinstance(named, str) else set()


def _parts_booked(state: State, operation: str, params: Record) -> set[str]:
    source = params.get("stock/source")
    named = {params.get("stock/part-id"), source.get("source/part-id") if isinstance(source, dict) else None}
    if operation == "order/receive":
        given = params.get("stock-entries")
        wanted = {e.get("stock/id") for e in given if isinstance(e, dict)} if isinstance(given, list) else None
        lines = state.order_entries.get(str(params.get("order/id")), [])
        named |= {line.part_id for line in lines if line.status and (wanted is None or line.stock_id in wanted)}
    return {part_id for part_id in named if isinstance(part_id, str)}
