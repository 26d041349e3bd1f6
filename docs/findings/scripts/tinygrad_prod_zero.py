"""The gradient of a product with a zero among its factors is NaN (0.13.0; mended in 0.14.0)."""

# law: VAL-06
# link: https://github.com/tinygrad/tinygrad/pull/17404
# fixed: 0.14.0
import os

os.environ.setdefault("DEV", "PYTHON")
from tinygrad import Tensor

x = Tensor([0.0, 2.0, 3.0])
x.prod().backward()
assert x.grad.tolist() == [6.0, 0.0, 0.0], f"the gradient of x * y * z at (0, 2, 3) is {x.grad.tolist()}"
