"""Small networks and loops of training as people write them: layers, losses, optimizers, parts that are shared."""

from __future__ import annotations

from collections.abc import Callable

from gradlaws.conformance.language.steps import Var
from gradlaws.strategies.builder import Builder

#: Draws the loss of a network, as a number, and says what its parameters are.
Network = Callable[[Builder], tuple[Var, tuple[Var, ...]]]


def _weights(b: Builder, *shapes: tuple[int, ...]) -> tuple[Var, ...]:
    return tuple(b.leaf(shape) for shape in shapes)


def _sizes(b: Builder) -> tuple[int, int, int]:
    """(batch, features, hidden)."""
    e = b.entropy
    return 1 + e.below(3), 1 + e.below(3), 1 + e.below(3)


def _loss(b: Builder, predicted: Var) -> Var:
    """How far a prediction is from data."""
    made: Var = b.must("mse_loss", predicted, b.data(b.shape(predicted)))
    return made


def perceptron(b: Builder) -> tuple[Var, tuple[Var, ...]]:
    """Two linear layers with tanh between them."""
    batch, features, hidden = _sizes(b)
    w, bias, out, end = _weights(b, (hidden, features), (hidden,), (2, hidden), (2,))
    inner = b.must("tanh", b.must("linear", b.data((batch, features)), w, bias))
    return _loss(b, b.must("linear", inner, out, end)), (w, bias, out, end)


def convolutional(b: Builder) -> tuple[Var, tuple[Var, ...]]:
    """A convolution, batch norm, tanh, average pooling and a linear layer."""
    w, bias, scale, shift, out, end = _weights(b, (2, 1, 2, 2), (2,), (2,), (2,), (1, 8), (1,))
    made = b.must("conv2d", b.data((2, 1, 5, 5)), w, bias, stride=1, padding=0, dilation=1)
    made = b.must("tanh", b.must("batch_norm", made, scale, shift))
    made = b.must("flatten", b.must("avg_pool2d", made, kernel=(2, 2), stride=2, padding=0), start=1)
    return _loss(b, b.must("linear", made, out, end)), (w, bias, scale, shift, out, end)


def attention(b: Builder) -> tuple[Var, tuple[Var, ...]]:
    """Queries, keys and values of one sequence, the attention between them, and the sequence added."""
    _, width, _ = _sizes(b)
    length = 2 + b.entropy.below(2)
    weights = _weights(b, *[(width, width)] * 3)
    x = b.data((length, width))
    query, key, value = (b.must("mm", x, w) for w in weights)
    scores = b.must("mm", query, b.must("transpose", key, dim0=0, dim1=1))
    mixed = b.must("mm", b.must("softmax", scores, dim=1), value)
    return _loss(b, b.must("add", mixed, x)), weights


def recurrent(b: Builder) -> tuple[Var, tuple[Var, ...]]:
    """One cell over time: its weights are used at each step."""
    batch, features, hidden = _sizes(b)
    w, u, bias = _weights(b, (hidden, features), (hidden, hidden), (hidden,))
    state = b.data((batch, hidden))
    for _ in range(2 + b.entropy.below(2)):
        b.turn()
        fresh = b.must("linear", b.data((batch, features)), w, bias)
        state = b.must("tanh", b.must("add", fresh, b.must("linear", state, u, bias)))
    return _loss(b, state), (w, u, bias)


def tied(b: Builder) -> tuple[Var, tuple[Var, ...]]:
    """An embedding whose weights are those of the output layer, too."""
    words, width = 2 + b.entropy.below(2), 1 + b.entropy.below(3)
    (table,) = _weights(b, (words, width))
    index = [b.entropy.below(words) for _ in range(3)]
    inner = b.must("tanh", b.must("embedding", table, index=index))
    made = b.must("mm", inner, b.must("transpose", table, dim0=0, dim1=1))
    return _loss(b, made), (table,)


def residual(b: Builder) -> tuple[Var, tuple[Var, ...]]:
    """Layer norm, a linear layer and what came in, twice, through the same block."""
    batch, features, _ = _sizes(b)
    features += 1
    w, bias, scale, shift = _weights(b, (features, features), (features,), (features,), (features,))
    x = b.data((batch, features))
    for _ in range(2):
        b.turn()
        normed = b.must("layer_norm", x, scale, shift, size=features)
        x = b.must("add", x, b.must("linear", normed, w, bias))
    return _loss(b, x), (w, bias, scale, shift)


NETWORKS: tuple[Network, ...] = (perceptron, convolutional, attention, recurrent, tied, residual)


def trained(b: Builder) -> None:
    """Two or three steps of training of one network, now and then with a frozen layer, or with clipping."""
    network = NETWORKS[b.number % len(NETWORKS)]
    b.turn()
    loss, parameters = network(b)
    handle = b.optimizer(parameters, lr=0.125)
    b.backward(loss)
    if b.has("clip_grad_norm") and b.entropy.chance(30):
        b.clip(parameters)
    b.optimizer_step(handle)
    b.optimizer_zero_grad(handle, set_to_none=b.entropy.chance(70))


def in_micro_batches(b: Builder) -> None:
    """Losses of several batches are divided by their number and accumulated before a step; then again."""
    batch, features, hidden = _sizes(b)
    w, bias = _weights(b, (hidden, features), (hidden,))
    frozen, parts = b.data((2, hidden)), 2 + 2 * b.entropy.below(2)
    handle = b.optimizer((w, bias), lr=0.125)
    for _ in range(2):
        for _ in range(parts):
            b.turn()
            inner = b.must("linear", b.data((batch, features)), w, bias)
            made = b.must("linear", inner, frozen, b.data((2,)))
            b.backward(b.must("mul_scalar", _loss(b, made), value=1 / parts))
        b.optimizer_step(handle)
        b.optimizer_zero_grad(handle, set_to_none=b.entropy.chance(70))


def adversarial(b: Builder) -> None:
    """Two networks with an optimizer each: one learns from detached results of the other, which learns through it."""
    batch, features, hidden = _sizes(b)
    made, judged = _weights(b, (hidden, features), (hidden,)), _weights(b, (1, hidden), (1,))
    first, second = b.optimizer(made, lr=0.125), b.optimizer(judged, lr=0.125)
    fake = b.must("tanh", b.must("linear", b.data((batch, features)), *made))
    b.turn()
    b.backward(_loss(b, b.must("linear", b.detach(fake), *judged)))
    b.optimizer_step(second)
    b.optimizer_zero_grad(second, set_to_none=True)
    b.turn()
    b.backward(_loss(b, b.must("linear", fake, *judged)))
    b.optimizer_step(first)


def penalized(b: Builder) -> None:
    """A loss with the size of its gradient by the data added, as of critics and of smooth networks."""
    batch, features, hidden = _sizes(b)
    w, out = _weights(b, (features, hidden), (hidden, 1))
    x = b.leaf((batch, features))
    score = b.must("mm", b.must("tanh", b.must("mm", x, w)), out)
    total = b.must("sum", score, dim=None, keepdim=False)
    (slope,) = b.grad((total,), (x,), create_graph=True)
    penalty = b.must("sum", b.must("mul", slope, slope), dim=None, keepdim=False)
    b.backward(b.must("add", total, penalty))
