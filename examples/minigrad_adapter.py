"""The adapter that the README shows."""

import minigrad

from gradlaws import Backend


class MinigradBackend(Backend):
    """Five required methods; everything else is a capability, claimed by overriding."""

    name = "minigrad"

    def ops(self):
        return ["add", "mul", "sum"]

    def accepts(self, op, **params):
        return op != "sum" or (params["dim"] is None and not params["keepdim"])

    def tensor(self, array, requires_grad=False):
        return minigrad.Tensor(array, requires_grad)

    def numpy(self, x):
        return x.data.copy()

    def apply(self, op, *inputs, **params):
        return {"add": minigrad.add, "mul": minigrad.mul, "sum": minigrad.total}[op](*inputs)

    def backward(self, root, gradient=None):
        root.backward(None if gradient is None else gradient.data.copy())

    def grad(self, x):
        return None if x.grad is None else minigrad.Tensor(x.grad)

    def requires_grad(self, x):
        return x.requires_grad
