"""The report of a deadlock."""

import asyncio

import pytest

from voicepipe.testing import Deadlock


def test_it_names_what_each_waits_for(virtual_loop):
    """Every pending task is listed with its name, its stack, source lines and what it awaits; the main one first."""

    async def inner() -> None:
        await asyncio.Queue().get()

    async def outer() -> None:
        await inner()

    async def main() -> None:
        await asyncio.gather(asyncio.create_task(outer(), name="worker"))

    with pytest.raises(Deadlock) as caught:
        virtual_loop.run(main())
    message = str(caught.value)
    assert [task.get_name() for task in caught.value.tasks] == ["main", "worker"]
    assert message.index("  main: ") < message.index("  worker: ")
    assert "in inner\n          await asyncio.Queue().get()" in message
    assert "queues.py" in message
    assert "awaits <Future pending" in message


def test_a_task_that_awaits_a_task(virtual_loop):
    """The task that is waited for is named."""

    async def never() -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        await asyncio.create_task(never(), name="the slow one")

    with pytest.raises(Deadlock, match=r"awaits the slow one: .*never"):
        virtual_loop.run(main())


def test_async_generators_are_part_of_the_stack(virtual_loop):
    """A frame within an asynchronous generator is shown as well."""

    async def numbers():
        await asyncio.get_running_loop().create_future()
        yield 1

    async def main() -> None:
        async for _ in numbers():
            pass

    with pytest.raises(Deadlock, match="in main"):
        virtual_loop.run(main())
