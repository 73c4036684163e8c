"""Parallel work on many items with bounded memory."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_parallel(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Yields results as they are ready; `workers` items are in work and as many again queued: memory is bounded.

    After a failure no further item is started; those in work finish first, so that nothing already paid for is lost.
    """
    with ThreadPoolExecutor(workers) as pool:
        pending: set[Future[Result]] = set()
        try:
            for item in items:
                if len(pending) >= 2 * workers:
                    ready, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in ready)
                pending.add(pool.submit(work, item))
            yield from (future.result() for future in pending)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
