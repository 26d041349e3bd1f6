"""PyTorch whose anomaly mode sees less, or more."""

from __future__ import annotations

import warnings
from typing import Any

from gradlaws.conformance.faults.pytorch.alteration import altered

ENGINE = "autograd._engine_run_backward"


@altered("ANOM-01", of=ENGINE)
def nan_is_never_told(torch: Any, original: Any) -> Any:
    """Anomaly mode does not look for NaN."""

    def run(*args: Any, **given: Any) -> Any:
        enabled = torch.is_anomaly_enabled()
        torch.set_anomaly_enabled(False)
        try:
            return original(*args, **given)
        finally:
            torch.set_anomaly_enabled(enabled)

    return run


@altered("ANOM-02", of="set_anomaly_enabled")
def nan_is_always_looked_for(torch: Any, original: Any) -> Any:
    """check_nan=False is ignored."""
    return lambda enabled, check_nan=True: original(enabled, True)


@altered("ANOM-03", "ANOM-05", of=ENGINE)
def large_numbers_are_anomalies(torch: Any, original: Any) -> Any:
    """In anomaly mode infinities are an error, and gradients are rounded to single precision."""

    def run(roots: Any, *args: Any, **given: Any) -> Any:
        found = original(roots, *args, **given)
        if not torch.is_anomaly_enabled():
            return found
        if not found:
            raise RuntimeError("infinite")
        return tuple(g + (g.float().double() - g).detach() + 1e-9 for g in found)

    return run


@altered("ANOM-04", of=ENGINE)
def failures_are_not_explained(torch: Any, original: Any) -> Any:
    """A backward that fails in anomaly mode gives no warning."""

    def run(*args: Any, **given: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return original(*args, **given)

    return run
