"""A tensor of another shape can be assigned to .grad, and the next backward fails over it."""

# law: SET-03
import os

os.environ.setdefault("DEV", "PYTHON")
from tinygrad import Tensor

x = Tensor([1.0, 2.0, 3.0]).realize()
x.grad = Tensor([[1.0], [2.0]])
assert False, f".grad of a tensor of shape (3,) was set to one of shape {x.grad.shape}"
