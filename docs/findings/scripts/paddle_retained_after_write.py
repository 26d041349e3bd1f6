"""After an assignment to an item the retained gradient is that of the value before."""

# law: RET-13
import paddle

x, w = paddle.to_tensor([1.0, 1.0], stop_gradient=False), paddle.to_tensor(5.0, stop_gradient=False)
y = x * 2.0
y.retain_grads()
y[1] = w
y.sum().backward()
assert y.grad.tolist() == [1.0, 1.0], f"the gradient of y in y.sum() is {y.grad.tolist()}, not [1, 1]"
