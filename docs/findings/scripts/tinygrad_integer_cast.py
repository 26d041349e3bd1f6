"""The gradient flows through a cast to integers, as if rounding were the identity."""

# law: REQ-07
import os

os.environ.setdefault("DEV", "PYTHON")
from tinygrad import Tensor

x = Tensor([1.5, 2.5]).realize()
(x * x.cast("int32")).sum().backward()
assert x.grad.tolist() == [1.0, 2.0], f"the gradient of x * int(x) is {x.grad.tolist()}, not int(x)"
