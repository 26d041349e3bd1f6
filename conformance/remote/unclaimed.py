"""What a harness does not claim, told in the words of the protocol: the steps and fields that each capability takes."""

from __future__ import annotations

from collections.abc import Iterator

from gradlaws.conformance.engines.backend import CAPABILITIES, Backend
from gradlaws.conformance.engines.capabilities import FEATURES

#: What the harness has to answer to, by capability. What is not here cannot be claimed: it is about single calls.
TAKES: dict[str, str] = {
    "requires_grad": "field `requires_grad` of what is seen, and `grad_requires_grad` where there is a gradient",
    "is_leaf": "field `is_leaf` of what is seen",
    "retains_grad": "field `retains_grad` of what is seen",
    "set_requires_grad": "step RequireGrad",
    "set_grad": "steps SetGrad and ClearGrad",
    "zero_grad": "step ZeroGrad",
    "optimizer": "steps Optimizer, OptimizerStep and OptimizerZeroGrad",
    "clip_grad_norm": "step ClipGrad of kind `norm`",
    "clip_grad_value": "step ClipGrad of kind `value`",
    "retain_grad": "step RetainGrad",
    "detach": "step Detach",
    "detach_inplace": "step DetachInPlace",
    "inplace": "step InPlace, and in-place ops among `ops`",
    "no_grad": "step Mode of kinds `no_grad`, `exit` and `raise`",
    "enable_grad": "step Mode of kind `enable_grad`",
    "is_grad_enabled": "field `recording` of each moment",
    "backward_many": "step Backward with several roots",
    "autograd_grad": "step Grad",
    "grad_roots": "step Grad with several roots",
    "allow_unused": "field `allow_unused` of step Grad, and `nothing` in its moment",
    "materialize_grads": "field `materialize_grads` of step Grad",
    "register_hook": "steps Hook and RemoveHook of kind `tensor`, and `calls` in moments",
    "register_post_accumulate_hook": "step Hook of kind `post_accumulate`",
    "hook_removal": "step RemoveHook",
    "shares_memory": "field `memory` behind the moments",
    "views": "field `together` behind the moments; view ops share memory",
    "user_function": "step ApplyFunction",
    "checkpoint": "step Checkpoint",
    "threads": "step Threads",
    "retain_graph": "field `retain_graph` of step Backward",
    "create_graph": "field `create_graph` of steps Backward and Grad",
    "inputs": "field `inputs` of step Backward",
    "same_object": "the answer to `read twice`, by identity",
    "gradient_argument": "field `gradients` of step Backward, which the engine itself takes",
    "bare_gradient": "`null` for `gradients` of step Backward, where the root has one element",
    "gradient_lists": "field `gradients` of step Backward with several roots, `null` for some of them",
    "order": "roots that are there twice",
    "float64": "dtype float64",
    "float32": "dtype float32",
    "complex": "dtypes complex128 and float64",
    "integer": "dtypes int64 and bool",
    "constants": FEATURES["constants"],
    "ties": FEATURES["ties"],
    "stored": FEATURES["stored"],
}


def unclaimed(backend: Backend) -> Iterator[tuple[str, str]]:
    """(capability, what it takes) of all that a harness may claim and does not."""
    for capability in sorted(CAPABILITIES.keys() - backend.capabilities):
        if capability in TAKES:
            yield capability, TAKES[capability]
