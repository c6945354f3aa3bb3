// Pointer: press and drag on a lane seeks; a click on a patch, a span or a matrix cell pins it.
let drag = null;

function place(event, node) {
  const box = node.getBoundingClientRect();
  const within = (at, from, size) => clamp((at - from) / size, 0, 0.99999);
  return [within(event.clientX, box.left, box.width), within(event.clientY, box.top, box.height)];
}

const laneTime = (event, zone) => state.value.start + place(event, zone)[0] * state.value.duration;

function spanAt(event, zone) {
  const { edges, heights } = soundCells();
  const time = laneTime(event, zone);
  let i = 0;
  while (i < edges.length - 2 && edges[i + 1] <= time) i++;
  if (!heights) return { mod: "audio", from: i, count: 1 };
  const up = 1 - place(event, zone)[1];
  let band = 0;
  while (band < heights.length - 2 && heights[band + 1] <= up) band++;
  return { mod: "audio", from: i * (heights.length - 1) + band, count: 1 };
}

function patchAt(event, zone) {
  const { rows, cols } = frameCells();
  const [x, y] = place(event, zone);
  const cell = Math.floor(y * rows) * cols + Math.floor(x * cols);
  return { mod: "video", from: frameAt(state.time) * rows * cols + cell, count: 1 };
}

element.addEventListener("pointerdown", (event) => {
  const zone = event.target.closest("[data-zone]");
  if (!zone || !state.value || event.button) return;
  const name = zone.dataset.zone;
  drag = { zone, name, x: event.clientX, y: event.clientY, moved: false };
  if (zone.matches(".fs-lane")) {
    zone.setPointerCapture(event.pointerId);
    seek(laneTime(event, zone));
  }
});

element.addEventListener("pointermove", (event) => {
  if (!state.value) return;
  if (drag) {
    drag.moved ||= Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 4;
    if (drag.zone.matches(".fs-lane")) seek(laneTime(event, drag.zone));
  }
  hint(event);
});

element.addEventListener("pointerup", (event) => {
  const { zone, name, moved } = drag || {};
  drag = null;
  const scores = state.look === "scores";
  if (!zone || moved || (scores ? !state.scored : !state.map)) return;
  if (name === "picture" && (scores ? paintingOn("video") : !state.map.own)) pinCell(patchAt(event, zone));
  if (name === "sound" && state.value.sound && (!scores || paintingOn("audio"))) pinCell(spanAt(event, zone));
  const cell = name === "matrix" && matrixCell(event);
  if (!cell) return;
  pinCell(cell.query);
  const time = timeOf(cell.query) ?? timeOf(cell.key);
  if (time !== null) seek(time);
});

element.addEventListener("pointercancel", () => { drag = null; });
root.addEventListener("pointerleave", () => { part("tip").hidden = true; });
part("mx").addEventListener("scroll", () => { if (matrix) paintMatrix(); });

// The tooltip: the thing under the pointer, and its number where it is painted.
function hint(event) {
  const zone = event.target.closest("[data-zone], .fs-word");
  const hinted = state.look === "scores" ? state.scored : state.map;
  const text = zone && hinted ? hintText(event, zone) : "";
  const tip = part("tip");
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const box = root.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const left = clamp(x + 14, 0, Math.max(0, root.clientWidth - tip.offsetWidth));
  tip.style.transform = "translate(" + left + "px, " + (y - tip.offsetHeight - 12) + "px)";
}

function hintText(event, zone) {
  const { value } = state;
  const name = zone.dataset.zone;
  if (name === "matrix") {
    const cell = matrixCell(event);
    if (!cell) return "";
    const [from, to] = [cell.query, cell.key].map((pin) => cellName(value, pin));
    return capital(from) + " → " + to + ": " + figure(cell.value);
  }
  if (name === "frames" && value.frames) {
    const [n, frame] = [cellsPerFrame(), frameAt(laneTime(event, zone))];
    const said = capital(cellName(value, { mod: "video", from: frame * n, count: n }));
    const shown = paintingOn("video");
    if (!shown) return said;
    if (state.look === "scores") return scoreHint({ mod: "video", from: frame * n, count: n });
    if (shown.map.own) return said + ": strongest cell " + share(strongest(shown.values, frame)[0], shown.even);
    const sum = shown.values.subarray(frame * n, (frame + 1) * n).reduce((a, b) => a + b, 0);
    const whole = pinSide(shown.map, state.pin) !== "key"; // its share of what is read; else how much it reads
    return said + ": " + figure(whole ? sum : sum / n) + (whole ? " in all its cells" : ", mean of its cells");
  }
  let pin = null;
  if (zone.matches(".fs-word")) pin = pinOf(zone);
  else if (name === "picture") pin = patchAt(event, zone);
  else if (name === "sound" && value.sound) pin = spanAt(event, zone);
  if (!pin) return "";
  if (state.look === "scores") return scoreHint(pin);
  const shown = paintingOn(pin.mod);
  const { probability } = isSlot(pin.mod) ? chipsOf(pin.mod)[pin.from] : {};
  return capital(cellName(value, pin)) + (probability === undefined ? "" : ", probability " + probability.toFixed(2))
    + (shown ? ": " + share(shown.values[pin.from], shown.even) : "");
}
