"""What drawn tensors contain: small tables of numbers, looked up by random bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Well-conditioned dyadic numbers, 0, 1, -1 and 2 more often than the rest: ties and kinks occur on purpose,
#: + - * and sums stay exact in floating point, and messages stay short.
_COMMON = [0.0, 1.0, -1.0, 2.0] * 14
VALUES: npt.NDArray[np.float64] = np.array(
    (_COMMON + [k / 8 for k in range(-16, 17)] * 7)[:256], dtype=np.float64
)
#: The same without 0: for positions that must not vanish.
NONZERO: npt.NDArray[np.float64] = np.where(VALUES == 0, 0.5, VALUES)
