// Every layer side by side: with its heads, and with the tokens or words that read one by one.

// The rows of the tables: all maps of a group, but where there are many pairs those of one.
const crowded = (group) => group === "route" || mapsOf(group).some((m) => isSlot(m.query) || isSlot(m.key));
const listedWith = (map) => mapsOf(map.group).filter((m) => !crowded(map.group) || m.pair === map.pair);

function pairNodes(map) {
  return [make("span", "fs-c-" + map.query, nameOf(map.query)), " ← ", make("span", "fs-c-" + map.key, nameOf(map.key))];
}

// One small picture per map and head; rows are maps, columns mean, max, a gap, then heads.
function buildHeads(chosen) {
  const maps = listedWith(chosen);
  state.listed = maps;
  const box = part("heads");
  const heads = Math.max(0, ...maps.map((m) => m.heads));
  const side = tokenSide(chosen);
  box.style.setProperty("--n", heads);
  box.classList.toggle("single", heads < 2);
  part("sec-heads").style.setProperty("--m", maps.length * (side ? 2 : 1));
  const nodes = [make("canvas", "fs-sheet"), make("i"), make("span", "", heads > 1 ? "mean" : "")];
  if (heads > 1) nodes.push(make("span", "", "max"), make("i"));
  for (let h = 0; heads > 1 && h < heads; h++) nodes.push(make("span", "", String(h + 1)));
  for (const map of maps) {
    nodes.push(rowName(map));
    headsOf(map).forEach((head) => {
      nodes.push(headThumb(map, head));
      if (head === "max") nodes.push(make("i"));
    });
    for (let h = map.heads; h < heads; h++) nodes.push(make("i"));
  }
  fill(box, ...nodes);
  buildTokens(chosen, side);
  titleHeads(chosen);
}

function rowName(map) {
  const name = make("label");
  name.dataset.map = map.index;
  if (map.group === "fusion" && !crowded("fusion")) name.append(map.layer + 1 + "  ", ...pairNodes(map));
  else name.append(layerName(map));
  return name;
}

function headThumb(map, head) {
  const thumb = make("button", "fs-thumb");
  thumb.type = "button";
  Object.assign(thumb.dataset, { do: "thumb", map: map.index, head });
  thumb.setAttribute("aria-label", mapName(map) + (map.heads > 1 ? ", " + headName(head) : ""));
  return thumb;
}

function titleHeads(map) {
  const over = AVERAGE_OF[map.group] || "averaged over what reads";
  const pair = crowded(map.group) ? [...pairNodes(map), ", "] : [];
  fill(part("heads-title"), map.heads > 1 ? "Layer × head" : "Layer by layer");
  fill(part("heads-note"), ...pair, over);
}

const AVERAGE_OF = { "video tower": "averaged over frames", "text tower": "averaged over words" };

// Values over the cells of a stream, small: the mean over frames, or one column per cell.
function smallGrid(mod, values) {
  if (mod !== "video") return { mod, values, rows: 1, cols: values.length };
  const { rows, cols, times } = state.value.frames;
  const mean = new Float32Array(rows * cols);
  values.forEach((v, i) => { mean[i % mean.length] += v / times.length; });
  return { mod, values: mean, rows, cols };
}

const scratch = document.createElement("canvas");

// All of a table stand on one canvas over its buttons: each on its own would be a layer of the page.
function drawSmalls({ pen }, table, smalls) {
  const places = placesIn(table);
  for (const { thumb, mod, values, rows, cols, range } of smalls) {
    const [height, width] = mod === "video" ? [28, 42] : [1, cols];
    const image = heatImage(values, 0, rows, cols, height, width, heatInk(range), true);
    pen.save();
    pen.beginPath();
    pen.roundRect(...places.get(thumb), 4);
    pen.clip();
    pen.imageSmoothingEnabled = mod === "video";
    pen.drawImage(sheet(image, scratch), ...places.get(thumb));
    pen.restore();
  }
}

// Where the buttons of a table lie: [left, top, width, height]. Each row begins with a label; a row
// and a column are measured once.
function placesIn(table) {
  const places = new Map();
  const columns = [];
  let [column, row] = [0, null];
  for (const node of table.children) {
    if (node.matches("label")) [column, row] = [0, null];
    else column += 1;
    if (!node.matches(".fs-thumb")) continue;
    columns[column] ||= [node.offsetLeft, node.offsetWidth];
    row ||= [node.offsetTop, node.offsetHeight];
    places.set(node, [columns[column][0], row[0], columns[column][1], row[1]]);
  }
  return places;
}

function paintHeads() {
  const { scale } = state;
  const area = fit(part("heads .fs-sheet"));
  if (!area) return;
  const grids = new Map();
  for (const map of state.listed) {
    for (const head of headsOf(map)) {
      grids.set(map.index + " " + head, { map, head, ...smallGrid(map.key, map.received[head]) });
    }
  }
  drawSmalls(area, part("heads"), [...root.querySelectorAll(".fs-heads .fs-thumb")].map((thumb) => {
    const grid = grids.get(thumb.dataset.map + " " + thumb.dataset.head);
    const peers = scale === "view" ? [grid] : [...grids.values()].filter((other) =>
      other.map.key === grid.map.key && alike(other.head, grid.head) && (scale === "all" || other.map.layer === grid.map.layer));
    const range = extent(peers.flatMap((peer) => extent(peer.values)));
    range[1] = Math.max(range[1], range[0] + 0.5 * grid.map.even);
    return { thumb, ...grid, range };
  }));
  paintTokens();
}

// The row of the chosen map, and in it the head or token chosen.
function markHeads() {
  const { map, head, pin } = state;
  const chosen = (thumb) => thumb.dataset.do === "token" ? same(pin, pinOf(thumb)) : thumb.dataset.head === String(head);
  for (const node of [...part("heads").children, ...part("tokengrid").children]) {
    const here = +node.dataset.map === map.index;
    if (node.matches(".fs-thumb")) press(node, here && chosen(node));
    else node.classList.toggle("on", here);
  }
}
