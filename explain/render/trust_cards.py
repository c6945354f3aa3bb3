"""How far a map can be trusted, as HTML: the verdict, its curves, and what each metric says."""

from __future__ import annotations

from html import escape
from pathlib import Path

from explain.attention.maps import NAMES
from explain.methods.registry import METHODS
from explain.metrics.agreement import Agreement
from explain.metrics.curves import Curves, Part, Reals
from explain.metrics.faithfulness import Faithfulness
from explain.metrics.metric import Finding, Metric
from explain.metrics.randomisation import Randomisation
from explain.metrics.registry import METRICS
from explain.trust import Trust

CSS = (Path(__file__).parent / "trust_cards.css").read_text()
WIDTH, HEIGHT = 260, 130  # of a drawing, in its own units
LEFT, RIGHT, TOP, BOTTOM = 24, 6, 6, 24  # the room around it
MARK = {True: "good", False: "bad", None: "open"}
APART = ("faithfulness", "agreement")  # these have more to show than a sentence


def trust_card(trust: Trust) -> str:
    """All that is known so far; what has not run yet says so."""
    if trust.attribution.blank:
        return f'<div class="fs"><section class="fc-card">{_verdict(trust)}</section></div>'
    curves = "" if trust.faithfulness is None else order(trust.faithfulness)
    notes = "".join(f'<p class="fc-note">{escape(note)}</p>' for note in trust.notes)
    left = (
        f'<section class="fc-card"><h2>Trust · {escape(trust.title)}</h2>'
        f"{_verdict(trust)}{curves}{notes}</section>"
    )
    right = "".join(check(m, trust.findings.get(m.name)) for m in METRICS if m.name not in APART)
    agreed = "" if trust.agreement is None else matrix(trust.agreement)
    return (
        f'<div class="fs ft-cards">{left}'
        f'<section class="fc-card"><h2>Further checks</h2>{right}</section>{agreed}</div>'
    )


def order(found: Faithfulness) -> str:
    """The curves of everything at once; each modality's in a part that opens."""
    rows = "".join(row(part, curve) for part, curve in found.curves.items())
    single = "".join(pair(curve) for part, curve in found.curves.items() if part != "all")
    orders, more = len(found.all.random_deletion), ""
    if single:
        more = f"<details><summary>Curves inside each modality</summary>{single}</details>"
    return (
        f"{pair(found.all)}"
        '<p class="fc-note">Strong line: in the order of the map. Dashed line and band: '
        f"{orders} random orders, their mean and all of them. "
        "0 is the score of nothing, 1 that of the clip.</p>"
        f'<table class="fc-table"><tr><th>tokens of</th><th>order of the map</th>'
        '<th class="fc-num">effect</th><th class="fc-num">p</th></tr>'
        f"{rows}</table>"
        '<p class="fc-note">Effect: the area between insertion and deletion, in standard '
        f"deviations of random orders; {orders} orders give a p of "
        f"{1 / (1 + orders):.3f} at least.</p>"
        f"{more}"
    )


def row(part: Part, curve: Curves) -> str:
    """One line of the table of verdicts."""
    mark = {"better than random": "good", "worse than random": "bad"}.get(curve.word, "open")
    word, effect, p = escape(curve.word), f"{curve.effect:+.1f}", f"{curve.p:.3f}"
    if curve.why:
        word, effect, p = escape(f"{curve.word}: {curve.why}"), "", ""
    return (
        f'<tr><td>{named(part)}</td><td><span class="ft-word-{mark}">{word}</span></td>'
        f'<td class="fc-num">{effect}</td><td class="fc-num">{p}</td></tr>'
    )


def pair(curve: Curves) -> str:
    """Deletion and insertion side by side, on one scale."""
    what = "tokens" if curve.part == "all" else f"tokens of the {named(curve.part)}"
    every = (curve.deletion, curve.insertion, curve.random_deletion, curve.random_insertion)
    low = min(0.0, *(float(x.min()) for x in every))
    high = max(1.0, *(float(x.max()) for x in every))
    kind = "" if curve.part == "all" else f" ft-{curve.part}"
    drawn = "".join(
        f'<figure class="ft-curve"><figcaption>{title} <small>{hint} is good</small></figcaption>'
        f"{svg(curve.fractions, own, random, (low, high), f'{what} {verb}', kind)}</figure>"
        for title, hint, verb, own, random in (
            ("Deletion", "falling early", "taken away", curve.deletion, curve.random_deletion),
            ("Insertion", "rising early", "put back", curve.insertion, curve.random_insertion),
        )
    )
    return f'<div class="ft-curves">{drawn}</div>'


def svg(
    fractions: Reals, own: Reals, random: Reals, ends: tuple[float, float], label: str, kind: str
) -> str:
    """One panel: the band of random orders, their mean, and the map's own curve."""
    low, high = ends
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def points(y: Reals) -> list[str]:
        down = TOP + (high - y) / (high - low) * tall
        return [f"{a:.1f},{b:.1f}" for a, b in zip(LEFT + fractions * wide, down, strict=True)]

    band = points(random.max(axis=0)) + points(random.min(axis=0))[::-1]
    apart = tall / (high - low) > 9  # else the two names would cover each other
    levels = ((0.0, "0"), (1.0, "1")) if apart else ((0.0, "0, 1"), (1.0, ""))
    lines = "".join(_level(name, TOP + (high - y) / (high - low) * tall) for y, name in levels)
    ticks = "".join(
        _text(f"{at:.0%}", LEFT + at * wide, HEIGHT - BOTTOM + 11, anchor)
        for at, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end"))
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Score by {label}">{lines}'
        f'<polygon class="ft-band" points="{" ".join(band)}"/>'
        f'<polyline class="ft-mean" points="{" ".join(points(random.mean(axis=0)))}"/>'
        f'<polyline class="ft-own{kind}" points="{" ".join(points(own))}"/>{ticks}'
        f"{_text(label, LEFT + wide / 2, HEIGHT - 2, 'middle')}</svg>"
    )


def _level(text: str, at: float) -> str:
    line = f'<line class="ft-line" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
    return line + _text(text, LEFT - 5, at + 3, "end")


def _text(text: str, x: float, y: float, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def check(metric: Metric, found: Finding | None) -> str:
    """A metric by its title: what it says, or that it has not run."""
    mark, said = "open", f"Not run yet. {metric.about}"
    if found is not None:
        mark, said = MARK[found.good], found.verdict
    more = stops(found) if isinstance(found, Randomisation) and found.similarity else ""
    return (
        f'<div class="ft-check" title="{escape(metric.about)}"><span class="ft-mark ft-{mark}">'
        f"</span><b>{metric.title}</b><p>{escape(said)}</p>{more}</div>"
    )


def stops(found: Randomisation) -> str:
    """A bar for each stop of the cascade: how alike the map still is."""
    bars = "".join(
        f'<span title="{escape(", ".join(names))}">{value:.2f}'
        f'<i style="height:{max(0.0, value) * 20:.1f}px"></i></span>'
        for names, value in zip(found.layers, found.similarity, strict=True)
    )
    return (
        f'<div class="ft-stops" role="img" aria-label="Rank correlation at each stop">{bars}</div>'
    )


def matrix(found: Agreement) -> str:
    """Rank correlations of all methods as a coloured table; the map on trial comes first."""
    titles = {method.name: method.title for method in METHODS}
    names = [escape(titles.get(name, name)) for name in found.methods]
    if len(names) < 2:
        return (
            '<section class="fc-card ft-wide"><h2>Agreement</h2>'
            f'<p class="fc-note">{escape(found.verdict)}</p></section>'
        )
    head = "".join(f'<th scope="col" title="{name}">{i + 1}</th>' for i, name in enumerate(names))
    rows = "".join(
        f'<tr{" class=ft-own-row" if i == 0 else ""}><th scope="row">{i + 1} · {name}</th>'
        + "".join(_cell(float(v), i == j) for j, v in enumerate(found.ranks[i]))
        + "</tr>"
        for i, name in enumerate(names)
    )
    return (
        '<section class="fc-card ft-wide"><h2>Agreement</h2>'
        f'<div class="ft-scroll"><table class="ft-matrix"><tr><td class="ft-same"></td>{head}</tr>'
        f"{rows}</table></div>"
        f'<p class="fc-note">{escape(found.verdict)} The figures are rank correlations inside the '
        "modalities; methods that agree may still all be wrong.</p></section>"
    )


def named(part: Part) -> str:
    """A part as people call it."""
    return "everything" if part == "all" else NAMES[part]


def _cell(value: float, same: bool) -> str:
    if same:
        return '<td class="ft-same">–</td>'
    less = ' class="ft-less"' if value < 0 else ""
    return f'<td{less} style="--v:{abs(value):.2f}">{value:.2f}</td>'


def _verdict(trust: Trust) -> str:
    return f'<p class="ft-verdict ft-{MARK[trust.good]}">{escape(trust.verdict)}</p>'
