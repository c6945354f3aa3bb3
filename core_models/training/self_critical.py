"""Self-critical tuning (Rennie et al. 2017, arXiv:1612.00563): sampled captions, paid by CIDEr-D.

The reward of a sample is its CIDEr-D against the video's own captions, less the mean reward of the
other samples of the same video. The end of a caption counts as a word, so that breaking off does
not pay.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import DynamicCache

from core_models.caption_decoder import END, START, CaptionDecoder, Memory
from core_models.micap import MICap
from core_models.trace import Trace
from core_models.training.captions import CaptionBatch
from core_models.training.cider import CiderD
from core_models.training.prepare_micap import CaptionRecipe


@torch.no_grad()
def sample(
    decoder: CaptionDecoder,
    memory: Memory,
    times: int,
    longest: int,
    seed: int,
    temperature: float = 1.0,
) -> Tensor:
    """Captions drawn piece by piece: (B * times, L); behind the end stands -1."""
    generator = torch.Generator().manual_seed(seed)
    rows = len(memory.keep) * times
    pieces = torch.full((rows, 1), START)
    ended = torch.zeros(rows, dtype=torch.bool)
    cache = DynamicCache()
    for at in range(longest):
        hidden = decoder(pieces[:, -1:].clamp(min=0), memory, at, cache)[:, -1]
        logits = decoder.say(hidden).float() / temperature
        logits[:, START] = -torch.inf
        new = torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)[:, 0]
        pieces = torch.cat([pieces, torch.where(ended, -1, new)[:, None]], dim=1)
        ended |= new == END
        if ended.all():
            break
    return pieces[:, 1:]


def advantages(rewards: Tensor) -> Tensor:
    """Rewards (B, times) less the mean of the other samples of the same video."""
    times = rewards.shape[1]
    return (rewards - rewards.mean(dim=1, keepdim=True)) * times / (times - 1)


def critical_loss(
    model: MICap,
    batch: CaptionBatch,
    names: Sequence[str],
    reward: CiderD,
    recipe: CaptionRecipe,
    seed: int,
) -> tuple[Tensor, float]:
    """The loss whose gradient raises the expected reward, and the mean reward.

    The picture is always shown, the audio caption as in the other epochs.
    """
    times, heat = recipe.samples, recipe.temperature
    with torch.autocast("cpu", torch.bfloat16):
        tokens = model.embed(
            batch.values, batch.times, {**batch.shown, "video": batch.keep["video"]}
        )
        memory = model.memory(tokens, Trace())
        pieces = sample(model.decoder, memory, times, model.config.max_pieces, seed, heat)
        begun = F.pad(pieces[:, :-1].clamp(min=0), (1, 0), value=START)
        hidden = model.decoder(begun, memory, record=Trace())
        counts = pieces >= 0
        logits = model.decoder.say(hidden[counts])  # (pieces, V)
    said = -F.cross_entropy(logits.float() / heat, pieces[counts], reduction="none")
    paid = [
        reward(names[row // times], [p for p in one if p >= 0])
        for row, one in enumerate(pieces.tolist())
    ]
    gain = advantages(torch.tensor(paid).view(-1, times)).flatten()  # (R,)
    worth = gain[:, None].expand_as(pieces)[counts]
    return -(worth * said).mean(), sum(paid) / len(paid)
