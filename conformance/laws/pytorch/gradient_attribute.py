"""SET: `.grad` as an attribute of PyTorch's tensors: what may stand there, of which dtype, and what copies take
along.
"""

from __future__ import annotations

import copy
import io
import pickle

from gradlaws.conformance.laws.pytorch.scene import AUTOGRAD, DOCS, SOURCE, TESTS, Scene, promise

TENSOR = f"{DOCS}generated/torch.Tensor.html"
GRAD_DTYPE = f"{DOCS}generated/torch.Tensor.grad_dtype.html"
TENSOR_SOURCE = f"{SOURCE}/_tensor.py"
PARAMETER = f"{DOCS}generated/torch.nn.parameter.Parameter.html"


@promise("REQ-04", AUTOGRAD)
def floating_and_complex_dtypes_may_require_grad(s: Scene) -> None:
    """Tensors of half, bfloat16, single and double precision, complex ones too, may require grad, and get
    gradients.
    """
    torch = s.torch
    name = s.pick("float64", "float32", "bfloat16", "float16", "complex64", "complex128")
    x = s.tensor().to(getattr(torch, name))
    s.allowed(f"requires_grad_() of {name}", lambda: x.requires_grad_())
    (x * 2).backward(torch.ones_like(x))
    s.same("x.grad", x.grad, torch.full_like(x, 2).detach())


@promise("NONE-07", f"{TESTS} test_attribute_deletion", undocumented=True)
def a_gradient_may_be_deleted(s: Scene) -> None:
    """`del x.grad` sets .grad to None, whether there was one or not; the next backward gives a new one."""
    x = s.leaf()
    if s.chance():
        (x * 3).sum().backward()
    del x.grad
    s.same("x.grad after `del x.grad`", x.grad, None)
    (x * 2).sum().backward()
    s.same("x.grad after a backward", x.grad, s.torch.full_like(x, 2).detach())


@promise("SET-06", f"{TESTS} test_grad_assignment", undocumented=True)
def a_tensor_is_not_its_own_gradient(s: Scene) -> None:
    """Assigning a tensor to its own .grad is an error."""
    x = s.leaf() if s.chance() else s.tensor()

    def assign() -> None:
        x.grad = x

    s.refused("`x.grad = x`", assign)
    s.same("x.grad", x.grad, None)


@promise("SET-07", f"{DOCS}generated/torch.Tensor.grad.html and observed", undocumented=True)
def what_needs_no_gradient_may_be_given_one(s: Scene) -> None:
    """A .grad may be assigned to tensors that do not require grad, to integer tensors and to results of ops."""
    torch = s.torch
    x = s.pick(s.tensor(), s.tensor().long(), s.leaf() * 2)
    grad = torch.ones_like(x).detach()

    def assign() -> None:
        x.grad = grad

    s.allowed("`x.grad = ...`", assign)
    s.claim(x.grad is grad, "x.grad", "another tensor", "the tensor that was assigned")


@promise("SET-10", GRAD_DTYPE, "torch.Tensor.grad_dtype")
def gradients_have_the_dtype_asked_for(s: Scene) -> None:
    """A backward casts what arrives at a leaf to its grad_dtype, by default its own; None admits any dtype. It can be
    read of leaves only, and cannot contradict a .grad that is there.
    """
    torch = s.torch
    x = s.leaf(dtype=torch.float32)
    s.equal("x.grad_dtype of a new leaf", x.grad_dtype, torch.float32)
    x.grad_dtype = other = s.pick(torch.float16, torch.float64, torch.bfloat16)
    (x * 2).sum().backward()
    s.same("x.grad", x.grad, torch.full(x.shape, 2, dtype=other))

    def contradict() -> None:
        x.grad_dtype = torch.float32

    s.refused("a grad_dtype other than that of .grad", contradict)
    s.refused("grad_dtype of a result", lambda: (x * 2).grad_dtype)
    free = s.leaf(dtype=torch.float32)
    free.grad_dtype = None
    free.grad = torch.ones(free.shape, dtype=other)
    s.equal("the dtype of a gradient where grad_dtype is None", free.grad.dtype, other)


# -- copies ---------------------------------------------------------------------------------------------------


@promise("NONE-09", f"{TENSOR_SOURCE} __deepcopy__", undocumented=True)
def which_copies_take_the_gradient_along(s: Scene) -> None:
    """Deepcopy of a tensor copies its .grad; deepcopy of a Parameter, copy.copy, pickle and torch.save leave it
    out.
    """
    torch = s.torch
    data = s.tensor()
    x = torch.nn.Parameter(data) if s.chance() else data.requires_grad_()
    (x * 2).sum().backward()

    def saved() -> object:
        place = io.BytesIO()
        torch.save(x, place)
        place.seek(0)
        return torch.load(place, weights_only=False)

    deep = copy.deepcopy(x)
    s.claim(deep is not x and deep.requires_grad, "a deepcopy", deep, "another tensor that requires grad")
    s.same("the .grad of a deepcopy", deep.grad, None if isinstance(x, torch.nn.Parameter) else x.grad)
    s.claim(
        deep.grad is None or deep.grad is not x.grad, "the .grad of a deepcopy", "the same tensor", "a copy"
    )
    name, copied = s.pick(
        ("copy.copy", copy.copy),
        ("pickle", lambda t: pickle.loads(pickle.dumps(t))),
        ("torch.save", lambda t: saved()),
    )
    s.same(f"the .grad of what {name} makes", copied(x).grad, None)


@promise("LEAF-11", f"{TENSOR_SOURCE} __deepcopy__", undocumented=True)
def only_leaves_are_copied_deeply(s: Scene) -> None:
    """Deepcopy is an error on a tensor that an op made from one that requires grad."""
    y = s.curved(s.leaf())
    s.refused("deepcopy of a result", lambda: copy.deepcopy(y))
    s.same("deepcopy of a detached result", copy.deepcopy(y.detach()), y.detach())


@promise("LEAF-08", PARAMETER, undocumented=True)
def a_parameter_is_a_leaf_over_the_same_memory(s: Scene) -> None:
    """Parameter(t) is a new leaf that shares t's memory, and has nothing of t's history."""
    t = s.pick(s.tensor(), s.curved(s.leaf()))
    parameter = s.torch.nn.Parameter(t)
    s.equal("is_leaf of Parameter(t)", parameter.is_leaf, True)
    s.equal("requires_grad of Parameter(t)", parameter.requires_grad, True)
    s.equal("the memory of Parameter(t)", parameter.data_ptr(), t.data_ptr())
    (parameter * 2).sum().backward()
    s.same("its gradient", parameter.grad, s.torch.full_like(t, 2).detach())


@promise("LEAF-09", f"{DOCS}generated/torch.tensor.html")
def torch_tensor_copies_and_keeps_no_history(s: Scene) -> None:
    """torch.tensor(x) copies x, and does not require grad unless asked to: it has nothing of x's history."""
    x = s.pick(s.leaf((2,)), s.curved(s.leaf((2,))))
    made = s.torch.tensor(x)
    s.equal("requires_grad of torch.tensor(x)", made.requires_grad, False)
    s.claim(made.data_ptr() != x.data_ptr(), "the memory of torch.tensor(x)", "that of x", "its own")
    s.same("torch.tensor(x)", made, x.detach())
    s.equal(
        "is_leaf of torch.tensor(x, requires_grad=True)", s.torch.tensor(x, requires_grad=True).is_leaf, True
    )


@promise("OPT-10", f"{SOURCE}/nn/modules/module.py _apply", undocumented=True)
def converting_a_module_converts_its_gradients(s: Scene) -> None:
    """A module that is converted to another dtype keeps its parameters leaves, and converts their gradients."""
    torch = s.torch
    module = torch.nn.Linear(2, 1 + s.pick(0, 1, 2)).double()
    module(s.tensor((3, 2))).sum().backward()
    before = [x.grad.clone() for x in module.parameters()]
    dtype = s.pick(torch.float32, torch.bfloat16)
    module.to(dtype)
    for x, grad in zip(module.parameters(), before, strict=True):
        s.equal("is_leaf of a parameter", x.is_leaf, True)
        s.same("the gradient of a parameter", x.grad, grad.to(dtype))
