"""The gradient of a root is the very array that was given as gradient argument."""

# law: VAL-11
import mygrad as mg
import numpy as np

x, g = mg.tensor([1.0, 2.0]), np.array([1.0, 1.0])
x.backward(g)
g[:] = 7.0
assert x.grad.tolist() == [1.0, 1.0], f"writing to the gradient argument made x.grad {x.grad}"
