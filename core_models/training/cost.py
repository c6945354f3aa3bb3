"""What an answer costs: ``python -m core_models.training.cost CLIP MODEL ...``.

CPU time from the file to the category or the caption, as a multiple of one encoder pass of the same
round. A round asks every model in turn, so that a busy machine slows all parts of it alike.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core_models.interface import Captioner, Decoding, Model
from core_models.media import load_clip
from core_models.registry import load

STEPS = ("decoding", "preparing", "encoding", "answering")
ENCODING = STEPS.index("encoding")


def spent() -> float:
    """CPU seconds of this process, all its threads, and the decoders that it has waited for."""
    decoders = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + decoders.ru_utime + decoders.ru_stime


@torch.no_grad()
def once(
    model: Model, path: Path, length: float, text: str, decoding: Decoding
) -> tuple[list[float], str]:
    """CPU seconds of each step from the file to the answer, and the answer."""
    at = [spent()]
    clip = load_clip(path, text, frames=model.frames, length=length)
    at.append(spent())
    inputs = model.prepare(clip)
    at.append(spent())
    tokens = model.encode(inputs)
    at.append(spent())
    if isinstance(model, Captioner):
        answer = model.generate(tokens, None, decoding).text
    else:
        answer = model.labels[int(model.fuse(tokens).logits[0].argmax())]
    return np.diff([*at, spent()]).tolist(), answer


def ratios(seconds: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Seconds (rounds, steps) -> multiples of the same round's encoder pass: (rounds,) each."""
    times = seconds / seconds[:, ENCODING, None]
    parts = {name: times[:, i] for i, name in enumerate(STEPS) if i != ENCODING}
    return {"in all": times.sum(axis=1), **parts}


def report(name: str, seconds: NDArray[np.float64], answer: str) -> str:
    """Medians over the rounds, with their quartiles."""
    said = [
        "{} {:.3f} [{:.3f}, {:.3f}]".format(part, *np.percentile(x, (50, 25, 75)))
        for part, x in ratios(seconds).items()
    ]
    passed = float(np.median(seconds[:, ENCODING]))
    return f"{name:14s} an encoder pass: {passed:.3f} s; of it {', '.join(said)}  “{answer}”"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure what an answer costs.")
    parser.add_argument("clip", type=Path, help="a video file with sound")
    parser.add_argument("models", nargs="+", help="shipped models or folders")
    parser.add_argument("--text", default="", help="words for the models that read them")
    parser.add_argument("--length", type=float, default=10.0, help="seconds of the clip")
    parser.add_argument("--beams", type=int, default=Decoding().beams)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    models = {name: load(name, torch.device("cpu")) for name in args.models}
    rows: dict[str, list[list[float]]] = {name: [] for name in models}
    answers: dict[str, str] = {}
    for i in range(args.rounds + 1):
        for name, model in models.items():
            took, answers[name] = once(
                model, args.clip, args.length, args.text, Decoding(args.beams)
            )
            if i:  # the first round warms up
                rows[name].append(took)
    for name, taken in rows.items():
        print(report(name, np.array(taken), answers[name]), flush=True)


if __name__ == "__main__":
    main()
