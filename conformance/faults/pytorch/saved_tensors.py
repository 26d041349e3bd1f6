"""PyTorch that saves otherwise, or hooks on saved tensors that are called otherwise."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.faults.pytorch.alteration import altered, mended, told, tolerant

HOOKS = "autograd.graph.saved_tensors_hooks"


@altered("SAV-01", of=f"{HOOKS}.__enter__")
def hooks_pack_nothing(torch: Any, original: Any) -> Any:
    """Hooks on saved tensors are not called."""
    return lambda self: torch._C._autograd._push_saved_tensors_default_hooks(
        lambda t: t.detach(), lambda t: t
    )


@altered("SAV-02", "SAV-06", of=f"{HOOKS}.__enter__")
def hooks_only_watch(torch: Any, original: Any) -> Any:
    """Hooks on saved tensors are called, and what they return is dropped."""

    def enter(self: Any) -> None:
        def pack(t: Any) -> Any:
            self.pack_hook(t.detach().clone())
            return t.detach()

        def unpack(t: Any) -> Any:
            self.unpack_hook(t)
            return t

        torch._C._autograd._push_saved_tensors_default_hooks(pack, unpack)

    return enter


@altered("SAV-03", of=f"{HOOKS}.__enter__")
def packed_tensors_lose_precision(torch: Any, original: Any) -> Any:
    """What hooks pack and unpack is rounded to half precision."""

    def enter(self: Any) -> None:
        def unpack(held: Any) -> Any:
            return self.unpack_hook(held).half().double()

        torch._C._autograd._push_saved_tensors_default_hooks(self.pack_hook, unpack)

    return enter


@altered("SAV-04", of=f"{HOOKS}.__enter__")
def all_nested_hooks_pack(torch: Any, original: Any) -> Any:
    """In nested blocks the outer pair packs what the inner pair made of it."""
    stack: list[Any] = []

    def enter(self: Any) -> None:
        outer = stack[-1] if stack else lambda t: t
        stack.append(self.pack_hook)
        torch._C._autograd._push_saved_tensors_default_hooks(
            lambda t: outer(self.pack_hook(t)), self.unpack_hook
        )

    return enter


@altered("SAV-05", of="autograd.graph.threading.Thread.start")
def threads_inherit_hooks(torch: Any, original: Any) -> Any:
    """A new thread begins with the hooks of the thread that started it."""
    spoken = torch._C._autograd

    def start(thread: Any) -> None:
        hooks, run = spoken._top_saved_tensors_default_hooks(False), thread.run
        if hooks is not None:
            thread.run = lambda: (spoken._push_saved_tensors_default_hooks(*hooks), run())
        original(thread)

    return start


@mended("SAV-07", of=f"{HOOKS}.__enter__")
def hooks_keep_the_original_in_sight(torch: Any, original: Any) -> Any:
    """What is unpacked has to be of the version that was packed."""

    def enter(self: Any) -> None:
        def pack(t: Any) -> Any:
            return t.detach(), t._version, self.pack_hook(t)

        def unpack(held: Any) -> Any:
            alias, version, packed = held
            if alias._version != version:
                raise RuntimeError("modified by an inplace operation")
            return self.unpack_hook(packed)

        torch._C._autograd._push_saved_tensors_default_hooks(pack, unpack)

    return enter


@altered("SAV-08", of=f"{HOOKS}.__enter__")
def hooks_are_never_forbidden(torch: Any, original: Any) -> Any:
    """Hooks where they are forbidden do nothing."""
    return tolerant(original)


@altered("LIFE-04", of="autograd.backward")
def every_second_backward_is_empty(torch: Any, original: Any) -> Any:
    """The second backward through a graph adds nothing."""
    done: list[Any] = []

    def backward(roots: Any, *args: Any, **given: Any) -> None:
        if any(roots is other for other in done):
            return
        done.append(roots)
        original(roots, *args, **given)

    return backward


@altered("LIFE-05", "LIFE-11", of="autograd.backward")
def graphs_are_retained(torch: Any, original: Any) -> Any:
    """No graph is ever freed."""
    return told(original, retain_graph=True)


@altered("LIFE-07", of="autograd.grad")
def asking_frees_all(torch: Any, original: Any) -> Any:
    """`autograd.grad` frees what lies below its inputs, too."""

    def grad(outputs: Any, inputs: Any, *args: Any, **given: Any) -> Any:
        found = original(outputs, inputs, *args, **given)
        for x in [inputs] if isinstance(inputs, torch.Tensor) else inputs:
            if x.grad_fn is not None:
                waiting = list(x.grad_fn.next_functions)
                leaves = [node.variable for node, _ in waiting if hasattr(node, "variable")]
                original(x.sum(), leaves)
        return found

    return grad


@altered("LIFE-08", of="autograd.backward")
def backwards_are_gone_through_on_a_copy(torch: Any, original: Any) -> Any:
    """A backward frees nothing that can be read from nodes."""
    return told(original, retain_graph=True)


@altered("LIFE-13", of="autograd.Function.apply")
def functions_work_once(torch: Any, original: Any) -> Any:
    """The backward of a user-defined function can be called once."""

    @classmethod  # type: ignore[misc]
    def apply(cls: Any, *args: Any) -> Any:
        made = getattr(original, "__func__", original)(cls, *args)
        calls: list[int] = []

        def count(grads: Any) -> None:
            calls.append(1)
            if len(calls) > 1:
                raise RuntimeError("freed")

        made.grad_fn.register_prehook(count)
        return made

    return apply
