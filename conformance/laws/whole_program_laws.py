"""Laws that only whole programs judge: what retained gradients are where others are asked for.

Where a law has a trial of its own (`gradlaws.conformance.laws`), its sentence there is the one that counts.
"""

from __future__ import annotations

from gradlaws.conformance.laws import LAWS, EngineBroke

_DOC = "https://docs.pytorch.org/docs/2.13/"
_GRAD = _DOC + "generated/torch.autograd.grad.html"

#: Law id to (sentence, source).
PROMISES: dict[str, tuple[str, str]] = {
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
