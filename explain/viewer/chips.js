// The lane of words.

// One chip a word; timed words stand at their time, in as many rows as they need.
function buildWords() {
  const box = part("words");
  for (const old of box.querySelectorAll(".flow, .timed")) old.remove();
  const { words } = state.value;
  const timed = words.some((w) => w.start !== null);
  part("lanes").classList.toggle("untimed", !timed);
  const rows = { timed: document.createElement("div"), flow: document.createElement("div") };
  words.forEach((word, i) => {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "fs-word";
    chip.dataset.do = "word";
    chip.dataset.word = i;
    chip.textContent = word.text;
    rows[word.start === null ? "flow" : "timed"].append(chip);
  });
  for (const [name, row] of Object.entries(rows)) {
    row.className = name;
    if (row.childElementCount) box.append(row);
  }
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

function paintWords() {
  const { painted, range, pin } = state;
  const shown = painted && painted.mod === "text";
  for (const chip of root.querySelectorAll(".fs-word")) {
    const i = +chip.dataset.word;
    const strength = shown ? 8 + 72 * level(painted.values[i], range) : 0;
    chip.style.setProperty("--p", strength.toFixed(0) + "%");
    chip.classList.toggle("strong", strength > 52);
    chip.classList.toggle("pinned", Boolean(pin) && pin.mod === "text" && pin.from === i);
  }
}

function paintSpoken() {
  const { words } = state.value;
  for (const chip of root.querySelectorAll(".fs-words .timed .fs-word")) {
    const { start, end } = words[+chip.dataset.word];
    chip.classList.toggle("now", state.time >= start && state.time < (end ?? start));
  }
}
