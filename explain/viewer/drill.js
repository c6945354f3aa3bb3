// The drill-down: which pair reads which, and every layer and head side by side.

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// The map that a pair stands for: in this layer if it has one, else the nearest layer's.
function mapOfPair(query, key) {
  const map = groupOf() === "fusion" ? state.map : state.last.fusion;
  const here = map ? map.layer : 0;
  return mapsOf("fusion").filter((m) => m.query === query && m.key === key)
    .sort((a, b) => Math.abs(a.layer - here) - Math.abs(b.layer - here))[0];
}

function whyNoPair(query, key) {
  if (query === key) return ["–", "a modality does not read itself here"];
  const { streams } = state.value;
  for (const mod of [query, key]) {
    if (!streams[mod].there) return ["none", "the clip has no " + NAME[mod]];
  }
  for (const mod of [query, key]) {
    if (!streams[mod].on) return ["off", NAME[mod] + " is switched off"];
  }
  return ["none", "this model has no such path"];
}

function paintPairs() {
  const { maps, value } = state;
  const strongestCut = Math.max(0.1, ...maps.map((m) => Math.abs(m.cut ?? 0)));
  const mods = Object.keys(NAME);
  const cells = [make("i"), ...mods.map((mod) => make("b", "fs-c-" + mod, NAME[mod]))];
  for (const query of mods) {
    cells.push(make("b", "row fs-c-" + query, NAME[query]));
    for (const key of mods) {
      cells.push(pairCell(query, key, strongestCut));
    }
  }
  const focused = root.querySelector(".fs-pair:focus");
  const back = focused && cells.find((cell) => ["do", "pair", "group"].every((name) => cell.dataset[name] === focused.dataset[name]));
  part("pairs").replaceChildren(...cells);
  if (back) back.focus({ preventScroll: true });
  const legend = part("legend");
  legend.replaceChildren("how peaked (0 even, 1 one cell)", make("br"),
    make("b", "", "change of “" + value.target + "” when cut"), ", as colour");
}

// One cell: the way into a tower, a pair to choose, or why there is none.
function pairCell(query, key, strongestCut) {
  const { map, head, value } = state;
  const tower = query === key && towerOf(query);
  if (tower) return towerCell(tower);
  const found = mapOfPair(query, key);
  const cell = make(found ? "button" : "span", found ? "fs-pair" : "");
  if (!found) {
    [cell.textContent, cell.title] = whyNoPair(query, key);
    return cell;
  }
  cell.type = "button";
  Object.assign(cell.dataset, { do: "pair", pair: found.pair });
  const focus = focusOf(found, validHead(found, head)).toFixed(2);
  const cut = found.cut === null ? "–" : signed(found.cut);
  cell.append(focus, make("b", "", cut));
  cell.style.setProperty("--p", (48 * Math.abs(found.cut ?? 0) / strongestCut).toFixed(0) + "%");
  cell.setAttribute("aria-pressed", String(map.group === "fusion" && map.pair === found.pair));
  cell.setAttribute("aria-label", NAME[query] + " reads " + NAME[key] + ", layer " + (found.layer + 1)
    + ": how peaked " + focus + ", change of " + value.target + " when cut " + cut);
  cell.title = cell.getAttribute("aria-label");
  return cell;
}

// On the diagonal of the pairs: the way into a modality's own tower.
function towerCell(group) {
  const cell = make("button", "fs-pair fs-into", "tower");
  cell.type = "button";
  Object.assign(cell.dataset, { do: "group", group });
  cell.setAttribute("aria-pressed", String(state.map.group === group));
  cell.setAttribute("aria-label", "Inside the " + GROUPS[group].label.toLowerCase() + ": " + GROUPS[group].title);
  cell.title = cell.getAttribute("aria-label");
  return cell;
}

// One small picture per map and head; rows are maps, columns mean, max, a gap, then heads.
function buildHeads() {
  const maps = mapsOf(groupOf());
  const box = part("heads");
  const heads = Math.max(0, ...maps.map((m) => m.heads));
  box.style.setProperty("--n", heads);
  box.style.setProperty("--m", maps.length);
  const nodes = [make("i"), make("span", "", "mean"), make("span", "", "max"), make("i")];
  for (let h = 0; h < heads; h++) nodes.push(make("span", "", String(h + 1)));
  for (const map of maps) {
    const name = make("label");
    name.dataset.map = map.index;
    if (map.group === "fusion") {
      name.append(map.layer + 1 + "  ", make("span", "fs-c-" + map.query, NAME[map.query]), " ← ",
        make("span", "fs-c-" + map.key, NAME[map.key]));
    } else name.append("layer " + (map.layer + 1));
    nodes.push(name);
    headsOf(map).forEach((head) => {
      const thumb = make("button", "fs-thumb" + (map.key === "video" ? "" : " crisp"));
      thumb.type = "button";
      Object.assign(thumb.dataset, { do: "thumb", map: map.index, head });
      thumb.setAttribute("aria-label", mapName(map) + ", " + headName(head));
      thumb.append(make("canvas"));
      nodes.push(thumb);
      if (head === "max") nodes.push(make("i"));
    });
    for (let h = map.heads; h < heads; h++) nodes.push(make("i"));
  }
  box.replaceChildren(...nodes);
}

// What one thumbnail shows: the mean over frames (rows x cols), or one column per span or word.
function thumbGrid(map, head) {
  const values = map.received[head];
  if (map.key !== "video") return { values, rows: 1, cols: map.k };
  const { rows, cols, times } = state.value.frames;
  const mean = new Float32Array(rows * cols);
  values.forEach((v, i) => { mean[i % mean.length] += v / times.length; });
  return { values: mean, rows, cols };
}

function paintHeads() {
  const { scale } = state;
  const maps = mapsOf(groupOf());
  const grids = new Map();
  for (const map of maps) {
    for (const head of headsOf(map)) {
      grids.set(map.index + " " + head, { map, head, ...thumbGrid(map, head) });
    }
  }
  for (const thumb of root.querySelectorAll(".fs-thumb")) {
    const grid = grids.get(thumb.dataset.map + " " + thumb.dataset.head);
    const peers = scale === "view" ? [grid] : [...grids.values()].filter((other) =>
      other.map.key === grid.map.key && alike(other.head, grid.head) && (scale === "all" || other.map.layer === grid.map.layer));
    const range = extent(peers.flatMap((peer) => extent(peer.values)));
    range[1] = Math.max(range[1], range[0] + 0.5 * grid.map.even);
    const smooth = grid.map.key === "video";
    const [height, width] = smooth ? [28, 42] : [1, grid.cols];
    sheet(heatImage(grid.values, 0, grid.rows, grid.cols, height, width, range, true), thumb.firstChild);
  }
}

function markHeads() {
  for (const thumb of root.querySelectorAll(".fs-thumb")) {
    const on = +thumb.dataset.map === state.map.index && thumb.dataset.head === String(state.head);
    thumb.setAttribute("aria-pressed", String(on));
  }
  for (const name of root.querySelectorAll(".fs-heads > label")) {
    name.classList.toggle("on", +name.dataset.map === state.map.index);
  }
}
