// The lanes of chips: words, the words of a caption, and the model's own tokens.

function chipOf(mod, cell, text) {
  const chip = make("button", "fs-word fs-k-" + mod, text);
  chip.type = "button";
  Object.assign(chip.dataset, { stream: mod, cell });
  return chip;
}

// One chip a word; timed words stand at their time, in as many rows as they need.
function buildWords() {
  const box = part("words");
  for (const old of box.querySelectorAll(".flow, .timed")) old.remove();
  const rows = { timed: make("div", "timed"), flow: make("div", "flow") };
  state.value.words.forEach((word, i) => {
    const chip = chipOf("text", i, word.text);
    Object.assign(chip.dataset, { do: "word", word: i });
    rows[word.start === null ? "flow" : "timed"].append(chip);
  });
  for (const row of Object.values(rows)) if (row.childElementCount) box.append(row);
  part("words-name b").textContent = heard() ? nameOf("text") : "words";
  part("words-name small").textContent = "";
}

const INVITE = {
  attention: {
    tokens: "point at one to see what it read, click to keep it",
    caption: "point at a word to see what it looked at, click to keep it",
  },
  scores: { tokens: "tokens of the model’s own, without a place in the clip", caption: "click a word to ask why it was said" },
};

// The lanes of tokens and of the caption, where the run has them.
function buildSlots() {
  for (const [lane, streams] of Object.entries(LANE)) {
    const chips = streams.flatMap((mod) => chipsOf(mod).map((said, i) => slotChip(mod, said, i)));
    part(lane).replaceChildren(...chips, make("span", "fs-invite"));
    for (const node of [part(lane), part(lane + "-name")]) node.hidden = !chips.length;
  }
  const bottle = chipsOf("bottleneck").length > 0;
  part("tokens-name b").textContent = bottle ? "bottleneck" : "class tokens";
}

function slotChip(mod, { text, probability }, i) {
  const chip = chipOf(mod, i, text);
  chip.classList.add("fs-slot");
  chip.dataset.do = "slot";
  if (probability === undefined) return chip;
  chip.style.setProperty("--u", Math.round(100 * probability) + "%");
  chip.setAttribute("aria-label", text + ", probability " + probability.toFixed(2));
  return chip;
}

// The rows of lanes, from above: what has a time, the axis, what has none.
function placeLanes() {
  const timed = Boolean(part("words .timed"));
  const [before, after] = timed ? [["words"], []] : [[], ["words"]];
  const order = ["frames", "sound", "time", ...before, "axis", "tokens", "caption", ...after];
  const there = order.filter((lane) => !part(lane).hidden);
  const size = { frames: "62px", sound: "minmax(76px, 1.2fr)", time: "minmax(64px, 1fr)", axis: "18px" };
  there.forEach((lane, i) => {
    for (const node of [part(lane), part(lane + "-name")]) if (node) node.style.gridRow = i + 1;
  });
  part("lanes").style.gridTemplateRows = there.map((lane) => size[lane] || "auto").join(" ");
  part("track").style.gridRow = "1 / " + (there.indexOf("axis") + 2);
}

function layWords() {
  const box = part("words .timed");
  if (!box) return;
  const chips = [...box.children];
  const widths = chips.map((chip) => chip.offsetWidth);
  const width = box.clientWidth;
  const ends = []; // where each row is taken up to
  chips.forEach((chip, i) => {
    const wanted = timeToX(state.value.words[+chip.dataset.word].start, width);
    const x = clamp(wanted, 0, Math.max(0, width - widths[i]));
    let row = ends.findIndex((end) => end + 3 <= x);
    if (row < 0) row = ends.length;
    ends[row] = x + widths[i];
    chip.style.transform = "translate(" + x + "px, " + 25 * row + "px)";
  });
  box.style.height = Math.max(24, 25 * ends.length - 3) + "px";
}

function paintChips() {
  for (const chip of root.querySelectorAll(".fs-word")) {
    const pin = pinOf(chip);
    const shown = paintingOn(pin.mod);
    const strength = shown ? 8 + 72 * shown.ink.strength(shown.values[pin.from]) : 0;
    if (shown && shown.ink.signed) chip.style.setProperty("--c", "var(--" + side(shown.values[pin.from]) + ")");
    else chip.style.removeProperty("--c");
    chip.style.setProperty("--p", strength.toFixed(0) + "%");
    chip.classList.toggle("strong", strength > 55);
    chip.classList.toggle("pinned", same(state.pin, pin));
    chip.classList.toggle("asked", pin.mod === "caption" && askedOf(pin.from));
    if (chip.matches(".fs-slot")) press(chip, same((state.before || state).pin, pin));
  }
}

// What the lanes of chips invite to; in a report nobody is asked.
function paintInvites() {
  for (const lane of Object.keys(LANE)) {
    const words = INVITE[state.look][lane];
    const invite = part(lane + " .fs-invite");
    if (invite) fill(invite, state.look === "scores" && lane === "caption" && !state.value.asks ? "" : words);
  }
}

function paintSpoken() {
  const { words } = state.value;
  for (const chip of root.querySelectorAll(".fs-words .timed .fs-word")) {
    const { start, end } = words[+chip.dataset.word];
    chip.classList.toggle("now", state.time >= start && state.time < (end ?? start));
  }
}
