// The picture tower, frame by frame: one small map per frame, side by side on one scale.

function buildTiles() {
  const box = part("tiles");
  const { frames } = state.value;
  box.replaceChildren(...(frames ? frames.times : []).map((time, i) => {
    const tile = make("button", "fs-tile");
    tile.type = "button";
    Object.assign(tile.dataset, { do: "frame", frame: i });
    tile.append(make("canvas"), make("small", "fs-num", seconds(time)));
    return tile;
  }));
  if (frames) box.style.setProperty("--shape", frames.width + " / " + frames.height);
}

// The strongest cell of a frame: [value, row, column].
function strongest(values, frame) {
  const n = cellsPerFrame();
  let at = frame * n;
  for (let i = at; i < (frame + 1) * n; i++) if (values[i] > values[at]) at = i;
  const { cols } = frameCells();
  return [values[at], Math.floor((at % n) / cols), (at % n) % cols];
}

function paintTiles() {
  const { map, head, painted, range } = state;
  const { times, rows, cols } = state.value.frames;
  fill(part("mx-title"), make("span", "fs-c-video", "frame by frame"),
    make("small", "", head === "max" ? "  largest of the heads" : "  each frame's map sums to 1"));
  fill(part("mx-note"), "All frames on the scale above, " + figure(range[0]) + " … " + figure(range[1])
    + "; click seeks." + unplacedNote(map, head));
  [...part("tiles").children].forEach((tile, i) => {
    sheet(heatImage(painted.values, i * rows * cols, rows, cols, rows, cols, heatInk(range), true), tile.firstChild);
    const [value, row, column] = strongest(painted.values, i);
    const said = "Frame at " + seconds(times[i]) + ", strongest cell in row " + (row + 1) + ", column " + (column + 1)
      + ": " + share(value, map.even);
    tile.setAttribute("aria-label", said);
    tile.title = said;
  });
}

function markTiles() {
  const now = state.value.frames ? frameAt(state.time) : -1;
  for (const tile of part("tiles").children) {
    tile.setAttribute("aria-current", String(+tile.dataset.frame === now));
  }
}
