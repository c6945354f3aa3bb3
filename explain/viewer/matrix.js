// The query x key matrix: rows read columns. It is drawn for the part that is scrolled to, so that
// any size stays legible.

const LEAST = { video: [14, 9], audio: [5, 5] }; // smallest row and column, px
const leastOf = (mod) => LEAST[mod] || [15, 15];
const SIDES = { video: "frames", audio: "sound", text: "words" };
const sideName = (mod) => mod === "text" && heard() ? nameOf(mod) : SIDES[mod] || NAME[mod];
const MX = { left: 76, right: 2, top: 2 }; // left is narrower where the rows are seconds
let matrix = null; // gathered values, and where they lie on the screen

function layMatrix() {
  const { map, head, value } = state;
  const box = part("mx");
  box.hidden = map.own;
  part("tiles").hidden = !map.own;
  if (map.own) {
    matrix = null;
    paintTiles();
    return;
  }
  const cells = gathered(map, head, value.frames ? cellsPerFrame() : 1);
  const range = extent(cells.values);
  sayMatrix(map, head, range);
  const room = box.clientWidth;
  if (!room) return;
  MX.left = chipsOf(map.query).some(({ text }) => text.length > 4) ? 80 : 46;
  const across = room - MX.left - MX.right;
  const cw = Math.max(leastOf(map.key)[1], across / cells.cols);
  const upright = cw < 46 && chipsOf(map.key).some(({ text }) => text.length > 4);
  const bottom = upright ? 62 : 20;
  const ch = clamp(210 / cells.rows, leastOf(map.query)[0], 34);
  const height = Math.min(MX.top + cells.rows * ch + bottom, 308);
  matrix = { ...cells, map, cw, ch, bottom, upright, height, range };
  const size = part("mx-size");
  const width = Math.max(room, Math.floor(MX.left + cells.cols * cw + MX.right));
  size.style.width = width + "px";
  size.style.height = MX.top + cells.rows * ch + bottom + "px";
  box.style.height = height + (width > room ? 12 : 0) + "px";
  paintMatrix();
}

function sayMatrix(map, head, range) {
  fill(part("mx-title"), make("span", "fs-c-" + map.query, sideName(map.query)), " × ",
    make("span", "fs-c-" + map.key, sideName(map.key)),
    make("small", "", map.group === "route" ? "  columns reach rows" : "  rows read columns"));
  fill(part("mx-note"), figure(range[0]) + " … " + figure(range[1])
    + (map.key === "video" ? ", summed over the cells of a frame" : "")
    + (map.query === "video" ? ", mean over the cells of a frame" : "")
    + (isChips(map.key) ? "" : "; columns in seconds") + ". Click pins the row and seeks."
    + (GROUPS[map.group].mod ? unplacedNote(map, head) : ""));
}

function paintMatrix() {
  if (!matrix) return;
  const { map, rows, cols, cw, ch, values, range, bottom } = matrix;
  const box = part("mx");
  const canvas = part("mx-c");
  const [width, height] = [box.clientWidth, Math.min(matrix.height, box.clientHeight)];
  const [sx, sy] = [box.scrollLeft, box.scrollTop];
  Object.assign(canvas.style, { width: width + "px", height: height + "px" });
  const area = fit(canvas, width, height);
  if (!area) return;
  const { pen } = area;
  const gap = Math.min(cw, ch) > 9 ? 1 : 0;
  pen.save();
  pen.beginPath();
  pen.rect(MX.left, MX.top, width - MX.left, height - MX.top - bottom);
  pen.clip();
  for (let i = Math.floor(sy / ch); i < rows && i * ch - sy < height; i++) {
    for (let j = Math.floor(sx / cw); j < cols && j * cw - sx < width; j++) {
      pen.fillStyle = css(level(values[i * cols + j], range));
      pen.fillRect(MX.left + j * cw - sx, MX.top + i * ch - sy, cw - gap + 0.4 * !gap, ch - gap + 0.4 * !gap);
    }
  }
  paintPinned(pen, sx, sy, width, height);
  pen.restore();
  const { theme } = state;
  pen.font = "11px " + theme.font;
  pen.fillStyle = theme.mute;
  pen.textBaseline = "middle";
  labels(map.query, rows, ch, sy, MX.top, height - bottom, 13, (text, at) => {
    pen.textAlign = "right";
    pen.fillText(shorten(pen, text, MX.left - 12), MX.left - 7, at);
  });
  labels(map.key, cols, cw, sx, MX.left, width, isChips(map.key) ? 12 : 27, (text, at) => {
    pen.textAlign = "center";
    if (matrix.upright) {
      pen.save();
      pen.translate(at, height - bottom + 5);
      pen.rotate(-Math.PI / 2);
      pen.textAlign = "right";
      pen.fillText(shorten(pen, text, bottom - 8), 0, 0);
      pen.restore();
    } else {
      const x = clamp(at, MX.left + 10, width - 14);
      pen.fillText(shorten(pen, text, Math.max(34, cw - 2)), x, height - bottom + 11);
    }
  });
}

// Every label that has room: words in full, seconds at least `room` px apart.
function labels(mod, count, size, scroll, from, to, room, draw) {
  const { frames, sound } = state.value;
  const unit = room > 20 ? "" : " s"; // columns have no room for it
  const every = Math.max(1, Math.ceil(room / size));
  for (let i = 0; i < count; i += every) {
    const at = from + (i + 0.5) * size - scroll;
    if (at < from + 2 || at > to - 2) continue;
    if (isChips(mod)) draw(chipsOf(mod)[i].text, at);
    else if (mod === "video") draw(frames.times[i].toFixed(1) + unit, at);
    else draw(((sound.edges[i] + sound.edges[i + 1]) / 2).toFixed(1) + unit, at);
  }
}

function shorten(pen, text, width) {
  if (pen.measureText(text).width <= width) return text;
  let short = text;
  while (short.length > 1 && pen.measureText(short + "…").width > width) short = short.slice(0, -1);
  return short + "…";
}

function paintPinned(pen, sx, sy, width, height) {
  const side = pinSide(matrix.map, state.pin);
  if (!side) return;
  const { from } = state.pin;
  const { cw, ch, gq, gk, bottom } = matrix;
  const [x, y] = [MX.left + Math.floor(from / gk) * cw - sx, MX.top + Math.floor(from / gq) * ch - sy];
  if (side === "query") outline(pen, MX.left - 1, y - 1, width - MX.left - MX.right + 2, ch + 2);
  else outline(pen, x - 1, MX.top - 1, cw + 2, height - MX.top - bottom + 2);
}

// The cell under the pointer, as pins: {query, key, value}.
function matrixCell(event) {
  if (!matrix) return null;
  const box = part("mx");
  const place = box.getBoundingClientRect();
  const [x, y] = [event.clientX - place.left - MX.left, event.clientY - place.top - MX.top];
  if (x < 0 || y < 0 || y > matrix.height - matrix.bottom - MX.top) return null;
  const [i, j] = [Math.floor((y + box.scrollTop) / matrix.ch), Math.floor((x + box.scrollLeft) / matrix.cw)];
  if (i >= matrix.rows || j >= matrix.cols) return null;
  const { map, gq, gk } = matrix;
  return {
    query: { mod: map.query, from: i * gq, count: gq },
    key: { mod: map.key, from: j * gk, count: gk },
    value: matrix.values[i * matrix.cols + j],
  };
}
