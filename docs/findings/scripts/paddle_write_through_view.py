"""A write to a view changes the value of its base, but not the gradient."""

# law: INP-08
import paddle

x = paddle.to_tensor([1.0, 2.0], stop_gradient=False)
y = x - 1.0
y.unsqueeze(0).zero_()
y.sum().backward()
assert x.grad is None or x.grad.tolist() == [0.0, 0.0], (
    f"y is {y.tolist()} whatever x is, x.grad {x.grad.tolist()}"
)
