"""MM-SHAP (Parcalabescu & Frank 2023, arXiv:2212.08158): how much a model uses each modality.

The share of each modality in the sum of the absolute Shapley values of all tokens; where tokens
join the game in groups, of all groups. It says how much was used, not whether for or against, and
it is not the Shapley value of the modalities.
"""

from __future__ import annotations

from core_models.clip import Modality
from explain.attribution import Attribution

OF_TOKENS = ("token-shapley", "token-kernel-shap")  # methods whose scores are Shapley values


class SharesError(ValueError):
    """An attribution that MM-SHAP is not made of; the message says what it needs."""


def mm_shap(attribution: Attribution) -> dict[Modality, float]:
    """The share of each modality that was on, summing to 1; class tokens belong to none.

    SharesError where the scores are not Shapley values of tokens, or all of them are 0.
    """
    if attribution.method not in OF_TOKENS:
        known = " or ".join(OF_TOKENS)
        raise SharesError(
            f"MM-SHAP is made of Shapley values of tokens, not of “{attribution.method}”; "
            f"run {known} first."
        )
    if attribution.blank:
        raise SharesError(
            "No token changes this target, so there are no shares; choose another target."
        )
    return attribution.shares
