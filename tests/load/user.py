"""One user: asks for this and that, breaks things off, and looks for what belongs to others."""

from __future__ import annotations

import io
import json
import math
import random
import time
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tests.load.clips import Marker
from tests.load.speak import API, Answer, Leave, Session
from tests.load.tally import Tally

METHOD, STEPS = "token-integrated-gradients", {"steps": 8}
SLOW = {"steps": 200}
WEIGHTS = {
    "analyse": 4, "compare": 4, "attribute": 4, "export": 1, "cancel": 2, "drop": 2, "abort": 2,
    "spoilt": 1, "pry": 1,
}  # fmt: skip
Known = Mapping[str, Any]


class User:
    """A user with a marker clip. expected: what each answer was while nobody else was there."""

    def __init__(
        self, address: str, mark: Marker, others: Sequence[Marker], tally: Tally,
        runs: dict[int, str], seed: int = 0,
    ) -> None:  # fmt: skip
        self.address, self.mark, self.tally, self.runs = address, mark, tally, runs
        self.others = [m for m in others if m.tag != mark.tag]
        self.dice = random.Random(f"{seed}-{mark.number}")
        self.session = Session(address)
        self.expected: dict[str, Any] = {}
        self.run = ""

    def alone(self) -> None:
        """Learn the right answers; an error where there is none."""
        for kind in ("analyse", "compare", "attribute"):
            answer: Answer | None = getattr(self, kind)()
            if answer is None or answer.outcome != "finished":
                raise RuntimeError(f"{kind} of {self.mark.tag} failed alone: {answer}")

    def go_on(self, until: float) -> None:
        """Until then, one thing after another."""
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        while time.monotonic() < until:
            getattr(self, self.dice.choices(names, weights)[0])()
            time.sleep(self.dice.uniform(0, 0.5))

    def leave(self) -> None:
        self.session.close()

    def analyse(self, leave: Leave | None = None) -> Answer | None:
        try:
            clip = self.session.upload(self.mark.path)
        except OSError as error:
            self.tally.job("upload", Answer("lost", None, str(error)[:200]))
            return None
        kind = "analyse" if leave is None else f"analyse, {leave.how}"
        given = (clip, self.mark.text, "", None, 0.0, None)
        answer = self.tally.job(kind, self.session.ask("analyse", *given, leave=leave))
        if answer.outcome == "finished":
            self.run = self.runs[self.mark.number] = answer.value["run"]
            self._same("analyse", [one["probability"] for one in answer.value["top"]], answer.value)
        return answer

    def compare(self) -> Answer | None:
        """Switch the sound off."""
        return self._of_run("compare", "", ["audio"], "", "auto", None)

    def attribute(self) -> Answer | None:
        return self._of_run("attribute", METHOD, "auto", STEPS)

    def export(self) -> Answer | None:
        answer = self._of_run("export")
        if answer is None or answer.outcome != "finished":
            return answer
        try:
            content = self.session.fetch(f"{API}/file={quote(answer.value['path'])}")
        except OSError as error:
            self.tally.job("download", Answer("lost", None, str(error)[:200]))
            return answer
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = b"".join(archive.read(n) for n in archive.namelist() if n.endswith("json"))
        for mine in (self.mark.text, self.mark.sha256):
            if mine.encode() not in parts:
                self.tally.mix(f"export of {self.mark.tag} without {mine}")
        self._foreign("export", parts.decode("utf-8", "replace"))
        return answer

    def cancel(self) -> None:
        self._left("cancel")

    def drop(self) -> None:
        """Hang up, and come again as somebody new."""
        self._left("hang up")
        self.session.close()
        self.session, self.run = Session(self.address), ""

    def abort(self) -> None:
        size = self.dice.randrange(2**20, 30 * 2**20)
        try:
            self.session.abort_upload(size, self.dice.randrange(size))
            self.tally.note("uploads aborted")
        except OSError as error:
            self.tally.note(f"uploads aborted, refused: {type(error).__name__}")

    def spoilt(self) -> None:
        """A damaged clip, which must be refused in a sentence."""
        content = bytearray(self.mark.path.read_bytes())
        for _ in range(40):
            content[self.dice.randrange(len(content))] = self.dice.randrange(256)
        path = self.mark.path.with_name(f"spoilt-{self.mark.tag}.mp4")
        path.write_bytes(content[: self.dice.randrange(100, len(content))])
        try:
            given = (self.session.upload(path), "", "", None, 0.0, None)
        except OSError as error:
            self.tally.job("upload", Answer("lost", None, str(error)[:200]))
            return
        self.tally.job("analyse a damaged clip", self.session.ask("analyse", *given))

    def pry(self) -> None:
        """Ask for another user's run by its id, which nobody should know."""
        known = [run for number, run in list(self.runs.items()) if number != self.mark.number]
        if known:
            given = (self.dice.choice(known), METHOD, "auto", STEPS)
            answer = self.tally.job("another's run", self.session.ask("attribute", *given))
            if answer.outcome == "finished":
                self.tally.note("answered with another's run")

    def _left(self, how: Any) -> None:
        leave = Leave(self.dice.uniform(0.05, 4.0), how)
        if self.run and self.dice.random() < 0.5:
            given = (self.run, METHOD, "auto", SLOW)
            self.tally.job(f"attribute, {how}", self.session.ask("attribute", *given, leave=leave))
        else:
            self.analyse(leave)

    def _of_run(self, kind: str, *given: Any) -> Answer | None:
        if not self.run:
            self.analyse()
        if not self.run:
            return None
        answer = self.tally.job(kind, self.session.ask(kind, self.run, *given))
        if answer.outcome == "told" and "run" in answer.said:
            self.run = ""  # it is no longer kept
        if answer.outcome == "finished":
            if kind == "compare":
                found = [(one["label"], one["delta"]) for one in answer.value["changes"]]
                self._same(kind, [delta for _, delta in sorted(found)], answer.value)
            if kind == "attribute":
                self._same(kind, list(answer.value["shares"].values()), answer.value)
                words = answer.value["axes"]["text"]["words"]
                if words != self.mark.text.split():
                    self.tally.mix(f"words of {self.mark.tag}: {words}")
        return answer

    def _same(self, kind: str, found: list[float], whole: Any) -> None:
        """The same as alone, and nothing of others."""
        first = self.expected.setdefault(kind, found)
        near = [math.isclose(a, b, abs_tol=1e-3) for a, b in zip(first, found, strict=False)]
        if len(first) != len(found) or not all(near):
            self.tally.mix(f"{kind} of {self.mark.tag}: {found[:3]} instead of {first[:3]}")
        self._foreign(kind, json.dumps(whole))

    def _foreign(self, kind: str, text: str) -> None:
        for other in self.others:
            if other.tag in text or other.sha256 in text:
                self.tally.mix(f"{kind} of {self.mark.tag} holds {other.tag}")
