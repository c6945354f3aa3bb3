"""Saliency (Simonyan et al. 2013, arXiv:1312.6034) and SmoothGrad (Smilkov et al. 2017,
arXiv:1706.03825), by Captum.

The absolute gradient of the score. A cell's score is the sum over all that lies in it: pixels and
their colours, the real and imaginary parts of a tone, the width of a word's embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from captum.attr import NoiseTunnel, Saliency

from explain.methods.call import of_inputs
from explain.methods.draws import averaged
from explain.methods.method import Between, Step
from explain.question import Question

Samples = Annotated[int, Between(4, 200, 4)]
Noise = Annotated[float, Between(0.05, 2, 0.05)]  # standard deviations of the modality


def plain(question: Question) -> Iterator[Step]:
    """At the clip itself."""
    call = of_inputs(question)
    yield call.step(1, Saliency(call).attribute(call.values, abs=True))


def smooth(
    question: Question,
    *,
    samples: Samples = 16,
    noise: Noise = 0.25,
    squared: bool = False,
    seed: int = 0,
) -> Iterator[Step]:
    """The mean over copies of the clip with noise; squared: of the squared gradient."""
    call = of_inputs(question)
    tunnel, spreads = NoiseTunnel(Saliency(call)), call.spreads(noise)
    kind = "smoothgrad_sq" if squared else "smoothgrad"
    yield from averaged(
        call,
        samples,
        seed,
        lambda count: tunnel.attribute(
            call.values, nt_type=kind, nt_samples=count, stdevs=spreads, abs=True
        ),
    )
