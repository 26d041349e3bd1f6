"""Derivatives of single ops that an engine computes otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gradlaws.conformance.deviations.registry import deviation
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.ops.table import Elementwise
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node

_SIXTH = float(np.float32(1) / np.float32(6))


@deviation
class RoughHardsigmoid(Engine):
    """The slope of hardsigmoid is one sixth in single precision, whatever the dtype."""

    _ROUGH = replace(TABLE["hardsigmoid"], rule=Elementwise(lambda F, y, x: (((x > -3) & (x < 3)) * _SIXTH,)))

    @classmethod
    def _record(cls, row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:
        return super()._record(cls._ROUGH if row.name == "hardsigmoid" else row, nodes, params)
