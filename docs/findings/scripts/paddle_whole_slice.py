"""A slice of the whole is no tensor of its own: it shows the .grad of what it was taken from."""

# law: NONE-08
import paddle

x = paddle.to_tensor([1.0, 2.0], stop_gradient=False)
y = x[0:]
x.backward(paddle.ones([2]))
assert y.grad is None, f"y = x[0:] is not in the graph of x.backward(), and yet y.grad is {y.grad.tolist()}"
