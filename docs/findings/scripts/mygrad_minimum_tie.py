"""The smaller of a number and itself has the gradient zero, which no subgradient of it is."""

# law: VAL-06
import mygrad as mg

x = mg.tensor([3.0])
mg.minimum(x, x).backward()
assert x.grad.tolist() == [1.0], f"the derivative of min(x, x) is {x.grad}, not 1"
