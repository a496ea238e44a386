"""Work that a session continues after the turn that began it."""

from __future__ import annotations

import asyncio
from typing import Any

from reactivex.subject import Subject

from voicepipe.rx import LoopScheduler
from voicepipe.rx.background import Background, Work
from voicepipe.testing import VirtualLoop


def work(name: str, does: object, seconds: float) -> Work:
    task = asyncio.create_task(asyncio.sleep(seconds, name), name=name)
    return Work(name, does, task, lambda ended: f"{ended.result()} is done")


def test_a_work_outlives_its_turn_and_tells_its_end(virtual_loop: VirtualLoop) -> None:
    """Beside the source, in the time in which it comes; what is cancelled tells nothing."""
    heard: list[Any] = []

    async def main() -> None:
        session = LoopScheduler(virtual_loop)
        background = session.child().child().background
        source = Subject[str]()
        background.merged_with(source).subscribe(
            lambda item: heard.append((virtual_loop.time(), item)), scheduler=session
        )
        assert background.is_heard
        kept = [work("a", 1, 0.2), work("b", 2, 0.4), work("c", 3, 9)]
        for one in kept:
            background.keep(one)
        assert session.tasks == {one.task for one in kept}
        source.on_next("said")
        await asyncio.sleep(0.3)
        assert background.names == {"b", "c"}
        kept[2].task.cancel()
        await asyncio.sleep(0.2)
        assert not background.names

    virtual_loop.run(main())
    assert heard == [(0, "said"), (0.2, "a is done"), (0.4, "b is done")]


def test_a_work_is_taken_once(virtual_loop: VirtualLoop) -> None:
    """It then belongs to the taker, and nothing is told of it here."""
    heard: list[Any] = []

    async def main() -> None:
        background = LoopScheduler(virtual_loop).background
        background.merged_with(Subject[str]()).subscribe(heard.append)
        kept = work("a", ("book", {"people": 2}), 0.2)
        background.keep(kept)
        assert background.taken(("book", {"people": 3})) is None
        assert background.taken(("book", {"people": 2})) is kept
        assert background.taken(("book", {"people": 2})) is None
        assert await kept.task == "a"

    virtual_loop.run(main())
    assert heard == []


def test_the_end_of_the_session_cancels_its_works(virtual_loop: VirtualLoop) -> None:
    """When the last source that it is heard beside is disposed."""

    async def main() -> None:
        background = LoopScheduler(virtual_loop).background
        first, second = (background.merged_with(Subject[str]()).subscribe() for _ in range(2))
        kept = work("a", 1, 9)
        background.keep(kept)
        first.dispose()
        await asyncio.sleep(0.1)
        assert not kept.task.done()
        second.dispose()
        await asyncio.wait([kept.task])
        assert kept.task.cancelled()
        assert not background.is_heard

    virtual_loop.run(main())


def test_what_is_apart_has_a_background_of_its_own(virtual_loop: VirtualLoop) -> None:
    """Which nothing hears; its tasks are the session's."""

    async def main() -> tuple[Background, Background]:
        session = LoopScheduler(virtual_loop)
        apart = session.child(apart=True)
        task = apart.spawn(asyncio.sleep(0.1), "a")
        assert session.tasks == {task}
        await task
        return session.background, apart.child().background

    one, other = virtual_loop.run(main())
    assert one is not other
