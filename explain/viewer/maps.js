// The maps as numbers. A map is (heads, q, k) bytes; a view of it, for one head, the mean of heads
// or the max of heads, is a Float32Array (q, k). Cells are patches, spans of sound or chips. In the
// picture tower (own) a query is a frame and reads the patches of that frame alone: the rest is 0.

const HEAD_MODES = ["mean", "max"];

// meta, bytes -> maps, each with received[head] (k): attention received, the mean over queries (own:
// that of its only reader), and even: what every cell would get if all got alike.
function readMaps(meta, bytes) {
  return meta.maps.map((map, index) => {
    const size = map.heads * map.q * map.k;
    const read = { ...map, index, bytes: bytes.subarray(map.offset, map.offset + size), views: new Map() };
    read.group = map.group || "fusion";
    read.own = map.group === "video tower";
    read.even = read.own ? map.q / map.k : 1 / map.k;
    read.received = receivedByHead(read);
    read.pair = map.query + "<-" + map.key;
    return read;
  });
}

const headsOf = (map) => map.heads < 2 ? ["mean"] : [...HEAD_MODES, ...Array.from({ length: map.heads }, (_, h) => h)];
const validHead = (map, head) => map.heads < 2 || head >= map.heads ? "mean" : head;
const stepOf = (map, h) => (map.high[h] - map.low[h]) / 255;

function receivedByHead(map) {
  const { heads, q, k, bytes, low } = map;
  const readers = map.own ? 1 : q;
  const received = Object.fromEntries([...headsOf(map), 0].map((h) => [h, new Float32Array(k)]));
  const best = new Float32Array(q * k).fill(-Infinity);
  for (let h = 0; h < heads; h++) {
    const step = stepOf(map, h);
    for (let i = 0, at = h * q * k; i < q; i++) {
      for (let j = 0; j < k; j++, at++) {
        const value = low[h] + bytes[at] * step;
        received[h][j] += value / readers;
        if (value > best[i * k + j]) best[i * k + j] = value;
      }
    }
    for (let j = 0; j < k; j++) received.mean[j] += received[h][j] / heads;
  }
  for (let i = 0; received.max && i < q * k; i++) received.max[i % k] += best[i] / readers;
  return received;
}

// (q, k) of one head, the mean or the max; the last few are kept.
function viewOf(map, head) {
  if (map.views.has(head)) return map.views.get(head);
  const { heads, q, k, bytes, low } = map;
  const view = new Float32Array(q * k);
  const wanted = typeof head === "number" ? [head] : Array.from({ length: heads }, (_, h) => h);
  for (const h of wanted) {
    const step = stepOf(map, h);
    const from = h * q * k;
    for (let i = 0; i < q * k; i++) {
      const value = low[h] + bytes[from + i] * step;
      if (head === "max") view[i] = Math.max(view[i], value);
      else view[i] += value / wanted.length;
    }
  }
  if (map.views.size >= 12) map.views.delete(map.views.keys().next().value);
  map.views.set(head, view);
  return view;
}

// A pin is {mod, from, count}: a run of cells of one stream (one patch, or a frame's patches).
function pinSide(map, pin) {
  if (!pin || map.own) return null;
  return pin.mod === map.query ? "query" : pin.mod === map.key ? "key" : null;
}

// A word of a caption reads only the words before it.
const causal = (map) => map.group === "decoder" && map.query === map.key;

// What is painted of a map, and on which stream: nothing pinned, the attention received by each
// key; a query pinned, what it reads (k); a key pinned, how much each query reads it (q).
// even: what every cell would get if all that can be read got alike.
function paintedOf(map, head, pin) {
  const side = pinSide(map, pin);
  const { even } = map;
  if (!side) return { map, mod: map.key, values: map.received[head], even };
  const view = viewOf(map, head);
  const { q, k } = map;
  const { from, count } = pin;
  if (side === "query") {
    const values = new Float32Array(k);
    for (let i = from; i < from + count; i++) {
      for (let j = 0; j < k; j++) values[j] += view[i * k + j] / count;
    }
    return { map, mod: map.key, values, even: causal(map) ? 1 / Math.max(1, from) : even };
  }
  const values = new Float32Array(q);
  for (let i = 0; i < q; i++) {
    for (let j = from; j < from + count; j++) values[i] += view[i * k + j] / count;
  }
  return { map, mod: map.query, values, even };
}

// The chosen map first; with a pin, the rest of what it reads (or of what reads it) in the layer.
// How a stream reads itself is painted only where it is chosen.
function paintingsOf(map, head, pin) {
  const side = pinSide(map, pin);
  const others = !side ? [] : mapsOf(map.group).filter((m) => m !== map && m.layer === map.layer
    && m[side] === map[side] && m.query !== m.key);
  return [map, ...others].map((m) => paintedOf(m, validHead(m, head), pin))
    .filter((painting, i, all) => all.findIndex(({ mod }) => mod === painting.mod) === i);
}

const paintingOn = (mod) => state.paintings.find((painting) => painting.mod === mod);

const alike = (head, other) => (head === "max") === (other === "max");

// The colour range. "view": what is painted; "layer" and "all": every head of the maps that read
// the same stream, in this layer or in all (the max of heads only with its like: it would leave
// the rest dark). A nearly even map is not blown up to full contrast, a lone cell starts at 0.
function rangeOf({ scale, pin, head: chosen }, { map, values, even }) {
  let range = extent(values);
  if (values.length === 1) range[0] = 0;
  if (scale !== "view") {
    const peers = mapsOf(map.group).filter((other) => other.key === map.key
      && (scale === "all" || other.layer === map.layer));
    const pairs = peers.flatMap((peer) => pinSide(map, pin)
      ? [Math.min(...peer.low), Math.max(...peer.high)]
      : headsOf(peer).filter((head) => alike(head, chosen)).flatMap((head) => extent(peer.received[head])));
    range = extent([...pairs, ...range]);
  }
  return [range[0], Math.max(range[1], range[0] + even / 2)];
}

// The matrix with patches gathered into frames: rows are averaged over, columns summed.
function gathered(map, head, perFrame) {
  const view = viewOf(map, head);
  const gq = map.query === "video" ? perFrame : 1;
  const gk = map.key === "video" ? perFrame : 1;
  const rows = map.q / gq;
  const cols = map.k / gk;
  const values = new Float32Array(rows * cols);
  for (let i = 0; i < map.q; i++) {
    const row = Math.floor(i / gq) * cols;
    for (let j = 0; j < map.k; j++) values[row + Math.floor(j / gk)] += view[i * map.k + j] / gq;
  }
  return { values, rows, cols, gq, gk };
}

// How peaked the chosen head is: 0 even, 1 all on one cell.
function focusOf(map, head) {
  if (typeof head === "number") return map.focus[head];
  return head === "max" ? Math.max(...map.focus) : map.focus.reduce((a, b) => a + b, 0) / map.heads;
}

// The share of its attention that what reads gave to this key; the map is scaled up to 1.
function shareOf(map, head) {
  const left = typeof head === "number" ? map.unplaced[head] : map.unplaced.reduce((a, b) => a + b, 0) / map.unplaced.length;
  return 1 - left;
}

// A cheap checksum of what is on the screen, for tests.
function checksum(values, ink, extra) {
  let hash = 2166136261;
  const add = (byte) => { hash = Math.imul(hash ^ byte, 16777619) >>> 0; };
  for (const value of values) add(ink.at(value));
  for (const number of extra) add(Math.round(number * 97));
  return hash.toString(16);
}
