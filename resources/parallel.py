"""Work on many items at once, bounded."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Results as they are ready; at most `workers` items are worked on, and as many again wait (law 9).

    After a failure no further item is begun; those under way end first, so what they paid for is kept.
    """
    with ThreadPoolExecutor(workers) as pool:
        under_way: set[Future[Result]] = set()
        try:
            for item in items:
                if len(under_way) >= 2 * workers:
                    ready, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in ready)
                under_way.add(pool.submit(work, item))
            yield from (future.result() for future in under_way)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
