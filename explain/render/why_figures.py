"""Everything that was found out about an answer, as still figures for papers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.figure import Figure

from explain.analysis import Analysis
from explain.attribution import Attribution
from explain.modality.report import ModalityReport
from explain.render.attribution_figures import attribution_figure
from explain.render.modality_figures import modality_figure
from explain.render.trust_figures import agreement_figure, trust_figure
from explain.trust import Trust


def why_figures(
    analysis: Analysis,
    attributions: Mapping[str, Attribution],
    trusts: Sequence[Trust],
    modalities: ModalityReport | None,
) -> Iterator[tuple[str, Figure]]:
    """Each attribution by its name and the tests of it, then what each modality did."""
    for name, found in attributions.items():
        yield f"attribution.{name}", attribution_figure(analysis, found)
        for tested in (t for t in trusts if t.attribution is found):
            if (curves := trust_figure(analysis, tested)) is not None:
                yield f"trust.{name}", curves
            if (agreed := agreement_figure(analysis, tested)) is not None:
                yield f"agreement.{name}", agreed
    if modalities is not None:
        yield "modalities", modality_figure(modalities)
