// The flow through single tokens: one small picture per layer and bottleneck token or caption word.

// On which side of a map the tokens stand: those that read, else the bottleneck that is read.
function tokenSide(map) {
  if (isSlot(map.query) && map.q > 1) return "query";
  return isSlot(map.key) && map.k > 1 ? "key" : null;
}

const otherSide = (side) => (side === "query" ? "key" : "query");

// What stands side by side in a row: the pair's map, and of the bottleneck the one with the other
// modality in that layer.
function besides(map, side) {
  const found = mapsOf(map.group).filter((m) => m.layer === map.layer && m[side] === map[side] && MODS.includes(m[otherSide(side)]));
  return map[side] === "bottleneck" && found.includes(map) ? found : [map];
}

function buildTokens(chosen, side) {
  const box = part("tokengrid");
  part("tokenbox").hidden = !side;
  if (!side) {
    box.replaceChildren();
    return;
  }
  const mod = chosen[side];
  const chips = chipsOf(mod);
  const rows = state.listed.map((map) => besides(map, side));
  const [first, ...more] = rows[0].map(() => chips.map((chip) => make("span", "fs-c-" + mod, chip.text)));
  const names = [make("canvas", "fs-sheet"), make("i"), ...first, ...more.flatMap((names) => [make("i"), ...names])];
  fill(box, ...names, ...rows.flatMap((maps, i) => [rowName(state.listed[i]), ...maps.flatMap((map, at) =>
    [...(at ? [make("i")] : []), ...chips.map((_, cell) => tokenThumb(map, side, cell))])]));
  box.style.setProperty("--n", chips.length);
  box.classList.toggle("double", more.length > 0);
  titleTokens(mod, side, rows[0].map((map) => map[otherSide(side)]));
}

function titleTokens(mod, side, others) {
  fill(part("token-title"), mod === "caption" ? "Layer × word" : "Layer × token");
  const places = others.length > 1 ? ["left ", ", right "] : [""];
  const names = others.flatMap((other, i) => [places[i], make("span", "fs-c-" + other, nameOf(other))]);
  fill(part("token-note"), side === "query" ? "what each read: " : "what read each: ", ...names, "; mean of heads");
}

function tokenThumb(map, side, cell) {
  const shown = map[otherSide(side)];
  const thumb = make("button", "fs-thumb");
  const pin = { mod: map[side], from: cell, count: 1 };
  thumb.type = "button";
  Object.assign(thumb.dataset, { do: "token", map: map.index, stream: map[side], cell });
  thumb.setAttribute("aria-label", capital(layerName(map)) + ": "
    + (side === "query" ? "what " + cellName(state.value, pin) + " read of " + nameOf(shown)
      : "how " + nameOf(shown) + " read " + cellName(state.value, pin)));
  return thumb;
}

function paintTokens() {
  const canvas = part("tokengrid .fs-sheet");
  const area = canvas && fit(canvas);
  if (!area) return;
  drawSmalls(area, part("tokengrid"), [...root.querySelectorAll(".fs-tokengrid .fs-thumb")].map((thumb) => {
    const map = state.maps[+thumb.dataset.map];
    const { mod, values } = paintedOf(map, "mean", pinOf(thumb));
    const range = extent(values);
    range[1] = Math.max(range[1], range[0] + 0.5 * map.even);
    return { thumb, ...smallGrid(mod, values), range };
  }));
}
