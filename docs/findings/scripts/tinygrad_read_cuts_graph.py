"""Looking at the value of a clone cuts its graph: the gradient is lost without a word."""

# law: VAL-08
import os

os.environ.setdefault("DEV", "PYTHON")
from tinygrad import Tensor

x = Tensor([1.0, 2.0]).realize()
y = x.clone()
y.numpy()
(y * 3).sum().backward()
assert x.grad is not None, "after y.numpy() no gradient goes through y = x.clone()"
