"""MT: backwards in several threads through one graph, and in which thread hooks run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gradlaws.conformance.laws.pytorch.scene import NOTES, TESTS, Scene, promise

RETAINING = f"{NOTES}#graph-retaining"
SAFETY = f"{NOTES}#thread-safety-on-autograd-node"
MULTITHREADED = f"{NOTES}#multithreaded-autograd"


def at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """What these return in a thread each, all started together, or the error that they raise."""
    together = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        together.wait(10)
        try:
            return work()
        except RuntimeError as error:
            return error

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))


@promise("MT-04", RETAINING)
def of_threads_that_share_a_graph_one_succeeds(s: Scene) -> None:
    """Of threads that go through a shared part of a graph without retain_graph at least one succeeds; the others
    get the error that tells of retain_graph, or succeed too.
    """
    x = s.leaf()
    y = s.torch.square(x)
    roots = [(y * k).sum() for k in range(1, 3 + s.entropy.below(2))]
    found = at_once([root.backward for root in roots])
    errors = [str(result) for result in found if result is not None]
    s.claim(len(errors) < len(roots), "how many of the threads succeed", "none", "one or more")
    s.claim(
        all("retain_graph" in error for error in errors),
        "the errors",
        errors,
        "errors that tell of retain_graph",
    )


@promise("MT-05", f"{RETAINING}; {TESTS} test_python_thread_in_middle", undocumented=True)
def threads_that_retain_a_graph_all_succeed(s: Scene) -> None:
    """Threads that go through one graph with retain_graph=True all succeed, and the gradients of all are added up."""
    x = s.leaf()
    root = s.torch.square(x).sum()
    count = 2 + s.entropy.below(4)
    found = at_once([lambda: root.backward(retain_graph=True)] * count)
    s.equal("the results", found, [None] * count)
    s.same("x.grad", x.grad, (2 * count * x).detach())


@promise("MT-07", MULTITHREADED)
def hooks_run_in_the_thread_that_called_backward(s: Scene) -> None:
    """On the CPU a backward, and so its hooks, run in the thread that called it."""
    x = s.leaf()
    y = s.curved(x)
    seen: list[int] = []
    place = s.pick(x, y)
    place.register_hook(lambda grad: seen.append(threading.get_ident()))

    def backward() -> int:
        y.sum().backward()
        return threading.get_ident()

    called = s.elsewhere(backward) if s.chance() else backward()
    s.equal("the thread of the hook", seen, [called])


@promise("MT-08", f"{SAFETY}; {TESTS} test_grad_thread_safety")
def a_gradient_may_be_read_by_several_threads(s: Scene) -> None:
    """Threads that read .grad at once all get the same tensor."""
    x = s.leaf()
    s.curved(x).sum().backward()
    found = at_once([lambda: x.grad] * (2 + s.entropy.below(3)))
    s.claim(all(grad is x.grad for grad in found), "what threads read", "several tensors", "one tensor")
