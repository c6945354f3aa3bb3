"""What each modality did, as HTML: the panel of a `ModalityReport`."""

from __future__ import annotations

from html import escape
from pathlib import Path

from explain.attention.maps import NAMES
from explain.modality.interventions import Effect
from explain.modality.language_prior import KEPT
from explain.modality.report import ModalityReport
from explain.render.figures import spoken

CSS = (Path(__file__).parent / "modality_cards.css").read_text()
NOTHING = "nothing: its prior"
SHOWN = 2  # labels whose change is shown with an effect
LABELS = 4  # whose Shapley values are shown
LEAST = 0.005  # a smaller change would be shown as none


def panel(report: ModalityReport) -> str:
    """All cards of a report."""
    left = combinations(report) + said(report) + votes(report)
    upper = f'<div class="fm-stack">{left}</div>{decided(report)}'
    return f'<div class="fs fm-panel">{upper}{effects(report)}</div>'


def changed(report: ModalityReport) -> str:
    """The card of what became of changes alone."""
    return f'<div class="fs fm-panel">{effects(report)}</div>'


def combinations(report: ModalityReport) -> str:
    """What the model says of every combination, everything first and nothing last."""
    found = report.coalitions
    rows = sorted(range(len(found.members)), key=lambda i: (-len(found.members[i]), i))
    body = "".join(_combination(report, i) for i in rows)
    dots = "".join(f'<th class="fm-dot fm-{m}">{NAMES[m]}</th>' for m in found.players)
    note = "“Nothing” is what the model says unasked: its prior, which Shapley values begin from."
    if found.independent:
        asked = report.target.plus
        marks = [' class="fm-asked"' if i in asked else "" for i in range(len(found.labels))]
        pairs = zip(marks, found.labels, strict=True)
        heads = "".join(f"<th{mark}>{escape(word)}</th>" for mark, word in pairs)
        kind, note = " fm-words", f"The chance of each word, given those before it. {note}"
    else:
        kind, heads = "", f"<th>answer</th><th colspan=2>{escape(report.target.name)}</th>"
    table = f'<table class="fc-table fm-rows{kind}"><tr>{dots}{heads}<th></th></tr>{body}</table>'
    return _card("What it says of every combination", f'<div class="fm-scroll">{table}</div>', note)


def _combination(report: ModalityReport, row: int) -> str:
    found, members = report.coalitions, report.coalitions.members[row]
    marks = "".join(
        f'<td class="fm-dot fm-{m}{" fm-in" if m in members else ""}"><i></i></td>'
        for m in found.players
    )
    now = members == report.present
    tag = "this run" if now else "" if members else NOTHING
    end = f'<td><span class="fm-tag">{tag}</span></td>'
    if found.independent:
        told = "".join(
            f'<td class="fm-p" style="--p:{p:.2f}">{p:.2f}</td>' for p in found.probabilities[row]
        )
    else:
        chance = float(report.chances[row])
        told = f'<td class="fm-answer">{escape(found.answers[row])}</td>{_meter(chance)}'
    return f"<tr{' class=fm-now' if now else ''}>{marks}{told}{end}</tr>"


def decided(report: ModalityReport) -> str:
    """Shapley values on one signed scale, the interactions in words, and MM-SHAP."""
    unit = "log-probability" if report.coalitions.independent else "score"
    first, last = float(report.scores[0]), float(report.scores[-1])
    note = (
        f"Exact Shapley values. They add up to {signed(last - first)}: the {unit} with everything, "
        f"{number(last)}, less that of nothing, {number(first)}."
    )
    terms = "".join(
        f"<li{' class=fm-faint' if x.kind == 'additive' else ''}>{escape(x.said)}</li>"
        for x in report.interactions
    )
    inner = bars(report) + f'<p class="fc-note">{note}</p>'
    if terms:
        inner += f'<ul class="fm-terms">{terms}</ul>'
        inner += '<p class="fc-note">Of two, with any third switched off.</p>' * (
            len(report.coalitions.players) > 2
        )
    title = f"Who decided <small>· for {escape(report.target.name)}</small>"
    return _card(title, inner + shares(report) + every(report))


def bars(report: ModalityReport) -> str:
    """One signed bar per modality, all on one scale around 0."""
    values = report.values
    low, high = min(0.0, *values.values()), max(0.0, *values.values())
    width = max(high - low, 1e-9)
    zero = -low / width
    return "".join(
        f'<div class="fm-signed fm-{m}"><span>{NAMES[m]}</span><div class="fm-axis">'
        f'<i style="left:{zero + min(value, 0) / width:.2%};width:{abs(value) / width:.2%}"></i>'
        f'<b style="left:{zero:.2%}"></b></div><span class="fc-num">{signed(value)}</span></div>'
        for m, value in values.items()
    )


def shares(report: ModalityReport) -> str:
    """MM-SHAP under its own name, where it was measured."""
    if report.mm_shap is None:
        return ""
    parts = "".join(
        f'<span class="fm-{m}" style="flex:{share:.4f} 0 0" title="{NAMES[m]} {share:.0%}">'
        f"{f'{NAMES[m]} {share:.0%}' if share > 0.12 else ''}</span>"
        for m, share in report.mm_shap.items()
    )
    return (
        '<h4 class="fm-under">MM-SHAP</h4>'
        f'<div class="fm-strip">{parts}</div>'
        '<p class="fc-note">Another quantity: the share of the absolute Shapley values of all '
        "tokens. How much each was used, for or against.</p>"
    )


def every(report: ModalityReport) -> str:
    """Shapley values of the most probable labels, or of every word."""
    found = report.coalitions
    rows = range(len(found.labels))
    if not found.independent:
        rows = found.probabilities[-1].argsort()[::-1][:LABELS]
    heads = "".join(f'<th class="fc-num fm-{m}">{NAMES[m]}</th>' for m in found.players)
    body = ""
    for i in rows:
        values = "".join(f'<td class="fc-num">{signed(float(x))}</td>' for x in report.each[:, i])
        now = " class=fm-now" if i in report.target.plus and not found.independent else ""
        body += f"<tr{now}><td>{escape(found.labels[i])}</td>{values}</tr>"
    what = "every word" if found.independent else "the most probable labels"
    return (
        f'<h4 class="fm-under">Shapley values of {what}</h4>'
        f'<table class="fc-table fm-rows fm-each"><tr><th></th>{heads}</tr>{body}</table>'
    )


def said(report: ModalityReport) -> str:
    """The caption; in italics what the language alone would have said."""
    if not report.words:
        return ""
    words = "".join(
        f'<span class="{"fm-prior" if w.prior else "fm-own"}">{escape(w.text)}'
        f"<small>{w.seen:.2f} | {w.unseen:.2f}</small></span>"
        for w in report.words
    )
    count = sum(w.prior for w in report.words)
    note = (
        "Chance with the clip | of nothing, given the words before. In italics: said without "
        f"looking, as the word keeps {KEPT:.0%} or more of its chance when the model is shown "
        f"nothing ({count} of {len(report.words)} words)."
    )
    return _card("Seen, or just language?", f'<p class="fm-said">{words}</p>', note)


def votes(report: ModalityReport) -> str:
    """Whether the votes agree, and how far each lies from the others."""
    found = report.votes
    if found is None:
        return ""
    rows = "".join(
        f"<tr><td>{escape(spoken(vote))}</td><td>{escape(label)}</td>"
        f"{_meter(found.apart[vote])}</tr>"
        for vote, label in found.tops.items()
    )
    head = "<tr><th>alone</th><th>says</th><th colspan=2>apart from the others</th></tr>"
    note = (
        f"Jensen-Shannon divergence of all: {found.divergence:.2f}, from 0, the same, to 1, "
        "nothing in common."
    )
    inner = (
        f'<p class="fm-lead">{escape(found.said)}</p>'
        f'<table class="fc-table fm-rows">{head}{rows}</table>'
    )
    return _card("Do the votes agree?", inner, note)


def effects(report: ModalityReport) -> str:
    """What became of the target when the clip was changed, and when paths were cut."""
    groups = [("Tried", report.effects), ("Cut in the model", report.cuts)]
    body = "".join(
        f'<tr><th class="fm-head" colspan=6>{title}</th></tr>{"".join(map(_effect, found))}'
        for title, found in groups
        if found
    )
    if not body:
        return ""
    words = report.coalitions.independent
    chance = "chance of all its words" if words and len(report.target.plus) > 1 else "chance"
    head = (
        '<tr><th></th><th class="fc-num">attended</th><th class="fc-num">change of the score</th>'
        f'<th class="fc-num">{chance}</th><th>{"words" if words else "labels"} that change most'
        "</th><th>answer then</th></tr>"
    )
    note = (
        "Attended: the share of the readers’ attention that went along what was cut; all of it, "
        "where a layer reads one stream alone."
    )
    table = f'<table class="fc-table fm-effects">{head}{body}</table>'
    title = f"What if <small>· for {escape(report.target.name)}</small>"
    return _card(title, f'<div class="fm-scroll">{table}</div>', note if report.cuts else "")


def _effect(found: Effect) -> str:
    before, after = found.chance
    moved = [(label, d) for label, d in found.changes[:SHOWN] if abs(d) >= LEAST]
    most = "<br>".join(f"{escape(label)} {signed(d)}" for label, d in moved) or "none"
    attended = "" if found.attended is None else f"{found.attended:.0%}"
    answer = "not written anew" if found.answer[1] is None else escape(found.answer[1])
    return (
        f"<tr{' class=fm-turned' if found.turned else ''}><td>{escape(found.said)}</td>"
        f'<td class="fc-num">{attended}</td><td class="fc-num">{signed(found.change)}</td>'
        f'<td class="fc-num">{chance(before)} → {chance(after)}</td>'
        f'<td class="fm-most">{most}</td><td class="fm-then">{answer}</td></tr>'
    )


def _meter(share: float) -> str:
    """Two cells: a bar from 0 to 1, and its figure."""
    return (
        f'<td class="fm-meter"><div class="fc-track"><i style="width:{share:.2%}"></i></div></td>'
        f'<td class="fc-num">{share:.2f}</td>'
    )


def number(value: float) -> str:
    """Two decimals with a true minus; nothing has no sign."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def signed(value: float) -> str:
    """The same with its sign."""
    return f"{'+' if round(value, 2) > 0 else ''}{number(value)}"


def chance(value: float) -> str:
    """A probability; a tiny one is not shown as none."""
    return "&lt;0.01" if 0 < value < LEAST else f"{value:.2f}"


def _card(title: str, inner: str, note: str = "") -> str:
    foot = f'<p class="fc-note">{note}</p>' if note else ""
    return f'<section class="fc-card"><h2>{title}</h2>{inner}{foot}</section>'
