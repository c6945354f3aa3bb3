"""Beam search by transformers' generation: a captioner's decoder seen as its language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import (
    Cache,
    GenerationConfig,
    GenerationMixin,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedConfig,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.modeling_outputs import CausalLMOutputWithPast

from core_models.caption_decoder import END, START, CaptionDecoder, Memory
from core_models.interface import Decoding


class Speaker(GenerationMixin):  # type: ignore[misc]
    """A decoder and the memory it speaks about; made for one search, so searches share nothing."""

    main_input_name = "input_ids"
    _is_stateful = False

    def __init__(self, decoder: CaptionDecoder, memory: Memory) -> None:
        self.decoder, self.memory = decoder, memory
        self.config = PreTrainedConfig(num_hidden_layers=len(decoder.layers))
        self.generation_config = GenerationConfig()
        self.device = memory.keep.device

    def can_generate(self) -> bool:
        return True

    def get_experts_implementation(self) -> dict[str, str]:
        """None: there is no mixture of experts here."""
        return {}

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        next_sequence_length: int | None = None,
        past_key_values: Cache | None = None,
        attention_mask: Tensor | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """The pieces that the cache does not hold yet, and the place of the first of them.

        The mask is not needed, as all begin at once; transformers wants one given.
        """
        new = input_ids.shape[1] if next_sequence_length is None else next_sequence_length
        start = input_ids.shape[1] - new
        return {"input_ids": input_ids[:, start:], "start": start, "cache": past_key_values}

    def forward(
        self, input_ids: Tensor, start: int, cache: Cache | None, return_dict: bool = True
    ) -> CausalLMOutputWithPast:
        logits = self.decoder.say(self.decoder(input_ids, self.memory, start, cache))
        return CausalLMOutputWithPast(logits=logits, past_key_values=cache)

    __call__ = forward


class Marks(LogitsProcessor):  # type: ignore[misc]
    """The start is never said, nor the end before there are enough pieces."""

    def __init__(self, least: int) -> None:
        self.least = least

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        scores[:, START] = -torch.inf
        if input_ids.shape[1] <= self.least:  # the start is one of them
            scores[:, END] = -torch.inf
        return scores


class Stop(StoppingCriteria):  # type: ignore[misc]
    """Ends every row as soon as the question is answered with yes."""

    def __init__(self, asked: Callable[[], bool]) -> None:
        self.asked = asked

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: Any) -> Tensor:
        return torch.full((len(input_ids),), self.asked(), device=input_ids.device)


@torch.no_grad()
def search(
    decoder: CaptionDecoder,
    memory: Memory,
    decoding: Decoding,
    stop: Callable[[], bool] | None = None,
    cache: bool = True,
) -> list[list[list[int]]]:
    """The candidates of every clip of the memory, best first: pieces, the end included."""
    start = torch.full((len(memory.keep), 1), START, device=memory.keep.device)
    longest = min(decoding.max_length, len(decoder.places))
    wishes = GenerationConfig(
        num_beams=decoding.beams,
        num_return_sequences=decoding.beams,
        max_new_tokens=longest,
        repetition_penalty=decoding.repetition,
        bos_token_id=START,
        eos_token_id=END,
        pad_token_id=END,
        use_cache=cache,
    )
    rules = StoppingCriteriaList([] if stop is None else [Stop(stop)])
    marks = LogitsProcessorList([Marks(min(decoding.min_length, longest))])
    speaker, mask = Speaker(decoder, memory), torch.ones_like(start)
    found = speaker.generate(
        start, wishes, logits_processor=marks, stopping_criteria=rules, attention_mask=mask
    )
    rows = [_until_end(row) for row in found[:, 1:].tolist()]
    return [rows[i : i + decoding.beams] for i in range(0, len(rows), decoding.beams)]


def _until_end(pieces: list[int]) -> list[int]:
    """The pieces up to the first end, which is kept; all, where the search was cut short."""
    return pieces[: pieces.index(END) + 1] if END in pieces else pieces


def join(pieces: Sequence[str]) -> tuple[list[str], list[int]]:
    """Word pieces ("ban", "##jo") -> words ("banjo"), and for each piece the index of its word."""
    words: list[str] = []
    owner: list[int] = []
    for piece in pieces:
        if piece.startswith("##") and words:
            words[-1] += piece.removeprefix("##")
        else:
            words.append(piece.removeprefix("##"))
        owner.append(len(words) - 1)
    return words, owner
