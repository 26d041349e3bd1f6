"""MT: threads. What runs at once, and shares nothing that anybody writes to, is what it is one after the other."""

from __future__ import annotations

from collections.abc import Callable

from gradlaws.conformance.language.steps import Step, Var
from gradlaws.conformance.language.threads import Threads, threads
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder

NOTES = "https://docs.pytorch.org/docs/2.13/notes/autograd.html"
MULTITHREADED = f"{NOTES}#multithreaded-autograd"
RACES = f"{NOTES}#non-determinism"


def in_threads(b: Builder, *works: Callable[[], object]) -> None:
    """What these append to the program, in a thread each."""
    parts: list[tuple[Step, ...]] = []
    first = len(b.steps)
    for work in works:
        b.turn()
        work()
        parts.append(tuple(b.steps[first:]))
        del b.steps[first:]
    b.step(threads(tuple(parts)))


def computed(b: Builder, *starts: Var) -> Var:
    """A number computed from some leaves, by ops that give no views."""
    end = starts[0]
    for other in starts[1:]:
        end = b.binary(end, other)
    for _ in range(1 + b.entropy.below(3)):
        end = b.unary(end, ("exact", "smooth")) if b.entropy.chance(70) else b.binary(end, starts[0])
    return b.total(end)


def apart(b: Builder) -> None:
    """Two or three threads with a graph each; leaves are made there, or before."""

    def trained(x: Var | None) -> None:
        b.backward(computed(b, b.leaf() if x is None else x))

    made = [b.leaf() if b.entropy.chance(60) else None for _ in range(2 + b.entropy.below(2))]
    in_threads(b, *(lambda x=x: trained(x) for x in made))


@law("MT-01", MULTITHREADED, apart, needs=("threads",), after=("VAL-01",), stored=False)
def graphs_of_their_own_do_not_meet(t: Trial) -> None:
    """Threads that run forward and backward through graphs of their own get the gradients that each gets alone."""
    gradients(t)


def gradients(t: Trial) -> None:
    """Assert what threads leave behind: that none raised, values, and all gradients of leaves."""
    for at in t.outcomes(Threads):
        t.allowed(at)
    for at in t.succeeded(Threads):
        for var in at.step.outs:
            if var in at.got.seen and var in at.want.seen:
                t.value(at, var)
        for var in t.leaves(at):
            t.grad(at, var)


def asked(b: Builder) -> None:
    """Two or three threads that ask for gradients of the same leaves, by graphs of their own."""
    shared = tuple(b.leaf() for _ in range(1 + b.entropy.below(2)))
    if b.entropy.chance(50):
        b.backward(computed(b, *shared))
    in_threads(b, *[lambda: b.grad((computed(b, *shared),), shared) for _ in range(2 + b.entropy.below(2))])


@law("MT-03", RACES, asked, needs=("threads", "autograd_grad"), after=("HO-02", "MT-01"), stored=False)
def gradients_may_be_asked_for_at_once(t: Trial) -> None:
    """`autograd.grad` in several threads over shared leaves gives each what it gets alone, and touches no .grad."""
    gradients(t)


def elsewhere(b: Builder) -> None:
    """Backwards here and in another thread, from graphs over the same leaf."""
    x = b.leaf()
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        if b.entropy.chance(50):
            b.backward(computed(b, x))
        root = computed(b, x) if b.entropy.chance(50) else None
        in_threads(b, lambda root=root: b.backward(computed(b, x) if root is None else root))  # type: ignore[misc]


@law("MT-06", RACES, elsewhere, needs=("threads",), after=("ACC-01", "NONE-06", "MT-01"))
def a_backward_elsewhere_adds_to_the_same_gradient(t: Trial) -> None:
    """A backward in another thread adds to the .grad that every thread sees."""
    gradients(t)
