"""The rules of relevance through attention (Chefer et al. 2021, arXiv:2103.15679), numbered as in
the paper.

R_ss (S, S) and R_sq (S, Q) say how much each token of a stream s holds of each token of s or of
another stream q. They begin as the identity and as zero; an attention of s over q, with map
A (heads, S, Q), adds to the rows of s.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rule_5(weights: Tensor, gradients: Tensor) -> Tensor:
    """Ā: the mean over heads of (∇A ⊙ A)⁺, (heads, S, Q) -> (S, Q)."""
    return (weights * gradients).clamp(min=0).mean(dim=0)


def rules_6_7(a: Tensor, r_s: Tensor) -> Tensor:
    """What self-attention adds to R_ss and to every R_sq, side by side in r_s: Ā R."""
    return a @ r_s


def rules_8_9(r_ss: Tensor) -> Tensor:
    """R̄_ss: R_ss - I with rows scaled to sum to 1, plus I; a row that was I stays so."""
    rest = r_ss.clone()
    rest.diagonal().sub_(1)
    mass = rest.sum(dim=-1, keepdim=True)  # (S, 1)
    rest.div_(torch.where(mass == 0, 1, mass)).diagonal().add_(1)
    return rest


def rule_10(r_ss: Tensor, a: Tensor, r_qq: Tensor) -> Tensor:
    """What attention over q adds to R_sq: R̄_ssᵀ Ā R̄_qq."""
    return rules_8_9(r_ss).T @ a @ rules_8_9(r_qq)


def rule_11(a: Tensor, r_qs: Tensor) -> Tensor:
    """What attention over q adds to R_ss: Ā R_qs; so to R_sr of a third stream r: Ā R_qr."""
    return a @ r_qs
