"""MODE: grad modes as PyTorch's classes, functions and decorators, and inference mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gradlaws.conformance.laws.pytorch.scene import DOCS, NOTES, SOURCE, TESTS, Scene, promise

PAGES = f"{DOCS}generated/torch."
NO_GRAD = f"{PAGES}no_grad.html"
SET_GRAD = f"{PAGES}set_grad_enabled.html"
INFERENCE = f"{PAGES}autograd.grad_mode.inference_mode.html"
INFERENCE_NOTE = f"{NOTES}#inference-mode"
CPP_INFERENCE = "https://docs.pytorch.org/cppdocs/notes/inference_mode.html"
POST_ACCUMULATE = f"{PAGES}Tensor.register_post_accumulate_grad_hook.html"


@promise("MODE-07", NO_GRAD)
def views_made_under_no_grad_do_not_require_grad(s: Scene) -> None:
    """In no_grad the result of every computation has requires_grad=False, even where an operand has True: of views
    too.
    """
    x = s.leaf((2, 2))
    what = "a view" if s.chance(60) else "a result"
    views = (lambda: x.view(4), lambda: x.t(), lambda: x[0], lambda: x.expand(2, 2))
    results = (lambda: x * 2, lambda: x.sin(), lambda: x @ x)
    with s.torch.no_grad():
        made = s.pick(*(views if what == "a view" else results))()
    s.claim(not made.requires_grad, f"requires_grad of {what} made under no_grad", made.requires_grad, False)


@promise("MODE-08", SET_GRAD)
def set_grad_enabled_is_a_block_and_a_function(s: Scene) -> None:
    """set_grad_enabled(mode) sets the mode at once; as a block it sets it back at the end, as a function it lasts."""
    torch = s.torch
    mode, before = s.pick(True, False), s.pick(True, False)
    x = s.leaf()
    with torch.no_grad():  # which sets it back in any case
        torch.set_grad_enabled(before)
        with torch.set_grad_enabled(mode):
            s.equal("requires_grad of a result within", s.curved(x).requires_grad, mode)
        s.equal("is_grad_enabled() after the block", torch.is_grad_enabled(), before)
        torch.set_grad_enabled(mode)
        s.equal("is_grad_enabled() after the call", torch.is_grad_enabled(), mode)
        s.equal("requires_grad of a result after the call", s.curved(x).requires_grad, mode)


def modes(s: Scene) -> tuple[Any, bool]:
    """(a drawn mode as a decorator, whether it records)."""
    torch = s.torch
    return s.pick(
        (torch.no_grad(), False),
        (torch.no_grad, False),
        (torch.enable_grad(), True),
        (torch.enable_grad, True),
        (torch.inference_mode(), False),
        (torch.set_grad_enabled(True), True),
    )


@promise("MODE-10", f"{NO_GRAD}; {TESTS} test_set_grad_coroutines")
def modes_decorate_functions_generators_and_coroutines(s: Scene) -> None:
    """Grad modes are decorators, with parentheses and without: of functions, of generators, and of coroutines made of
    generators. The mode is on within, also after a generator was resumed, and not outside.
    """
    torch = s.torch
    decorate, records = modes(s)
    outside = not records
    enabled: Callable[[], bool] = torch.is_grad_enabled

    @decorate
    def function() -> bool:
        return enabled()

    @decorate
    def generator() -> Iterator[bool]:
        for _ in range(3):
            yield enabled()

    with torch.set_grad_enabled(outside):
        s.equal("is_grad_enabled() within a decorated function", function(), records)
        s.equal("is_grad_enabled() after it", enabled(), outside)
        for step in generator():
            s.equal("is_grad_enabled() within a decorated generator", step, records)
            s.equal("is_grad_enabled() while it waits", enabled(), outside)
        s.equal("is_grad_enabled() after it", enabled(), outside)


@promise("MODE-22", NO_GRAD, after=("MODE-10",))
def modes_decorate_async_functions(s: Scene) -> None:
    """A grad mode that decorates an `async def` is on within its body, as in that of any other function."""
    decorate, records = modes(s)

    @decorate
    async def coroutine() -> bool:
        return bool(s.torch.is_grad_enabled())

    with s.torch.set_grad_enabled(not records):
        made = coroutine()
        try:
            made.send(None)
        except StopIteration as end:  # as an event loop runs it
            s.claim(
                end.value is records, "is_grad_enabled() within a decorated coroutine", end.value, records
            )


@promise("MODE-12", f"{POST_ACCUMULATE}; {DOCS}generated/torch.autograd.backward.html")
def a_backward_records_where_a_graph_is_created(s: Scene) -> None:
    """Recording is off while a backward runs, as hooks can see, and on with create_graph=True."""
    torch = s.torch
    x = s.leaf()
    y = s.curved(x)
    create = s.chance()
    seen: list[bool] = []
    place = s.pick(x, y)
    place.register_hook(lambda grad: seen.append(torch.is_grad_enabled()))
    y.sum().backward(create_graph=create)
    s.equal("is_grad_enabled() in a hook", seen, [create])
    x.grad = None


@promise("MODE-13", f"{SOURCE}/csrc/autograd/engine.cpp and observed", undocumented=True)
def create_graph_records_within_no_grad(s: Scene) -> None:
    """create_graph=True records what a backward does, also where that is called within no_grad."""
    x = s.leaf()
    y = (x * x * x).sum()
    with s.torch.no_grad():
        (first,) = s.torch.autograd.grad(y, x, create_graph=True)
    s.equal("requires_grad of the gradient", first.requires_grad, True)
    (second,) = s.torch.autograd.grad(first.sum(), x)
    s.close("the second derivative", second, (6 * x).detach())


# -- inference mode -------------------------------------------------------------------------------------------


def inferred(s: Scene) -> Any:
    """A tensor that was made in inference mode."""
    with s.torch.inference_mode():
        return s.pick(lambda: s.tensor((2,)), lambda: s.tensor((2,)) * 2)()


@promise("MODE-14", f"{INFERENCE}, {PAGES}Tensor.is_inference.html")
def tensors_of_inference_mode_have_no_version(s: Scene) -> None:
    """A tensor that is allocated in inference mode is an inference tensor, without a version counter; others are
    not.
    """
    made = inferred(s)
    s.equal("is_inference() of a tensor made in inference mode", made.is_inference(), True)
    s.refused("its version", lambda: made._version)
    other = s.tensor()
    with s.torch.inference_mode():
        view = other.view(-1)
    s.equal("is_inference() of a view of a tensor from outside", view.is_inference(), False)
    s.equal("is_inference() of a tensor made outside", s.tensor().is_inference(), False)


@promise("MODE-15", INFERENCE_NOTE)
def tensors_of_inference_mode_cannot_be_saved(s: Scene) -> None:
    """A tensor of inference mode that an op would save for a backward is an error."""
    made, x = inferred(s), s.leaf((2,))
    s.refused(
        "a product with a tensor of inference mode", lambda: s.pick(lambda: x * made, lambda: made * x)()
    )
    s.allowed("a product of them outside of any graph", lambda: made * made)


@promise("MODE-16", f"{INFERENCE_NOTE}; {TESTS} test_mix_inference_and_normal_tensor_functional_op")
def tensors_of_inference_mode_are_not_recorded(s: Scene) -> None:
    """Tensors of inference mode cannot be used in computations that autograd records after leaving inference mode.

    So says the note on inference mode; its text on saving says that they cannot be saved, and ops that save nothing
    take them. By either reading no gradient is wrong: such an op is an error, or its gradient is right.
    """
    made, x = inferred(s), s.leaf((2,))
    v = s.tensor((2,))
    try:
        y = s.pick(lambda: x + made, lambda: x - made, lambda: made + x)()
    except RuntimeError:
        s.claim(True, "an error")
        return
    y.backward(v)
    s.same("x.grad", x.grad, v)


@promise("MODE-17", CPP_INFERENCE)
def tensors_of_inference_mode_stay_as_they_are(s: Scene) -> None:
    """Outside of inference mode its tensors cannot be written to in place, nor made to require grad; their clones
    can.
    """
    made = inferred(s)
    s.refused(
        "writing to a tensor of inference mode", lambda: s.pick(lambda: made.add_(1), lambda: made.mul_(2))()
    )
    s.refused("requires_grad_() of one", made.requires_grad_)
    clone = made.clone()
    s.equal("is_inference() of a clone", clone.is_inference(), False)
    s.allowed("writing to a clone", lambda: clone.add_(1).requires_grad_())
    with s.torch.inference_mode():
        s.allowed("writing to one within", lambda: made.add_(1))


@promise("MODE-18", f"{TESTS} test_inference_mode_context_manager", undocumented=True)
def enable_grad_does_not_record_in_inference_mode(s: Scene) -> None:
    """enable_grad within inference_mode records nothing; inference_mode(False) does, and so it is after the block."""
    torch = s.torch
    x = s.leaf()
    with torch.inference_mode():
        with torch.enable_grad():
            s.equal("requires_grad under enable_grad in inference mode", s.curved(x).requires_grad, False)
        with torch.inference_mode(False):
            s.equal("requires_grad under inference_mode(False)", s.curved(x).requires_grad, True)
            s.equal("is_inference_mode_enabled()", torch.is_inference_mode_enabled(), False)
        s.equal("is_inference_mode_enabled() after that", torch.is_inference_mode_enabled(), True)
    s.equal("requires_grad after inference mode", s.curved(x).requires_grad, True)


@promise("MODE-19", f"{CPP_INFERENCE} and observed", undocumented=True)
def gradients_made_in_inference_mode_stay_as_they_are(s: Scene) -> None:
    """A backward in inference mode leaves a .grad of inference mode, to which none outside can add."""
    x = s.leaf()
    first, second = s.curved(x).sum(), s.curved(x).sum()
    with s.torch.inference_mode():
        first.backward()
    s.equal("is_inference() of x.grad", x.grad.is_inference(), True)
    s.refused("another backward outside", second.backward)
