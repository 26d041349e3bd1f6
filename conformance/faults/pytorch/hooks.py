"""PyTorch whose hooks run in another order, or count otherwise."""

from __future__ import annotations

import warnings
from typing import Any

from gradlaws.conformance.faults.pytorch.alteration import altered, mended, read_as


@altered("HOOK-06", of="utils.hooks.RemovableHandle.__exit__")
def blocks_of_handles_remove_nothing(torch: Any, original: Any) -> Any:
    """The end of a handle's block leaves the hook."""
    return lambda *args: None


@altered("HOOK-12", of="Tensor.register_hook")
def hooks_are_called_last_first(torch: Any, original: Any) -> Any:
    """Of hooks on one tensor the last that was registered is called first."""

    def register_hook(x: Any, hook: Any) -> Any:
        known = getattr(x, "_hooks_so_far", None)
        if known is None:
            known = x._hooks_so_far = []
            original(x, lambda grad: [call(grad) for call in known[::-1]] and None)
        known.append(hook)

    return register_hook


@mended("RET-18", of="Tensor.retain_grad")
def retained_gradients_are_taken_by_a_hook_on_the_node(torch: Any, original: Any) -> Any:
    """A retained gradient is what a hook after the node is shown."""

    def retain_grad(x: Any) -> None:
        def put(incoming: Any, outgoing: Any) -> None:
            x.grad = outgoing[0].clone()

        x.grad_fn.register_hook(put)

    return retain_grad


@altered("HOOK-15", of="Tensor.register_hook")
def hooks_are_shown_a_copy(torch: Any, original: Any) -> Any:
    """A hook is shown a copy of the gradient."""
    return lambda x, hook: original(x, lambda grad: hook(grad.clone()))


@altered("HOOK-19", of="Tensor.register_post_accumulate_grad_hook")
def what_hooks_return_is_ignored(torch: Any, original: Any) -> Any:
    """What a hook after accumulation returns is ignored."""
    return lambda x, hook: original(x, lambda leaf: hook(leaf) and None if hook else None)


@altered("HOOK-21", of="autograd.graph.register_multi_grad_hook")
def one_hook_for_each_tensor(torch: Any, original: Any) -> Any:
    """A hook on several tensors is called for each gradient, with None for the others."""

    def register(tensors: Any, hook: Any, *, mode: str = "all") -> Any:
        def alone(number: int) -> Any:
            return lambda grad: hook([grad if k == number else None for k in range(len(tensors))])

        handles = [x.register_hook(alone(number)) for number, x in enumerate(tensors)]
        return torch.autograd.graph._MultiHandle(tuple(handles))

    return register


@altered("HOOK-22", of="autograd.graph.register_multi_grad_hook")
def any_is_each(torch: Any, original: Any) -> Any:
    """With mode="any" the hook is called with each of the gradients."""
    return lambda tensors, hook, *, mode="all": [x.register_hook(hook) for x in tensors]


@altered("HOOK-23", of="autograd.graph.register_multi_grad_hook")
def what_such_hooks_return_counts(torch: Any, original: Any) -> Any:
    """What a hook on several tensors returns replaces their gradients."""

    def register(tensors: Any, hook: Any, *, mode: str = "all") -> Any:
        return [
            x.register_hook(lambda grad: hook([grad])[0] if mode == "all" else hook(grad)) for x in tensors
        ]

    return register


@altered("HOOK-24", of="Tensor.grad_fn")
def hooks_on_nodes_only_watch(torch: Any, original: Any) -> Any:
    """What hooks on nodes return is dropped."""

    class Watched:
        def __init__(self, node: Any) -> None:
            self.node = node

        def register_hook(self, hook: Any) -> Any:
            return self.node.register_hook(lambda *grads: hook(*grads) and None)

        def register_prehook(self, hook: Any) -> Any:
            return self.node.register_prehook(lambda *grads: hook(*grads) and None)

    return read_as(original, lambda x, node: node and Watched(node))


@altered("HOOK-25", of="nn.Module.register_full_backward_hook")
def hooks_on_modules_only_watch(torch: Any, original: Any) -> Any:
    """What a full backward hook returns is dropped."""
    return lambda module, hook: original(module, lambda *args: hook(*args) and None)


@altered("RET-06", of="Tensor.grad")
def readers_are_not_warned(torch: Any, original: Any) -> Any:
    """Reading the .grad of a result gives no warning."""

    def read(x: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return original.__get__(x)

    return property(read, original.__set__)


@altered("RET-07", of="Tensor.grad")
def all_readers_are_warned(torch: Any, original: Any) -> Any:
    """Reading any .grad gives a warning."""

    def warned(x: Any, grad: Any) -> Any:
        warnings.warn("a gradient is read", stacklevel=2)
        return grad

    return read_as(original, warned)
