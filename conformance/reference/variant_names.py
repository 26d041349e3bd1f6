"""Variants of the reference engine, which break something on purpose or deviate: what they go by."""

from __future__ import annotations

import re


def variant_name(made: type) -> str:
    """The name of a variant, from that of its class: `ListedInputRetains` goes by `listed-input-retains`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", made.__name__).lower()
