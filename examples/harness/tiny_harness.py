"""A harness in plain Python: an engine of a hundred lines, and what makes it speak the protocol of docs/protocol.md.

    pytest --backend "exec:python examples/harness/tiny_harness.py"

Nothing is imported but json and what unpacks bytes, so it reads as a template for any other language.
"""

import json
import struct
import sys

# -- an engine -----------------------------------------------------------------------------------------------


class Tensor:
    """Numbers in row-major order, and how they came about: pairs of an operand and what turns a gradient back."""

    def __init__(self, shape, data, requires_grad=False, parents=()):
        self.shape, self.data = list(shape), list(data)
        self.requires_grad, self.parents = requires_grad, parents
        self.grad, self.freed = None, False


def broadcast(a, b):
    """The shape of a result, and for each of its elements the places in a and b that it comes from."""
    rank = max(len(a.shape), len(b.shape))
    padded = [[1] * (rank - len(t.shape)) + t.shape for t in (a, b)]
    if any(m != n and 1 not in (m, n) for m, n in zip(*padded)):
        raise ValueError(f"shapes {a.shape} and {b.shape} do not broadcast")
    shape = [n if m == 1 else m for m, n in zip(*padded)]
    places = [(0, 0)]
    for size, m, n in zip(shape, *padded):
        places = [
            (i * m + (k if m > 1 else 0), j * n + (k if n > 1 else 0)) for i, j in places for k in range(size)
        ]
    return shape, places


def elementwise(a, b, value, to_a, to_b):
    """An op of two operands; to_a and to_b give the derivative from the two numbers."""
    shape, places = broadcast(a, b)
    data = [value(a.data[i], b.data[j]) for i, j in places]

    def back(operand, side, slope):
        def turned(g):
            sums = [0.0] * len(operand.data)
            for (i, j), arrived in zip(places, g):
                sums[(i, j)[side]] += arrived * slope(a.data[i], b.data[j])
            return sums

        return operand, turned

    return tracked(shape, data, [back(a, 0, to_a), back(b, 1, to_b)])


def tracked(shape, data, parents):
    """A result, which remembers those of its operands that require grad."""
    parents = [(x, back) for x, back in parents if x.requires_grad]
    return Tensor(shape, data, bool(parents), parents)


def total(x):
    """The sum of all elements."""
    return tracked([], [sum(x.data, 0.0)], [(x, lambda g: g * len(x.data))])


OPS = {
    "add": lambda a, b: elementwise(a, b, lambda x, y: x + y, lambda x, y: 1.0, lambda x, y: 1.0),
    "sub": lambda a, b: elementwise(a, b, lambda x, y: x - y, lambda x, y: 1.0, lambda x, y: -1.0),
    "mul": lambda a, b: elementwise(a, b, lambda x, y: x * y, lambda x, y: y, lambda x, y: x),
    "neg": lambda x: tracked(x.shape, [-v for v in x.data], [(x, lambda g: [-v for v in g])]),
    "sum": lambda x: total(x),
}


def backward(root, gradient=None):
    """Add to the .grad of each leaf that requires grad."""
    if not root.requires_grad:
        raise RuntimeError("the root does not require grad")
    if gradient is None and len(root.data) != 1:
        raise RuntimeError("a gradient argument is needed: the root has several elements")
    if gradient is not None and (not isinstance(gradient, Tensor) or gradient.shape != root.shape):
        raise RuntimeError("the gradient argument is a tensor of the shape of the root")
    order, seen = [], set()

    def visit(x):
        if id(x) not in seen:
            seen.add(id(x))
            if x.freed:
                raise RuntimeError("the graph was freed by an earlier backward")
            for operand, _ in x.parents:
                visit(operand)
            order.append(x)

    visit(root)
    arrived = {id(root): [1.0] if gradient is None else list(gradient.data)}
    for x in reversed(order):
        g = arrived[id(x)]
        for operand, back in x.parents:
            sums = arrived.setdefault(id(operand), [0.0] * len(operand.data))
            sums[:] = [a + b for a, b in zip(sums, back(g))]
        if x.parents:
            x.freed = True
        else:
            old = [0.0] * len(g) if x.grad is None else x.grad.data
            x.grad = Tensor(x.shape, [a + b for a, b in zip(old, g)])


# -- the protocol --------------------------------------------------------------------------------------------

HELLO = {
    "protocol": 1,
    "name": "tiny",
    "version": "1.0",
    "verbs": ["hello", "run", "accepts"],
    "capabilities": [
        "constants",
        "gradient_argument",
        "bare_gradient",
        "stored",
        "requires_grad",
        "is_leaf",
        "set_grad",
        "detach",
    ],
    "ops": list(OPS),
    "dtypes": ["float64"],
}


def array_in(array):
    """A tensor of an array: its bytes are little-endian doubles, in hexadecimal digits."""
    content = bytes.fromhex(array["hex"])
    return Tensor(array["shape"], struct.unpack(f"<{len(content) // 8}d", content))


def array_out(x):
    """An array of a tensor."""
    content = struct.pack(f"<{len(x.data)}d", *x.data)
    return {"dtype": "float64", "shape": x.shape, "hex": content.hex()}


def take(step, env):
    """Take one step on the variables; the answer to what it asks, if it asks anything."""
    kind = step["step"]
    if kind == "Leaf":
        made = array_in(step["value"])
        made.requires_grad = step["requires_grad"]
        env[step["outs"][0]] = made
    elif kind == "Apply":
        env[step["outs"][0]] = OPS[step["op"]](*[env[v] for v in step["inputs"]])
    elif kind == "Backward":
        if len(step["roots"]) != 1:
            raise NotImplementedError("several roots")
        seed = None if step["gradients"] is None else step["gradients"][0]
        backward(env[step["roots"][0]], None if seed is None else env.get(seed, "not a tensor"))
        return True  # returned None
    elif kind == "ReadGrad":
        if env[step["x"]].grad is not None:
            env[step["outs"][0]] = env[step["x"]].grad
        return True  # read twice, it is the same object
    elif kind == "ClearGrad":
        env[step["x"]].grad = None
    elif kind == "SetGrad":
        x, value = env[step["x"]], env.get(step["source"])
        if value is None or value.shape != x.shape:
            raise TypeError("a gradient is a tensor of the same shape")
        x.grad = value
        return True  # the very object is stored
    elif kind == "Detach":
        env[step["outs"][0]] = Tensor(env[step["x"]].shape, env[step["x"]].data)
    elif kind == "Forget":
        del env[step["x"]]
    elif kind != "Look":
        raise Unknown(kind)
    return None


class Unknown(Exception):
    """A kind of step that this harness has not."""


def snapshot(x, contents):
    """One tensor as it is now."""
    seen = {"grad": None, "requires_grad": x.requires_grad, "is_leaf": not x.parents}
    if x.grad is not None:
        seen["grad"], seen["grad_requires_grad"] = array_out(x.grad), x.grad.requires_grad
    if contents:
        seen["value"] = array_out(x)
    return seen


def look(wanted, env):
    """Snapshots of what is wanted, as far as it is there."""
    tensors, contents = wanted["tensors"], wanted["contents"]
    some = env if tensors == "all" else [v for v in tensors if v in env]
    return {str(v): snapshot(env[v], contents == "all" or v in contents) for v in some}


def run(program):
    """The trace of a program: a moment for each step."""
    env, moments = {}, []
    for step in program["steps"]:
        moment = {}
        moments.append(moment)
        if any(v not in env for v in step["uses"]):
            moment["skipped"] = True
            continue
        wanted = step.get("look")
        try:
            answer = take(step, env)
            if "asks" in step:
                moment["same"] = {step["asks"]: answer}
        except Unknown as error:
            return {"error": {"class": "Unknown", "text": f"this harness has no step {error}"}}
        except Exception as error:
            moment["raised"] = {"class": type(error).__name__, "text": str(error)}
            wanted = step.get("look_if_raised")
        if wanted is not None:
            moment["seen"] = look(wanted, env)
    trace = {"moments": moments}
    if program["final"]:
        trace["final"] = look({"tensors": "all", "contents": "all"}, env)
    return trace


def main():
    """Answer each line."""
    for line in sys.stdin:
        request = json.loads(line)
        verb, answers = request["verb"], []
        if verb == "hello":
            answers = [{"result": HELLO}]
        elif verb == "run":
            answers = ({"result": run(program)} for program in request["programs"])
        elif verb == "accepts":
            whole = request["params"].get("dim") is None and not request["params"].get("keepdim")
            answers = [{"result": request["op"] != "sum" or whole}]
        else:
            answers = [{"error": {"class": "UnknownVerb", "text": f"this harness has no verb {verb}"}}]
        for answer in answers:
            print(json.dumps({"id": request["id"], **answer}), flush=True)


if __name__ == "__main__":
    main()
