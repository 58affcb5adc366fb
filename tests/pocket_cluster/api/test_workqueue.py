"""The work queue hands out each key once at a time and tries again what fails."""

import asyncio

from eventually import DEADLINE_SECONDS

from pocket_cluster.api.workqueue import WorkQueue, run_workers


def test_a_key_added_twice_is_handed_out_once() -> None:
    async def scenario() -> None:
        queue = WorkQueue()
        queue.add("a")
        queue.add("a")
        queue.add("b")
        assert [await queue.get(), await queue.get()] == ["a", "b"]

    asyncio.run(scenario())


def test_a_key_added_while_it_is_worked_on_comes_again_only_afterwards() -> None:
    async def scenario() -> None:
        queue = WorkQueue()
        queue.add("a")
        await queue.get()
        queue.add("a")
        queue.add("b")
        assert await queue.get() == "b"
        queue.done("a")
        assert await asyncio.wait_for(queue.get(), DEADLINE_SECONDS) == "a"

    asyncio.run(scenario())


def test_the_earliest_of_several_delays_counts() -> None:
    async def scenario() -> None:
        queue = WorkQueue()
        queue.add_after("a", 60)
        queue.add_after("a", 0.01)
        assert await asyncio.wait_for(queue.get(), DEADLINE_SECONDS) == "a"

    asyncio.run(scenario())


def test_failing_work_is_tried_again_until_it_succeeds_and_two_workers_never_share_a_key() -> None:
    async def scenario() -> None:
        queue, tries, at_work, finished = WorkQueue(), [0], set[str](), asyncio.Event()

        async def reconcile(key: str) -> None:
            assert key not in at_work
            at_work.add(key)
            await asyncio.sleep(0)
            at_work.discard(key)
            tries[0] += 1
            if tries[0] < 4:
                queue.add(key)
                raise ValueError("not yet")
            finished.set()

        workers = asyncio.create_task(run_workers(queue, reconcile, 2, "test"))
        queue.add("a")
        await asyncio.wait_for(finished.wait(), DEADLINE_SECONDS)
        workers.cancel()

    asyncio.run(scenario())
