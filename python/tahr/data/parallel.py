"""Work done ahead of its use: a background thread that fills a queue, and an ordered map over threads."""

from __future__ import annotations

import collections
import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import concurrent.futures

_END = object()


def ahead(make_iterator: Callable[[], Iterator[Any]], size: int) -> Iterator[Any]:
    """The items of `make_iterator()`, up to `size` of them computed in advance by a thread."""
    items: queue.Queue = queue.Queue(maxsize=size)
    stop = threading.Event()

    def put(item: Any) -> bool:
        while not stop.is_set():
            try:
                items.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in make_iterator():
                if not put((item, None)):
                    return
            put((_END, None))
        except BaseException as error:  # handed to the consumer, whatever it is
            put((_END, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            item, error = items.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stop.set()


def ordered_map(
    function: Callable[[Any], Any], items: Iterable[Any], executor: concurrent.futures.Executor, size: int
) -> Iterator[Any]:
    """`map(function, items)` with `size` calls in flight on `executor`, which is shut down at the end."""
    pending: collections.deque[concurrent.futures.Future] = collections.deque()
    rest = iter(items)
    try:
        for item in itertools.islice(rest, size):
            pending.append(executor.submit(function, item))
        while pending:
            yield pending.popleft().result()
            for item in itertools.islice(rest, 1):
                pending.append(executor.submit(function, item))
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def thread_pool(workers: int) -> concurrent.futures.Executor:
    """A pool of threads. Its module is imported when somebody needs it: it takes longer than the rest of this package."""
    import concurrent.futures

    return concurrent.futures.ThreadPoolExecutor(workers)
