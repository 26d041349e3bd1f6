"""PyTorch whose checkpoints are of another form than asked for, or none."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.faults.pytorch.alteration import altered, mended

WHERE = "utils.checkpoint.checkpoint"


@altered("CKPT-03", "CKPT-04", "CKPT-06", of=WHERE)
def nothing_is_checkpointed(torch: Any, original: Any) -> Any:
    """A checkpointed part is simply called."""
    return lambda part, *args, use_reentrant=None, determinism_check="default", **given: part(*args, **given)


@mended("CKPT-05", of=WHERE)
def the_form_is_required(torch: Any, original: Any) -> Any:
    """Without use_reentrant a checkpoint is an error."""

    def checkpoint(part: Any, *args: Any, use_reentrant: bool, **given: Any) -> Any:
        return original(part, *args, use_reentrant=use_reentrant, **given)

    return checkpoint


@altered("CKPT-07", of=WHERE)
def parts_are_run_twice(torch: Any, original: Any) -> Any:
    """A checkpointed part that is gone through shows each use of a tensor to its hooks twice."""

    def checkpoint(part: Any, *args: Any, **given: Any) -> Any:
        first = original(part, *args, **given)
        return first * 0.5 + original(part, *args, **given) if torch.is_grad_enabled() else first

    return checkpoint


@altered("CKPT-08", of=WHERE)
def parts_run_on_rounded_operands(torch: Any, original: Any) -> Any:
    """A checkpointed part runs again on operands that were kept in half precision."""

    def checkpoint(part: Any, *args: Any, **given: Any) -> Any:
        def rounded(*again: Any, **more: Any) -> Any:
            kept = [t + (t.half().double() - t).detach() if isinstance(t, torch.Tensor) else t for t in again]
            made = part(*kept, **more)
            return (
                made * 1.0000001 if isinstance(made, torch.Tensor) else {k: v * 1.01 for k, v in made.items()}
            )

        return original(rounded, *args, **given)

    return checkpoint
