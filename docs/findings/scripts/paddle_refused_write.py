"""An in-place op on a leaf that needs a gradient is refused, but has been carried out by then."""

# law: INP-01
import paddle

x = paddle.to_tensor([1.0, 1.0], stop_gradient=False)
try:
    x.exp_()
except Exception:
    pass
assert x.tolist() == [1.0, 1.0], f"after the refused x.exp_() x is {x.tolist()}"
