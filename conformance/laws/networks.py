"""OPT: ordinary networks and loops of training get the gradients that they are to get, step by step."""

from __future__ import annotations

from gradlaws.conformance.language.steps import Apply, Backward, Grad
from gradlaws.conformance.language.training import ClipGrad, OptimizerStep
from gradlaws.conformance.laws.metamorphic import leaves_of
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.networks import adversarial, in_micro_batches, penalized, trained

DOC = "https://docs.pytorch.org/docs/2.13/"
LOOP = DOC + "optim.html (taking an optimization step)"
ACCUMULATION = DOC + "notes/amp_examples.html (gradient accumulation)"
DETACH = DOC + "generated/torch.Tensor.detach.html"
PENALTY = DOC + "notes/amp_examples.html (gradient penalty)"
#: The ops without which none of them can be said.
LAYERS = ("linear", "mse_loss")


def followed(t: Trial) -> None:
    """Assert all values, gradients of leaves and updates of a network."""
    leaves = set(leaves_of(t))
    for at in t.succeeded(Apply):
        for var in at.step.outs:
            t.value(at, var)
    for at in t.succeeded(Backward, ClipGrad, Grad):
        for var in leaves.intersection(at.got.seen):
            t.grad(at, var)
    for at in t.succeeded(OptimizerStep):
        for var in at.step.parameters:
            t.value(at, var)


@law(
    "OPT-14",
    LOOP,
    trained,
    needs=("optimizer", *LAYERS, "tanh"),
    after=("VAL-01", "OPT-06"),
    thrift=4,
    stored=False,
)
def networks_are_trained_as_their_layers_say(t: Trial) -> None:
    """A step of training a perceptron, a convolutional, recurrent, tied, residual or attending network is right."""
    followed(t)


@law(
    "OPT-15",
    ACCUMULATION,
    in_micro_batches,
    needs=("optimizer", *LAYERS, "mul_scalar"),
    after=("ACC-01", "OPT-06"),
    thrift=4,
    stored=False,
)
def losses_of_micro_batches_accumulate(t: Trial) -> None:
    """Losses of several batches, divided by their number, add up in .grad until the optimizer steps and resets."""
    followed(t)


@law(
    "OPT-16",
    DETACH,
    adversarial,
    needs=("optimizer", "detach", *LAYERS, "tanh"),
    after=("DET-02", "OPT-06"),
    thrift=4,
    stored=False,
)
def two_networks_learn_from_each_other(t: Trial) -> None:
    """Of two networks with an optimizer each, one that learns from detached results leaves the other one alone."""
    followed(t)


@law(
    "OPT-17",
    PENALTY,
    penalized,
    needs=("autograd_grad", "create_graph", "mm", "tanh", "mul", "sum", "add"),
    after=("HO-14",),
    thrift=4,
    stored=False,
)
def gradients_can_be_penalized(t: Trial) -> None:
    """A loss to which the size of its gradient by the data is added has the gradient of both."""
    followed(t)
