"""How engines whose API is NumPy's spell the ops of the table."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gradlaws.conformance.ops import TABLE


def numpy_like(
    module: str, inplace: bool = False, of_complex: bool = False, layers: bool = False
) -> dict[str, str]:
    """How an engine with NumPy's API spells the ops of the table; `module` is where its functions are.

    layers: with those of neural networks that are written out in NumPy's functions.
    """
    spellings = {
        **_NUMPY,
        **(_NUMPY_IN_PLACE if inplace else {}),
        **(_NUMPY_OF_COMPLEX if of_complex else {}),
        **(_NUMPY_LAYERS if layers else {}),
    }
    return {op: re.sub(r"\bnp\.", f"{module}.", text) for op, text in spellings.items()}


_NUMPY: Mapping[str, str] = {
    **{name: TABLE[name].spell for name in ("add", "sub", "mul", "neg", "div", "add_scalar", "mul_scalar")},
    **{name: TABLE[name].spell for name in ("matmul", "greater", "equal", "pow_scalar", "get_slice")},
    **{
        name: f"np.{name}({{0}})"
        for name in (
            "square",
            "exp",
            "log",
            "log1p",
            "expm1",
            "sqrt",
            "reciprocal",
            "sin",
            "cos",
            "tanh",
            "abs",
        )
    },
    **{name: f"np.{name}({{0}})" for name in ("sign", "floor", "trunc", "argmax")},
    "get_item": "{0}[{index}, ...]",  # without the dots NumPy copies where one element is left
    "round": "np.rint({0})",
    "atan": "np.arctan({0})",
    "clamp": "np.clip({0}, {min}, {max})",
    "maximum": "np.maximum({0}, {1})",
    "minimum": "np.minimum({0}, {1})",
    "where": "np.where({0} > 0, {1}, {2})",
    **{
        name: f"np.{call}({{0}}, axis={{dim}}, keepdims={{keepdim}})"
        for name, call in (
            ("sum", "sum"),
            ("mean", "mean"),
            ("amax", "max"),
            ("amin", "min"),
            ("prod", "prod"),
        )
    },
    "var": "np.var({0}, axis={dim}, ddof=1, keepdims={keepdim})",
    "std": "np.std({0}, axis={dim}, ddof=1, keepdims={keepdim})",
    "prod_all": "np.prod({0})",
    "max_all": "np.max({0})",
    "min_all": "np.min({0})",
    "max_dim": "np.max({0}, axis={dim})",
    "min_dim": "np.min({0}, axis={dim})",
    "cumprod": "np.cumprod({0}, axis={dim})",
    "cumsum": "np.cumsum({0}, axis={dim})",
    **dict.fromkeys(("mm", "mv", "bmm"), "np.matmul({0}, {1})"),
    "dot": "np.dot({0}, {1})",
    "outer": "np.outer({0}, {1})",
    "reshape": "np.reshape({0}, {shape})",
    "transpose": "np.swapaxes({0}, {dim0}, {dim1})",
    "permute": "np.transpose({0}, {dims})",
    "expand": "np.broadcast_to({0}, {shape})",
    "squeeze": "np.squeeze({0}, axis={dim})",
    "unsqueeze": "np.expand_dims({0}, axis={dim})",
    "flip": "np.flip({0}, {dim})",
    "index": "{0}[np.asarray({index})]",
    "index_mask": "{0}[np.asarray({mask})]",
    "index_select": "np.take({0}, np.asarray({index}), axis={dim})",
    "select": "np.take({0}, {index}, axis={dim})",
    "gather": "np.take_along_axis({0}, np.asarray({index}), axis={dim})",
    "cat": "np.concatenate(({0}, {1}), axis={dim})",
    "stack": "np.stack(({0}, {1}), axis={dim})",
    "chunk": "np.split({0}, 2, axis={dim})",
    "cast": "{0}.astype('{dtype}')",
    "to_integer": "{0}.astype('{dtype}')",
    "sort": "np.sort({0}, axis={dim})",
    "movedim": "np.moveaxis({0}, {source}, {target})",
    "diagonal": "np.diagonal({0})",
    "roll": "np.roll({0}, {shift}, {dim})",
    "repeat": "np.tile({0}, {times})",
    "tril": "np.tril({0}, {diagonal})",
    "triu": "np.triu({0}, {diagonal})",
    "vector_norm": "np.linalg.norm({0}.ravel())",
}


_NUMPY_IN_PLACE: Mapping[str, str] = {
    **{
        f"{name}_": f"{{0}} {sign}= {{1}}"
        for name, sign in zip(("add", "sub", "mul", "div"), "+-*/", strict=True)
    },
    "add_scalar_": "{0} += {value}",
    "mul_scalar_": "{0} *= {value}",
    "copy_": "{0}[...] = {1}",
    "fill_": "{0}[...] = {value}",
    "zero_": "{0}[...] = 0",
    "set_item_": "{0}[{index}] = {1}",
    "set_slice_": "{0}[{start}:{stop}] = {1}",
    "set_mask_": "{0}[np.asarray({mask})] = {value}",
}

_NUMPY_OF_COMPLEX: Mapping[str, str] = {
    "from_parts": "{0} + 1j * {1}",
    "real": "np.real({0})",
    "imag": "np.imag({0})",
    "view_as_real": "np.stack([np.real({0}), np.imag({0})], axis=-1)",
    "view_as_complex": "{0}[..., 0] + 1j * {0}[..., 1]",
    "conjugate": "np.conj({0})",
    "abs_complex": "np.abs({0})",
    "angle": "np.angle({0})",
}

_NUMPY_LAYERS: Mapping[str, str] = {
    "relu": "np.maximum({0}, 0.0)",
    "hardtanh": "np.clip({0}, -1.0, 1.0)",
    "leaky_relu": "np.where({0} > 0, {0}, {slope} * {0})",
    "linear": "np.matmul({0}, {1}.T) + {2}",
    "mse_loss": "np.mean(np.square({0} - {1}))",
}
