"""The rules of relevance, numbered as in the paper: each worked out by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from explain.methods.relevance import carried
from explain.methods.relevance_rules import rule_5, rule_10, rule_11, rules_6_7, rules_8_9
from explain.methods.wiring import Read

A, B, C = (torch.tensor([i]) for i in range(3))
I2 = torch.eye(2)


def close(found: Tensor, expected: list[Any]) -> None:
    torch.testing.assert_close(found, torch.tensor(expected, dtype=found.dtype))


def test_rule_5_keeps_what_helps_in_the_mean_of_heads() -> None:
    weights = torch.tensor([[[0.5, 0.5]], [[0.25, 0.75]]])
    gradients = torch.tensor([[[2.0, -4.0]], [[4.0, 8.0]]])
    close(rule_5(weights, gradients), [[(1 + 1) / 2, (0 + 6) / 2]])


def test_rules_6_and_7_mix_rows() -> None:
    a = torch.tensor([[0.0, 2.0], [1.0, 0.0]])
    close(rules_6_7(a, I2), [[0, 2], [1, 0]])
    close(rules_6_7(a, torch.tensor([[1.0], [3.0]])), [[6], [1]])


def test_rules_8_and_9_scale_the_rest_and_leave_an_untouched_row() -> None:
    close(rules_8_9(torch.tensor([[2.0, 3.0], [0.0, 1.0]])), [[1.25, 0.75], [0, 1]])
    close(rules_8_9(I2), [[1, 0], [0, 1]])


def test_rule_10_weighs_both_sides() -> None:
    r_ss = torch.tensor([[2.0, 3.0], [0.0, 1.0]])  # normalised: 5/4 3/4 and 0 1
    a = torch.tensor([[4.0, 0.0], [0.0, 1.0]])
    close(rule_10(r_ss, a, I2), [[5, 0], [3, 1]])
    r_qq = torch.tensor([[1.0, 0.0], [1.0, 2.0]])  # normalised: 1 0 and 1/2 3/2
    close(rule_10(I2, a, r_qq), [[4, 0], [0.5, 1.5]])


def test_rule_11_takes_over_what_the_other_holds() -> None:
    close(rule_11(torch.tensor([[2.0, 1.0]]), torch.tensor([[0.5], [3.0]])), [[4]])


def test_three_streams_by_hand() -> None:
    """a reads b, then c reads a: it holds a, what a holds of b, and then gives back to a."""
    maps = {"ab": torch.tensor([[2.0]]), "ca": torch.tensor([[3.0]]), "ac": torch.tensor([[5.0]])}
    one, two = (Read("ab", (A,), (B,)),), (Read("ca", (C,), (A,)),)
    close(carried((one, two), maps, 3), [[1, 2, 0], [0, 1, 0], [3, 6, 1]])
    three = (Read("ac", (A,), (C,)),)
    # Rule 11: R_aa += 5 R_ca, R_ab += 5 R_cb; rule 10 with R_aa = R_cc = I: R_ac += 5.
    close(carried((one, two, three), maps, 3), [[16, 32, 5], [0, 1, 0], [3, 6, 1]])


def test_both_directions_read_what_was_before() -> None:
    maps = {"ab": torch.tensor([[2.0]]), "ba": torch.tensor([[3.0]])}
    forth, back = Read("ab", (A,), (B,)), Read("ba", (B,), (A,))
    close(carried(((forth, back),), maps, 2), [[1, 2], [3, 1]])
    close(carried(((forth,), (back,)), maps, 2), [[1, 2], [3, 7]])


def test_what_two_write_is_the_mean_and_what_is_fresh_forgets() -> None:
    maps = {"ca": torch.tensor([[2.0]]), "cb": torch.tensor([[6.0]])}
    both = (Read("ca", (C,), (A,)), Read("cb", (C,), (B,)))
    close(carried((both,), maps, 3)[2], [1, 3, 1])
    anew = (Read("ca", (C,), (A,), fresh=True),)
    close(carried((both, anew), maps, 3)[2], [2, 0, 1])
