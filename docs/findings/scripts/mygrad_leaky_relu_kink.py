"""At 0 leaky_relu has the gradient 0, which lies outside of its slopes on either side."""

# law: REQ-09
import mygrad as mg
from mygrad.nnet import leaky_relu

x = mg.tensor([0.0])
leaky_relu(x, 0.125).backward()
assert 0.125 <= x.grad.item() <= 1.0, f"the gradient of leaky_relu with slope 0.125 at 0 is {x.grad.item()}"
