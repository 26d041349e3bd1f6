"""All gradients of a sum, and the gradient argument, are one buffer, and the next backward adds to it in place."""

# law: VAL-12
# link: https://github.com/tinygrad/tinygrad/pull/13674
import os

os.environ.setdefault("DEV", "PYTHON")  # needs no compiler; the result does not depend on it
from tinygrad import Tensor

a, b, g = (Tensor(v).realize() for v in ([1.0, 2.0], [3.0, 4.0], [1.0, 1.0]))
(a + b).backward(g)
(a * 3).backward(g)
assert a.grad.tolist() == [4.0, 4.0]
assert g.tolist() == [1.0, 1.0], (
    f"the gradient argument has become {g.tolist()}, and b.grad {b.grad.tolist()}"
)
