"""A hook that was registered after retain_grads() changes what flows on, but not what is retained."""

# law: RET-17
import paddle

x = paddle.to_tensor([1.0, 1.0], stop_gradient=False)
y = x * 1.0
y.retain_grads()
y.register_hook(lambda g: 2 * g)
y.sum().backward()
assert y.grad.tolist() == x.grad.tolist(), (
    f"y.grad is {y.grad.tolist()}, and through y flowed {x.grad.tolist()}"
)
