"""Calls in threads of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from threading import Thread


def run_in_threads(calls: Sequence[Callable[[], None]], at_once: bool = True) -> None:
    """Run each call in a new thread, all at once or one after the other; raises what the first of them raised."""
    raised: list[BaseException | None] = [None] * len(calls)

    def caught(k: int, call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:  # it is for whoever waits
            raised[k] = error

    threads = [
        Thread(target=copy_context().run, args=(caught, k, call), daemon=True) for k, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
        if not at_once:
            thread.join()
    for thread in threads:
        thread.join()
    for error in raised:
        if error is not None:
            raise error
