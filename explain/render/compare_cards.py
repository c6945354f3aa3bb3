"""Two runs side by side as HTML: what each answered, and what changed from one to the other."""

from __future__ import annotations

from html import escape

from explain.analysis import Analysis
from explain.compare import CompareError, changes
from explain.render.cards import categories, listed, meter, said

MOST = 8  # labels


def sides(first: Analysis, second: Analysis) -> str:
    """Both answers, and the change of the labels that changed most."""
    both = "".join(_answer(name, run) for name, run in (("A", first), ("B", second)))
    return f'<div class="fs fc-cards fc-sides">{both}</div>{_changes(first, second)}'


def _answer(name: str, run: Analysis) -> str:
    streams = listed(run.present)
    model = run.model.name if run.captioner is None else run.captioner.name
    title = f"<b>{name}</b> · {escape(run.clip.name)} · {escape(model)} · {streams}"
    answer = categories(run, None) if run.caption is None else said(run, None)
    return f'<div><p class="fc-note fc-side">{title}</p>{answer}</div>'


def _changes(first: Analysis, second: Analysis) -> str:
    """The labels that changed most, on one scale; else why there are none."""
    try:
        found = changes(first, second)[:MOST]
    except CompareError as error:
        return f'<p class="fs fc-note">{escape(str(error))}</p>'
    scale = max(1e-6, *(p for change in found for p in (change.before, change.after)))
    rows = "".join(
        f"<tr><td>{escape(change.label)}</td>"
        f"<td>{meter(change.before / scale)}</td><td class='fc-num'>{change.before:.3f}</td>"
        f"<td>{meter(change.after / scale)}</td><td class='fc-num'>{change.after:.3f}</td>"
        f"<td class='fc-num fc-delta'>{change.delta:+.3f}</td></tr>"
        for change in found
    )
    head = (
        "<tr><th>label</th><th colspan=2>A</th><th colspan=2>B</th><th class='fc-num'>Δ</th></tr>"
    )
    note = f"Both bars end at {scale:.2f}; Δ is B less A, the largest first."
    return (
        f'<div class="fs"><table class="fc-table fc-compare">{head}{rows}</table>'
        f'<p class="fc-note">{note}</p></div>'
    )
