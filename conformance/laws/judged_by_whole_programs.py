"""Laws that only whole programs judge: hooks, and what retained gradients are.

Where a law has a trial of its own (`gradlaws.conformance.laws`), its sentence there is the one that counts.
"""

from __future__ import annotations

from gradlaws.conformance.laws import LAWS, EngineBroke

_DOC = "https://docs.pytorch.org/docs/2.13/"
_HOOK = _DOC + "generated/torch.Tensor.register_hook.html"
_AFTER = _DOC + "generated/torch.Tensor.register_post_accumulate_grad_hook.html"
_NOTES = _DOC + "notes/autograd.html#backward-hooks-execution"
_GRAD = _DOC + "generated/torch.autograd.grad.html"

#: Law id to (sentence, source).
PROMISES: dict[str, tuple[str, str]] = {
    "HOOK-01": ("A hook is called each time a gradient with respect to its tensor is computed.", _HOOK),
    "HOOK-02": ("A hook is called once per backward, with the sum over all uses of its tensor.", _HOOK),
    "HOOK-03": ("What a hook returns replaces the gradient from there on; None leaves it.", _HOOK),
    "HOOK-04": ("Hooks on one tensor run in the order of their registration.", _NOTES),
    "HOOK-05": ("A removed hook runs no more; removing it twice is harmless, and the others stay.", _HOOK),
    "HOOK-07": ("A hook on a tensor that does not require grad is an error.", _HOOK),
    "HOOK-08": ("A hook that returns anything but None or a tensor of the same shape and dtype is an error.", _HOOK),
    "HOOK-09": ("An error raised in a hook reaches the caller of backward.", _HOOK),
    "HOOK-10": ("Hooks of the tensors that `autograd.grad` is asked about run, and what they return counts.", _NOTES),
    "HOOK-11": ("Hooks of tensors that the gradients asked for do not need stay silent.", _NOTES),
    "HOOK-13": (
        "Hooks registered before an in-place op see the gradient of the old value, later ones that of the new.",
        _DOC + "notes/autograd.html#behavior-of-tensor-hooks-when-tensor-is-modified-in-place",
    ),
    "HOOK-14": ("A hook on a leaf acts although the graph was recorded before it was registered.", _HOOK),
    "HOOK-16": ("A post-accumulate hook runs once per backward, after .grad was updated.", _AFTER),
    "HOOK-17": ("A post-accumulate hook may clear .grad.", _AFTER),
    "HOOK-18": ("A post-accumulate hook on anything but a leaf that requires grad is an error.", _AFTER),
    "HOOK-20": ("A post-accumulate hook stays silent where nothing is accumulated.", _NOTES),
    "RET-09": (
        "retains_grad is True after retain_grad() only: being listed in inputs= does not switch it on.",
        _DOC + "generated/torch.Tensor.retains_grad.html",
    ),
    "RET-15": ("`autograd.grad` leaves the .grad of tensors that retain theirs as it was.", _GRAD),
    "RET-16": (
        "A backward with inputs= leaves the .grad of all others as it was, of those that retain theirs too.",
        _DOC + "generated/torch.Tensor.backward.html",
    ),
}  # fmt: skip

#: What a list of known failures may name: every law, and what no law speaks of.
LISTABLE = frozenset({*LAWS, *PROMISES, EngineBroke.law})


def promise(law: str) -> tuple[str, str]:
    """(sentence, source) of a law; empty where it is not known."""
    known = LAWS.get(law)
    return (known.sentence, known.source) if known is not None else PROMISES.get(law, ("", ""))
