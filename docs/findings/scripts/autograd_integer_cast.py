"""The gradient flows through a cast to integers, as if rounding were the identity."""

# law: REQ-07
import autograd.numpy as np
from autograd import grad

slope = grad(lambda x: np.sum(x * x.astype("int64")))(np.array([1.5, 2.5]))
assert slope.tolist() == [1.0, 2.0], f"the gradient of x * int(x) is {slope}, not int(x)"
