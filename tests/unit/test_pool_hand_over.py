"""What lies between the worker pool's threads: a mailbox each way, and slots."""

from __future__ import annotations

from workers.mailbox import Mailbox
from workers.pool_job import Job
from workers.pool_slots import Slots


def ignore(*_: object) -> None: ...


def job() -> Job:
    return Job(number=1, work=ignore, on_accepted=ignore, on_timeout=ignore, on_end=ignore, stop=ignore)


def test_a_mailbox_wakes_once_for_many_items_and_again_after_it_was_emptied() -> None:
    wakes: list[str] = []
    mailbox: Mailbox[int] = Mailbox(lambda: wakes.append("wake"))
    for number in range(3):
        mailbox.put(number)
    assert list(mailbox.empty()) == [0, 1, 2]
    assert wakes == ["wake"]
    mailbox.put(3)
    assert wakes == ["wake", "wake"]


def test_what_is_put_while_a_mailbox_is_emptied_is_not_left_behind() -> None:
    mailbox: Mailbox[int] = Mailbox(lambda: None)
    mailbox.put(0)
    seen = []
    for item in mailbox.empty():
        seen.append(item)
        if item < 3:
            mailbox.put(item + 1)
    assert seen == [0, 1, 2, 3]


def test_slots_begin_jobs_in_order_and_never_too_many() -> None:
    jobs = [job() for _ in range(5)]
    begun: list[Job] = []

    def begin(job: Job) -> bool:
        begun.append(job)
        return job is not jobs[2]  # this one is revoked: it takes no slot

    slots = Slots(2, begin)
    for each in jobs:
        slots.add(each)
    assert begun == jobs[:2]
    slots.end()
    assert begun == jobs[:4]
    slots.limit = 3
    slots.fill()
    assert begun == jobs
    assert (slots.running, len(slots.waiting)) == (3, 0)
