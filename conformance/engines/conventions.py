"""What an engine does differently on purpose.

An adapter declares its engine's conventions: `dialect = Dialect(intermediates="kept")`. Whatever it does not
name is as in PyTorch. A law is then judged against the declaration: the reference engine speaks the same
dialect, so that an engine that does not do as declared fails, just as one that deviates without saying so.
Values at smooth points, shapes, dtypes and memory of its own are no conventions; no declaration waives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args, get_type_hints

from gradlaws.conformance.ops.kinks import KINKS


class DialectError(ValueError):
    """A declaration names a value that its convention does not have."""


#: Elements of subdifferentials, by op.
Elements = Mapping[str, str] | tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The conventions of an engine; the first value of each is PyTorch's, and the default.

    absent:         what .grad is where no gradient has arrived: `None`, or zeros in every floating-point tensor.
    accumulation:   a backward adds to .grad, or overwrites it.
    bare_root:      without gradient argument a backward starts from a root of one element; from any root,
                    taking ones; or only from a root of no dimensions.
    gradient_shape: a gradient argument has exactly the root's shape, or broadcasts to it.
    gradient_type:  a gradient argument is a tensor, or anything that an array can be made of.
    intermediates:  a non-leaf gets a .grad only if it was told to retain it; or every non-leaf keeps its gradient; or
                    the root alone keeps what it was given, in place of what was there, and no other does.
    untracked_result: what is computed from tensors none of which requires grad is a leaf; or is none, nor is
                    what is computed under no_grad; or it is none, but under no_grad.
    inplace:        an in-place op on a non-leaf is recorded; or it is refused while ops are recorded, where the target
                    requires grad, or wherever anything would have to be recorded.
    mixed_dtypes:   an elementwise op on operands of two dtypes promotes them, or is refused.
    freed:          a second backward through what the first one freed is refused, or right; or it stops there:
                    a backward turns what it went through into leaves, and what else was computed from the same
                    leaves before it may be refused.
    leaf_write:     while ops are recorded, an in-place op on a leaf that requires grad is refused; or it is recorded,
                    and the leaf becomes a non-leaf.
    use:            an op leaves the .grad of its operands alone, or clears it.
    untracked_root: a backward from a tensor that does not require grad is refused, or does nothing.
    returns:        a backward returns None, or something else.
    complex_gradient: the gradient of a complex tensor is the direction of steepest ascent of a real result, or the
                    conjugate of that; and so are gradient arguments, and what hooks are shown.
    kinks:          by op, which element of the subdifferential it takes at its kinks, where that is not PyTorch's:
                    `kinks={"relu": "right", "maximum": "first"}`. An op of one operand has the `least` of its one-sided
                    derivatives, the `largest`, the one from the `left` or the `right`, or the `middle` of them; those
                    that tie for an extremum share its gradient (`even`), or the `first` or the `last` has it all.
    """

    absent: Literal["None", "zeros"] = "None"
    accumulation: Literal["adds", "overwrites"] = "adds"
    bare_root: Literal["one element", "any", "0-d"] = "one element"
    gradient_shape: Literal["exact", "broadcasts"] = "exact"
    gradient_type: Literal["tensor", "array"] = "tensor"
    intermediates: Literal["retained", "kept", "root"] = "retained"
    untracked_result: Literal["leaf", "non-leaf", "non-leaf if recorded"] = "leaf"
    inplace: Literal["recorded", "untracked targets", "unrecorded"] = "recorded"
    mixed_dtypes: Literal["promoted", "refused"] = "promoted"
    freed: Literal["refused", "stops"] = "refused"
    leaf_write: Literal["refused", "recorded"] = "refused"
    use: Literal["keeps", "clears"] = "keeps"
    untracked_root: Literal["refused", "nothing"] = "refused"
    returns: Literal["None", "something"] = "None"
    complex_gradient: Literal["steepest ascent", "conjugate"] = "steepest ascent"
    kinks: Elements = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinks", tuple(sorted(dict(self.kinks).items())))
        for op, element in dict(self.kinks).items():
            known = KINKS[op].elements if op in KINKS else ()
            if element not in known:
                there = ", ".join(known or [name for name, kink in KINKS.items() if kink.elements])
                raise DialectError(
                    f"dialect: kinks={{{op!r}: {element!r}}} is no convention; there are {there}"
                )
        for name, values in conventions().items():
            value = getattr(self, name)
            if value not in values:
                raise DialectError(
                    f"dialect: {name}={value!r} is no convention; there are {', '.join(values)}"
                )

    def presupposing(self, law: str) -> tuple[str, ...]:
        """What the law presupposes and the engine does not promise, as `convention=value`."""
        return tuple(
            f"{name}={conventions()[name][0]}"
            for name, value in self.departures.items()
            if law in PRESUPPOSED.get((name, value), ())
        )

    @property
    def departures(self) -> dict[str, str]:
        """The conventions that differ from PyTorch's, with their values."""
        values = {name: getattr(self, name) for name in conventions()}
        chosen = {name: value for name, value in values.items() if value != conventions()[name][0]}
        kinks = {f"kinks of {op}": e for op, e in dict(self.kinks).items() if e != KINKS[op].elements[0]}
        return chosen | kinks

    def only(self, name: str) -> Dialect:
        """PyTorch's dialect, but for one of the departures."""
        op = name.removeprefix("kinks of ")
        return replace(
            PYTORCH, **({"kinks": {op: dict(self.kinks)[op]}} if op != name else {name: getattr(self, name)})
        )

    def touching(self, law: str) -> tuple[str, ...]:
        """The conventions whose declared departures change what this law asserts."""
        return tuple(name for name, value in self.departures.items() if law in touched(name, value))


def touched(name: str, value: str) -> frozenset[str]:
    """The laws of PyTorch that an engine breaks which does as it declares by this deviation."""
    op = name.removeprefix("kinks of ")
    return frozenset({KINKS[op].law}) if op != name else TOUCHED[name, value]


def meaning(name: str, value: str) -> str:
    """What a deviation means, in a sentence for reports; empty for one that is not known."""
    op = name.removeprefix("kinks of ")
    if op == name:
        return MEANING.get((name, value), "")
    return f"at its kinks {op} takes another element of the subdifferential: {value}"


_conventions: dict[str, tuple[str, ...]] = {}


def conventions() -> dict[str, tuple[str, ...]]:
    """Every convention with its values, PyTorch's first."""
    if not _conventions:
        hints = get_type_hints(Dialect)
        names = [field.name for field in fields(Dialect) if field.name != "kinks"]  # those are each op's own
        _conventions.update((name, get_args(hints[name])) for name in names)
    return _conventions


PYTORCH = Dialect()

#: What each deviation means, in a sentence for reports.
MEANING: dict[tuple[str, str], str] = {
    ("absent", "zeros"): ".grad is zeros, not None, where no gradient has arrived",
    ("accumulation", "overwrites"): "a backward overwrites .grad instead of adding to it",
    ("bare_root", "any"): "a backward from several elements needs no gradient argument: ones are taken",
    ("bare_root", "0-d"): "only a root of no dimensions needs no gradient argument",
    ("gradient_shape", "broadcasts"): "a gradient argument of another shape is broadcast to the root's",
    ("gradient_type", "array"): "a gradient argument may be anything that an array can be made of",
    ("intermediates", "kept"): "every non-leaf keeps its gradient, without retain_grad()",
    ("intermediates", "root"): "the root of a backward keeps the gradient argument as its .grad",
    ("untracked_result", "non-leaf"): "what is computed is no leaf, even if it does not require grad",
    ("untracked_result", "non-leaf if recorded"): "what is computed is no leaf, but under no_grad",
    (
        "inplace",
        "untracked targets",
    ): "an in-place op on what requires grad is refused while ops are recorded",
    ("inplace", "unrecorded"): "an in-place op that would have to be recorded is refused",
    ("mixed_dtypes", "refused"): "an op on operands of two dtypes is refused",
    ("freed", "stops"): "a backward turns what it went through into leaves, so that a second one stops there",
    ("leaf_write", "recorded"): "an in-place op on a leaf that requires grad is recorded",
    ("use", "clears"): "an op clears the .grad of its operands",
    ("untracked_root", "nothing"): "a backward from a tensor that does not require grad does nothing",
    ("returns", "something"): "a backward returns something",
    (
        "complex_gradient",
        "conjugate",
    ): "the gradient of a complex tensor is the conjugate of the steepest ascent",
}

#: The laws of PyTorch that an engine breaks which does as declared; tests/test_dialects.py proves it.
TOUCHED: dict[tuple[str, str], frozenset[str]] = {
    key: frozenset(laws.split())
    for key, laws in {
        ("absent", "zeros"): "NONE-01 NONE-02 NONE-06 SET-05 ZERO-02",
        ("accumulation", "overwrites"): """
            ACC-01 ACC-02 ACC-08 ACC-09 INP-03 INP-08 LEAF-12 LIFE-01 LIFE-02 LIFE-03 LIFE-06 LIFE-12 REQ-09 REQ-11
            RET-01 RET-02 RET-04 RET-11 RET-13 RET-14 RET-17 ROOT-15 ROOT-18 SET-08 FUN-20 HO-14""",
        ("bare_root", "any"): "ROOT-01 ROOT-02 ROOT-10",
        ("bare_root", "0-d"): "ROOT-02 ROOT-10 FUN-19 FUN-20",
        ("gradient_shape", "broadcasts"): "ROOT-03",
        ("gradient_type", "array"): "ROOT-11",
        ("intermediates", "kept"): "DET-04 LEAF-06 NONE-06 NONE-08 REQ-15",
        ("intermediates", "root"): "LEAF-06 NONE-06 NONE-08 REQ-15",
        ("untracked_result", "non-leaf"): "DET-06 LEAF-02 LEAF-07 MODE-01",
        ("untracked_result", "non-leaf if recorded"): "DET-06 LEAF-02 LEAF-07",
        ("inplace", "untracked targets"): "INP-08 INP-12 INP-14 INP-17",
        ("inplace", "unrecorded"): "ACC-09 DET-01 INP-08 INP-12 INP-13 INP-14 INP-17",
        ("mixed_dtypes", "refused"): "VAL-04",
        ("freed", "stops"): "INP-08 LIFE-01 LIFE-03 LIFE-06",
        ("leaf_write", "recorded"): "INP-01 INP-02",
        ("use", "clears"): "NONE-02 NONE-06",
        ("untracked_root", "nothing"): "REQ-08 ROOT-07 FUN-20 HO-12",
        ("returns", "something"): "ROOT-13",
        ("complex_gradient", "conjugate"): "CPLX-01 CPLX-02 CPLX-03 CPLX-05 CPLX-06",
    }.items()
}

#: Laws of tensors that were written to while ops were recorded.
_RECORDED_WRITES = frozenset({"INP-05", "INP-06", "INP-11", "META-08", "RET-13", "RET-14"})
#: What can only be put by way of PyTorch's convention, relations between programs above all: UNSUPPORTED elsewhere.
PRESUPPOSED: dict[tuple[str, str], frozenset[str]] = {
    ("accumulation", "overwrites"): frozenset({"META-02", "META-03", "META-09", "META-10"}),
    ("use", "clears"): frozenset({"META-09"}),
    ("inplace", "untracked targets"): _RECORDED_WRITES,
    ("inplace", "unrecorded"): _RECORDED_WRITES | {"LEAF-10"},
    ("mixed_dtypes", "refused"): frozenset({"REQ-07"}),
}
