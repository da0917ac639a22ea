"""Fitting and the structure it runs on: small joint tables that agree, exact margins, and honest contradictions."""

from __future__ import annotations

import numpy as np
import pytest

from common.audiences.fitting import Contradiction, fit_joint
from common.audiences.preparation import prepare
from common.audiences.structure import Clique, Table, full_cells, junction_forest, maximal_cliques
from tests.unit.audiences.audiences import from_joint


def table(shares: list[float], *dimensions: int, size: int = 2) -> Table:
    """A table over dimensions of `size` labels."""
    return Table(dimensions, (size,) * len(dimensions), np.array(shares), f"table {dimensions}")


def square(cells: list[tuple[int, int]] | None = None) -> Clique:
    """Two dimensions of two labels, uniform over the given cells."""
    chosen = full_cells((0, 1), (2, 2)) if cells is None else np.array(cells, dtype=np.int64)
    return Clique((0, 1), chosen, np.full(len(chosen), 1 / len(chosen)), None, ())


def test_a_chain_needs_no_joint_table() -> None:
    """Pairs in a chain stay pairs, whatever the number of dimensions; a circle of four gets one chord."""
    assert maximal_cliques(4, [(0, 1), (1, 2), (2, 3)]) == [(0, 1), (1, 2), (2, 3)]
    assert [len(clique) for clique in maximal_cliques(4, [(0, 1), (1, 2), (2, 3), (0, 3)])] == [3, 3]


def test_what_nothing_ties_is_a_tree_of_its_own() -> None:
    """The forest has a root for every group of dimensions, and separators are what neighbours share."""
    assert junction_forest([(0, 1), (1, 2), (3,)]) == [((0, 1), None, ()), ((1, 2), 0, (1,)), ((3,), None, ())]


def test_a_joint_distribution_that_the_tables_determine_is_found() -> None:
    """Pairs of a chain determine a joint distribution where the ends are independent given the middle."""
    middle, first, last = np.array([0.3, 0.7]), np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.2, 0.8], [0.5, 0.5]])
    joint = np.einsum("b,ba,bc->abc", middle, first, last)
    one, other = prepare(from_joint(joint, [(0, 1), (1, 2)])).cliques
    assert one.shares.reshape(2, 2) == pytest.approx(joint.sum(axis=2))
    assert other.shares.reshape(2, 2) == pytest.approx(joint.sum(axis=0))


def test_a_circle_of_tables_is_fitted_exactly() -> None:
    """Three pairs of three dimensions have one joint table that has all of them."""
    joint = np.random.Generator(np.random.PCG64(7)).dirichlet(np.ones(60)).reshape(3, 4, 5)
    prepared = prepare(from_joint(joint, [(0, 1), (1, 2), (0, 2)]))
    (clique,) = prepared.cliques
    fitted = np.zeros(joint.shape)
    fitted[tuple(clique.cells.T)] = clique.shares
    for axis in range(3):
        assert fitted.sum(axis=axis) == pytest.approx(joint.sum(axis=axis), abs=1e-9)
    assert prepared.adjusted == (False, False, False)


def test_the_seed_keeps_its_odds_ratio() -> None:
    """Fitting changes margins and nothing else: the odds ratio of the seed stays (Mosteller 1968)."""
    seed = Clique((0, 1), full_cells((0, 1), (2, 2)), np.array([0.4, 0.1, 0.2, 0.3]), None, ())
    fit = fit_joint([seed], [table([0.7, 0.3], 0), table([0.2, 0.8], 1)], [], (2, 2), tolerance=0.005)
    (a, b), (c, d) = fit.cliques[0].shares.reshape(2, 2)
    assert a + b == pytest.approx(0.7)
    assert a + c == pytest.approx(0.2)
    assert a * d / (b * c) == pytest.approx(0.4 * 0.3 / (0.1 * 0.2))


def test_cells_that_must_be_empty_are_found_empty() -> None:
    """Where the margins leave no room for a cell it shrinks for ever without vanishing; fitting ends all the same."""
    three = square([(0, 0), (0, 1), (1, 1)])
    fit = fit_joint([three], [table([0.5, 0.5], 0), table([0.5, 0.5], 1)], [], (2, 2), tolerance=0.005)
    assert fit.cliques[0].cells.tolist() == [[0, 0], [1, 1]]
    assert fit.sweeps < 1000


def test_margins_that_the_cells_cannot_have_are_a_contradiction() -> None:
    """The error names the table and how far it is off."""
    diagonal = square([(0, 0), (1, 1)])
    with pytest.raises(Contradiction) as caught:
        fit_joint([diagonal], [table([0.5, 0.5], 0), table([0.3, 0.7], 1)], [], (2, 2), tolerance=0.005)
    assert caught.value.path in ("table (0,)", "table (1,)")
    assert caught.value.residual > 0.05
