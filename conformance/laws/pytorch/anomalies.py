"""ANOM: anomaly mode, which makes a NaN in a backward an error, and says where its forward was."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.laws.pytorch.scene import AUTOGRAD, Scene, promise

DETECT = f"{AUTOGRAD}#torch.autograd.detect_anomaly"


def spoiled(s: Scene) -> tuple[Any, Any]:
    """(a leaf, a root from which a backward computes a NaN for it)."""
    torch = s.torch
    x = torch.zeros(s.shape(), dtype=torch.float64, requires_grad=True)
    return x, s.pick(
        lambda: (x.sqrt() * 0).sum(), lambda: (x.abs().sqrt() * 0).sum(), lambda: (x / x).sum() * 0
    )()


def mode(s: Scene, **options: Any) -> Any:
    """A block of anomaly mode, by either of its names."""
    return s.pick(
        lambda: s.torch.autograd.detect_anomaly(**options),
        lambda: s.torch.autograd.set_detect_anomaly(True, **options),
    )()


@promise("ANOM-01", DETECT)
def a_nan_in_a_backward_is_an_error(s: Scene) -> None:
    """In anomaly mode a backward that computes a NaN is an error; outside it is none."""
    _, root = spoiled(s)
    with mode(s):
        s.refused("a backward that computes a NaN", lambda: root.backward(retain_graph=True))
    s.allowed("the same after the block", root.backward)


@promise("ANOM-02", DETECT)
def nan_may_be_left_unchecked(s: Scene) -> None:
    """In anomaly mode with check_nan=False a NaN is no error, and gradients are as without the mode."""
    x, root = spoiled(s)
    (want,) = s.torch.autograd.grad(root, x, retain_graph=True)
    with mode(s, check_nan=False):
        s.allowed("a backward that computes a NaN, with check_nan=False", root.backward)
    s.equal("where x.grad is NaN", x.grad.isnan().tolist(), want.isnan().tolist())


@promise("ANOM-03", DETECT)
def infinity_is_no_anomaly(s: Scene) -> None:
    """In anomaly mode a backward that computes an infinity is no error."""
    torch = s.torch
    x = torch.zeros(s.shape(), dtype=torch.float64, requires_grad=True)
    root = s.pick(x.sqrt, x.log, lambda: 1 / x)().sum()
    with mode(s):
        s.allowed("a backward that computes an infinity", root.backward)
    s.claim(bool(x.grad.isinf().all()), "x.grad", x.grad.tolist(), "infinities")


@promise("ANOM-04", DETECT)
def a_failing_backward_is_told_with_its_forward(s: Scene) -> None:
    """In anomaly mode a backward that fails warns with the traceback of the forward that made the op."""
    with mode(s):
        _, root = spoiled(s)

        def fail() -> None:
            try:
                root.backward()
            except RuntimeError:
                return

        s.warns("a backward that fails", fail, "Traceback of forward call that caused the error")


@promise("ANOM-05", DETECT)
def anomaly_mode_changes_no_gradient(s: Scene) -> None:
    """Where no backward fails, gradients in anomaly mode are those without it, second ones too."""
    torch = s.torch
    x = s.leaf()
    function = s.pick(torch.sin, torch.square, torch.log1p, torch.tanh)

    def derivatives() -> list[Any]:
        (first,) = torch.autograd.grad(function(x * 2).sum(), x, create_graph=True)
        return [first, *torch.autograd.grad(first.sum(), x)]

    want = derivatives()
    with mode(s):
        got = derivatives()
    for order, a, b in zip(("first", "second"), got, want, strict=True):
        s.same(f"the {order} derivative", a, b)
