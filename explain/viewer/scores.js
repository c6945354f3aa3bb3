// Scores of a method: what each cell did for a target. They take the place of the attention on the
// same lanes; state.scores are those of the run, the newest first, state.scored the one on show.

const side = (value) => (value < 0 ? "against" : "for");

// Where the cells of a modality lie, while scores are on show.
const scoresOn = (mod) => state.look === "scores" && state.scored ? state.scored.parts[mod] : undefined;

// The files of all scores, each fetched once: [{...meta, parts: {mod: {...part, values}}}].
const fetched = new Map();
async function scoresOf(value) {
  const list = value.meta.scores || [];
  const urls = new Set((value.scores || []).map((file) => file.url));
  for (const url of fetched.keys()) if (!urls.has(url)) fetched.delete(url);
  const read = await Promise.all(list.map(async (meta, i) => {
    const file = (value.scores || [])[i];
    if (!file) return null;
    if (!fetched.has(file.url)) fetched.set(file.url, await bytesOf(file).catch(() => null));
    const bytes = fetched.get(file.url);
    return bytes && { ...meta, parts: decoded(meta, bytes) };
  }));
  return read.filter(Boolean);
}

function decoded({ parts, signed, loose }, bytes) {
  const found = Object.entries(parts).map(([mod, part]) => {
    const cells = bytes.subarray(part.offset, part.offset + part.size);
    const values = Float32Array.from(cells, (byte) => part.most * (signed ? (byte - 128) / 127 : byte / 255));
    return [mod, { ...part, values }];
  });
  const single = Object.entries(loose).map(([mod, value]) => [mod, { most: Math.abs(value), gain: 1, values: Float32Array.of(value), loose: true }]);
  return Object.fromEntries([...found, ...single]);
}

// New scores: one that was not there before is shown at once; what follows keeps what it shows.
function takeScores(list, opens) {
  const fresh = list.length && !state.scores.some(({ id }) => id === list[0].id);
  const held = state.scored && list.find(({ id }) => id === state.scored.id);
  const opened = list.find(({ id }) => id === opens);
  const { follows } = state.value;
  Object.assign(state, { scores: list, scored: fresh && !follows ? list[0] : held || opened || list[0] || null });
  if (follows ? list.length && !held : fresh) look("scores");
  buildReasons();
  touch("view", "size");
}

function look(at) {
  if (state.look === at) return;
  if (state.map) preview(null);
  Object.assign(state, { look: at, pin: null });
  touch("view", "size", "scale");
}

// The largest score of any cell: where the one scale of all modalities ends.
const mostOf = ({ parts }) => Math.max(...Object.values(parts).map((p) => (p.loose ? 0 : p.most)));

// How many times stronger a modality is drawn, to be seen beside the strongest; it is always said.
const gainOf = (mod) => state.plain ? 1 : gainHere(mod);

function paintScores() {
  heats.length = 0;
  const { scored } = state;
  const parts = scored ? Object.entries(scored.parts) : [];
  state.paintings = parts.filter(([mod]) => !isSlot(mod) || chipsOf(mod).length === 1).map(([mod, part]) =>
    ({ mod, values: part.values, ink: scoreInk(endOf(scored) / gainOf(mod), scored.signed) }));
  state.painted = state.paintings[0] || null;
  paintReasons();
}

// Scores per second, so that long and short cells compare: one line per modality, [[seconds, value]].
function scoreCurves() {
  const { words } = state.value;
  const sums = (values, n) => Array.from({ length: values.length / n }, (_, i) =>
    values.subarray(i * n, (i + 1) * n).reduce((a, b) => a + b, 0));
  const perSecond = (spans, found) => {
    // The last cell may be a sliver, whose score per second would dwarf all others.
    const least = Math.max(...spans.map(([a, b]) => b - a), 2e-3) / 2;
    const points = spans.map(([a, b], i) => [(a + b) / 2, found[i] / Math.max(b - a, least)]);
    const [first, last] = [points[0], points[points.length - 1]];
    return [[spans[0][0], first[1]], ...points, [spans[spans.length - 1][1], last[1]]];
  };
  return state.paintings.flatMap(({ mod, values }) => {
    if (mod === "video") return [{ mod, points: perSecond(frameSpans(), sums(values, cellsPerFrame())) }];
    if (mod === "audio") {
      const { edges, heights } = soundCells();
      const spans = Array.from(edges.slice(1), (end, i) => [edges[i], end]);
      return [{ mod, points: perSecond(spans, sums(values, heights ? heights.length - 1 : 1)) }];
    }
    const timed = mod === "text" ? words.flatMap((w, i) => w.start === null ? [] : [[w, values[i]]]) : [];
    const points = timed.flatMap(([{ start, end }, v]) => {
      const high = v / Math.max((end ?? start) - start, 0.1);
      return [[start, 0], [start, high], [end ?? start + 0.1, high], [end ?? start + 0.1, 0]];
    });
    return points.length ? [{ mod, points }] : [];
  });
}

function paintScoreTime() {
  const area = fit(part("time .fs-over"));
  const curves = scoreCurves();
  const none = part("time .fs-none");
  fill(none, state.scored ? "what was scored has no time" : "");
  none.classList.toggle("on", !curves.length && Boolean(state.scored));
  if (!area || !curves.length) return;
  const { pen, width, height } = area;
  const { theme } = state;
  const all = curves.flatMap(({ points }) => points.map((p) => p[1]));
  const [low, high] = [Math.min(0, ...all), Math.max(0, ...all)];
  const y = (v) => height - 3 - ((v - low) / (high - low || 1)) * (height - 8);
  for (const { mod, points } of curves) {
    pen.beginPath();
    pen.moveTo(timeToX(points[0][0], width), y(0));
    for (const [t, v] of points) pen.lineTo(timeToX(t, width), y(v));
    pen.lineTo(timeToX(points[points.length - 1][0], width), y(0));
    Object.assign(pen, { fillStyle: theme[mod], strokeStyle: theme[mod], lineWidth: 1.25 });
    pen.globalAlpha = 0.18;
    pen.fill();
    pen.globalAlpha = 1;
    pen.stroke();
  }
  Object.assign(pen, { strokeStyle: theme.mute, lineWidth: 1, font: "10px " + theme.font });
  pen.beginPath();
  pen.moveTo(0, y(0));
  pen.lineTo(width, y(0));
  pen.stroke();
  if (high > 0) label(pen, (state.scored.signed ? "+" : "") + figure(high), 4, 11);
  if (low < -0.15 * high) label(pen, "−" + figure(-low), 4, height - 4);
}
