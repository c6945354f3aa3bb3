"""Shapley values and dividends: worked by hand, and the axioms on random games."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from core_models.clip import MODALITIES, Modality
from explain.analysis import Analysis
from explain.attribute import attributed
from explain.attribution import Attribution
from explain.methods.registry import find
from explain.modality.interactions import ADDITIVE, Interaction, interactions
from explain.modality.mm_shap import OF_TOKENS, SharesError, mm_shap
from explain.modality.shapley import dividends, players, shapley
from explain.question import Question
from explain.targets import Target, target

Array = NDArray[np.float64]
# Rows: nothing, a, b, ab, c, ac, bc, abc.
GLOVES = np.array([0, 0, 0, 1, 0, 1, 0, 1.0])  # a has the one left glove, b and c a right one


@pytest.fixture(params=[1, 2, 3, 4])
def game(request: pytest.FixtureRequest) -> Array:
    """Five games side by side."""
    return np.random.default_rng(request.param).normal(size=(1 << request.param, 5)) * 10


def test_gloves_by_hand() -> None:
    np.testing.assert_allclose(shapley(GLOVES), [2 / 3, 1 / 6, 1 / 6])
    np.testing.assert_allclose(dividends(GLOVES), [0, 0, 0, 1, 0, 1, 0, -1])


def test_two_players_by_hand() -> None:
    values = np.array([1.0, 3.0, 6.0, 6.0])  # alone +2 and +5, together +5
    np.testing.assert_allclose(dividends(values), [1, 2, 5, -2])
    np.testing.assert_allclose(shapley(values), [1, 4])


def test_efficiency(game: Array) -> None:
    np.testing.assert_allclose(shapley(game).sum(axis=0), game[-1] - game[0], atol=1e-5)


def test_a_coalition_is_worth_the_dividends_inside_it(game: Array) -> None:
    found = dividends(game)
    for row in range(len(game)):
        inside = [part for part in range(len(game)) if part & row == part]
        np.testing.assert_allclose(found[inside].sum(axis=0), game[row], atol=1e-9)


def test_symmetry() -> None:
    """Players 0 and 2 change places: their values do, and what is alike is worth alike."""
    game = np.random.default_rng(5).normal(size=8)
    swapped = game[[0, 4, 2, 6, 1, 5, 3, 7]]
    np.testing.assert_allclose(shapley(swapped), shapley(game)[[2, 1, 0]], atol=1e-5)
    same = shapley(game + swapped)
    assert same[0] == pytest.approx(same[2], abs=1e-5)


def test_who_changes_nothing_gets_nothing(game: Array) -> None:
    with_dummy = np.concatenate([game, game])  # one more player, the last bit
    found = shapley(with_dummy)
    np.testing.assert_allclose(found[-1], 0, atol=1e-9)
    np.testing.assert_allclose(found[:-1], shapley(game), atol=1e-9)


def test_linearity(game: Array) -> None:
    np.testing.assert_allclose(
        shapley(game[:, 0] - 2 * game[:, 1]), shapley(game)[:, 0] - 2 * shapley(game)[:, 1]
    )


def test_values_are_means_over_all_orders(game: Array) -> None:
    """The definition: what a player adds when it joins, averaged over every order."""
    count = players(game)
    total, orders = np.zeros((count, game.shape[1])), list(permutations(range(count)))
    for order in orders:
        there = 0
        for player in order:
            total[player] += game[there | 1 << player] - game[there]
            there |= 1 << player
    np.testing.assert_allclose(shapley(game), total / len(orders), atol=1e-9)


def test_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="3 is not the number of coalitions"):
        shapley(np.zeros(3))


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ([0, 1, 2, 3], "additive", "no interaction"),
        ([0, 2, 2, 2], "redundant", "Picture and sound say the same: redundant −2.00."),
        ([0, -2, -2, -2], "redundant", "both speak against it: redundant +2.00."),
        ([0, 4, 2, 3], "diluted", "do less than the stronger alone: −3.00."),
        ([0, 0, 4, 2], "diluted", "do less than the stronger alone: −2.00."),
        ([0, 0.1, 4, 3.8], "diluted", "do less than the stronger alone: −0.30."),
        ([0, 0, 0, 2], "synergy", "Picture and sound work together: synergy +2.00."),
        ([0, -1, -1, -3], "synergy", "synergy −1.00"),
        ([0, 2, -1, 2], "opposed", "pull opposite ways, and both at once speak more for it: +1.00"),
        ([0, 0, 0, 0], "additive", "(0.00)"),
    ],
)
def test_two_modalities_in_words(values: list[float], kind: str, said: str) -> None:
    (found,) = interactions(("video", "audio"), np.array(values, float))
    assert found.kind == kind and said in found.said


def test_three_modalities_in_words() -> None:
    *pairs, whole = interactions(MODALITIES, GLOVES)
    assert [x.kind for x in pairs] == ["synergy", "synergy", "additive"]
    assert whole == Interaction(MODALITIES, -1.0, (0.0, 0.0, 0.0), "higher")
    assert whole.said == (
        "Picture, sound and text together take away a further −1.00, which no pair explains."
    )


def test_little_is_called_nothing() -> None:
    """The line is a part of the largest change of any combination, here that of both."""
    for part, kind in ((0.9 * ADDITIVE, "additive"), (1.1 * ADDITIVE, "synergy")):
        values = np.array([0, 0.5 - part / 2, 0.5 - part / 2, 1])
        (found,) = interactions(("video", "text"), values)
        assert found.kind == kind


def attribution(method: str, **scores: list[float]) -> Attribution:
    arrays: dict[Modality, NDArray[np.float32]] = {
        m: np.array(scores[m], np.float32) for m in MODALITIES if m in scores
    }
    return Attribution(method, Target("c", "c", (0,)), "token", True, arrays, {})


@pytest.mark.parametrize("method", OF_TOKENS)
def test_mm_shap_by_hand(method: str) -> None:
    shares = mm_shap(attribution(method, video=[1, -2], audio=[0, 0], text=[1]))
    assert shares == {"video": 0.75, "audio": 0.0, "text": 0.25}


@pytest.mark.parametrize("method", OF_TOKENS)
def test_mm_shap_of_a_run(analysis: Analysis, method: str) -> None:
    question = Question(analysis, target("auto", analysis))
    shares = mm_shap(attributed(find(method), question, most=8))
    assert tuple(shares) == analysis.present and min(shares.values()) >= 0
    assert sum(shares.values()) == pytest.approx(1)


def test_mm_shap_is_of_shapley_values_alone() -> None:
    with pytest.raises(SharesError, match="run token-shapley"):
        mm_shap(attribution("attention", video=[1, 2]))
    with pytest.raises(SharesError, match="another target"):
        mm_shap(attribution(OF_TOKENS[0], video=[0, 0]))
