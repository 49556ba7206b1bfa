"""What tests of samplers share."""

import numpy as np
import pytest

from simulacra.inference.prepare import Prepared
from simulacra.inference.sampling.arrow import dense_arrow
from simulacra.inference.sampling.collapsed import CollapsedDensity
from simulacra.inference.sampling.problem import make_problem, natural_chart
from simulacra.inference.sampling.space import Space


@pytest.fixture
def unadapted(tiny: Prepared) -> Space:
    """The space of a small log, without a preconditioner."""
    problem = make_problem(tiny.model, tiny.design, tiny.patterns, tiny.counts)
    chart = natural_chart(problem, [np.full(table.shape, 8.0) for table in problem.prior.concentrations])
    size = sum(problem.sizes)
    return Space(CollapsedDensity(problem, chart), np.zeros(size), dense_arrow(np.eye(size), 1))
