"""Attention: fused equals recorded, absent keys have no influence, a trace carries gradients."""

import pytest
import torch
from torch import Tensor

from core_models.trace import Lookup, Trace, attend


def qkv(batch: int = 3, queries: int = 5, keys: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    shapes = ((batch, 2, queries, 4), (batch, 2, keys, 4), (batch, 2, keys, 4))
    q, k, v = (torch.randn(shape) for shape in shapes)
    return q, k, v


def some_keys() -> Tensor:
    keep = torch.ones(3, 7, dtype=torch.bool)
    keep[1, 2:] = False
    keep[2] = False  # a row with no key at all
    return keep


@pytest.mark.parametrize("keep", [None, some_keys()], ids=["all keys", "masked"])
def test_fused_equals_recorded(keep: Tensor | None) -> None:
    q, k, v = qkv()
    trace = Trace()
    fused = attend(q, k, v, keep=keep)
    recorded = attend(q, k, v, keep=keep, record=trace, name="map")
    torch.testing.assert_close(fused, recorded, atol=1e-6, rtol=1e-5)
    assert list(trace) == ["map"] and trace["map"].shape == (3, 2, 5, 7)


def test_rows_sum_to_one_over_the_keys_that_exist() -> None:
    trace = Trace()
    attend(*qkv(), keep=some_keys(), record=trace, name="map")
    sums = trace["map"].sum(-1)  # (B, heads, Q)
    torch.testing.assert_close(sums[:2], torch.ones_like(sums[:2]))
    assert (sums[2] == 0).all()
    assert (trace["map"][1, :, :, 2:] == 0).all()


@pytest.mark.parametrize("record", [None, Trace()], ids=["fused", "recorded"])
def test_absent_keys_change_nothing_and_get_no_gradient(record: Trace | None) -> None:
    q, k, v = (x.requires_grad_() for x in qkv())
    keep = some_keys()
    out = attend(q, k, v, keep=keep, record=record, name="a")
    assert (out[2] == 0).all()
    grads = torch.autograd.grad(out.square().sum(), (k, v))
    for grad in grads:
        gone = ~keep[:, None, :, None].expand_as(grad)
        assert torch.isfinite(grad).all() and (grad[gone] == 0).all()
    other = torch.where(keep[:, None, :, None], v, torch.full_like(v, 1e6))
    torch.testing.assert_close(attend(q, k, other, keep=keep), out)


def test_by_hand() -> None:
    """Two keys with scores ln 3 and 0 weigh 3/4 and 1/4."""
    q = torch.tensor([[[[1.0]]]])
    k = torch.tensor([[[[3.0]], [[1.0]]]]).log().view(1, 1, 2, 1)
    v = torch.tensor([[[[8.0], [4.0]]]])
    trace = Trace()
    out = attend(q, k, v, record=trace, name="two")
    torch.testing.assert_close(trace["two"], torch.tensor([[[[0.75, 0.25]]]]))
    torch.testing.assert_close(out, torch.tensor([[[[7.0]]]]))


def test_the_record_lies_on_the_path_to_the_output() -> None:
    q, k, v = (x.requires_grad_() for x in qkv())
    trace = Trace()
    score = attend(q, k, v, record=trace, name="map").sum()
    (gradient,) = torch.autograd.grad(score, list(trace.values()))
    torch.testing.assert_close(gradient, v.sum(-1)[:, :, None].expand_as(gradient))


def test_a_name_is_recorded_once() -> None:
    trace = Trace()
    attend(*qkv(), record=trace, name="map")
    with pytest.raises(ValueError, match="twice"):
        attend(*qkv(), record=trace, name="map")


def large(queries: int = 80, keys: int = 90) -> tuple[Tensor, Tensor, Tensor]:
    """Maps that take more room than what they are made of."""
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, n, 16) for n in (queries, keys, keys))
    return q, k, v


MASKS = [
    None,
    torch.arange(90)[None] < 40,  # (1, K)
    torch.arange(90) < torch.arange(80)[None, :, None],  # (1, Q, K); the first row has no key
]


@pytest.mark.parametrize("keep", MASKS, ids=["all keys", "masked", "causal"])
def test_without_gradients_the_output_is_fused_and_the_maps_are_the_same(
    keep: Tensor | None,
) -> None:
    exact, trace = Trace(), Trace()
    attend(*large(), keep=keep, record=exact, name="map")
    with torch.no_grad():
        recorded = attend(*large(), keep=keep, record=trace, name="map")
        fused = attend(*large(), keep=keep)
    assert torch.equal(recorded, fused)
    torch.testing.assert_close(trace["map"], exact["map"], atol=1e-3, rtol=0)
    torch.testing.assert_close(trace["map"].sum(-1), exact["map"].sum(-1))
    assert torch.equal(trace["map"] == 0, exact["map"] == 0)
    for record in (exact, trace):
        torch.testing.assert_close(record.head("map", 1), record["map"][:, 1])
    torch.testing.assert_close(trace.lengths["map"], large()[2].norm(dim=-1))


@pytest.mark.parametrize("keep", MASKS, ids=["all keys", "masked", "causal"])
def test_a_map_is_the_same_however_many_rows_are_computed_at_a_time(
    keep: Tensor | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = Trace()
    with torch.no_grad():
        attend(*large(), keep=keep, record=trace, name="map")
    whole = trace["map"]
    monkeypatch.setattr("core_models.trace.AT_ONCE", 32)
    torch.testing.assert_close(trace["map"], whole, atol=1e-7, rtol=0)


@pytest.mark.parametrize("count", [4, 16, 17, 90])
def test_what_is_kept_of_a_layer_is_at_most_four_bytes_a_number(count: int) -> None:
    """Of N tokens of width d: queries and keys in half precision, or a map that is smaller yet."""
    trace, (q, k, v) = Trace(), torch.randn(3, 1, 2, count, 16)
    with torch.no_grad():
        attend(q, k, v, record=trace, name="map")
    exact = Lookup(q, k).weights()
    assert trace.nbytes == min(4 * count * 2 * 16, 4 * exact.numel())
    tolerance = 1e-3 if trace.nbytes < 4 * exact.numel() else 0
    torch.testing.assert_close(trace["map"], exact, atol=tolerance, rtol=0)


def test_what_all_keys_share_costs_no_precision() -> None:
    """As in towers where one number of every key is far larger than the others."""
    q, k, v = (x.clone() for x in large())
    q[..., 0] *= 10
    k[..., 0] += 50
    trace, exact = Trace(), Lookup(q, k).weights()
    with torch.no_grad():
        attend(q, k, v, record=trace, name="map")
    torch.testing.assert_close(trace["map"], exact, atol=2e-3, rtol=0)
    assert (Lookup(q.half(), k.half()).full().weights() - exact).abs().max() > 1e-2
