"""The faults of the commit stage that every vendor has: committed twice, or beside someone else."""

from collections.abc import Callable
from typing import TypeVar

from tests.sandbox.faults import BEFORE_COMMIT, Fault
from tests.sandbox.journal import RequestRecord
from tests.sandbox.wire import RefusedError

AnswerT = TypeVar("AnswerT")


def commit_with(
    fault: Fault | None, commit: Callable[[], AnswerT], colleague: Callable[[str], object], record: RequestRecord
) -> AnswerT:
    """Commit once, twice or with `colleague`, given a user's name, just before or after; raises RefusedError.

    Kinds that a vendor adds to the commit stage are the vendor's own affair: here they change nothing.
    """
    if fault is not None and fault.kind == "second_writer":
        return _beside_second_writer(fault, commit, colleague, record)
    answer = commit()
    if fault is not None and fault.kind == "duplicate_commit":
        try:
            commit()
        except RefusedError:
            record.faults.append("the second commit was refused")
    return answer


def _beside_second_writer(
    fault: Fault, commit: Callable[[], AnswerT], colleague: Callable[[str], object], record: RequestRecord
) -> AnswerT:
    if fault.options["place"] == BEFORE_COMMIT:
        _let_write(fault, colleague, record)
        return commit()
    answer = commit()
    _let_write(fault, colleague, record)
    return answer


def _let_write(fault: Fault, colleague: Callable[[str], object], record: RequestRecord) -> None:
    try:
        colleague(fault.options["user"])
    except RefusedError:
        record.faults.append("the second writer was refused")
