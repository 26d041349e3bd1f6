"""PyTorch whose backward minds which thread it is in."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gradlaws.conformance.faults.pytorch.alteration import altered, read_as


@altered("MT-04", "MT-05", of="autograd.backward")
def only_the_main_thread_goes_backward(torch: Any, original: Any) -> Any:
    """A backward in another thread than the main one is an error."""

    def backward(*args: Any, **given: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("not here")
        original(*args, **given)

    return backward


@altered("MT-07", of="autograd.backward")
def backwards_run_in_a_thread_of_their_own(torch: Any, original: Any) -> Any:
    """Every backward runs in a new thread."""

    def backward(*args: Any, **given: Any) -> None:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(original, *args, **given).result()

    return backward


@altered("MT-08", of="Tensor.grad")
def every_thread_reads_a_view(torch: Any, original: Any) -> Any:
    """Who reads .grad in another thread than the main one gets a view of it."""

    def read(x: Any, grad: Any) -> Any:
        return grad if threading.current_thread() is threading.main_thread() else grad.view_as(grad)

    return read_as(original, read)
