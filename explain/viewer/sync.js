// Viewers on one page keep step: each says what it shows when that changes, and takes over what
// another says. A value that follows (meta.follows) takes over first, and says what it shows after.

const VIEW = "fusionscope:view"; // {from, into, look, map, head, plain}, or {from, ask}
const SCORES = "fusionscope:scores"; // {from, scored}: what a viewer shows, null for none
let told = ""; // the view that all know
let toldScores = "null";
let beside = null; // the scores of another viewer, on one scale with those here

const say = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail: { ...detail, from: root } }));

// Time counts from the start of the clip, so that two clips run side by side.
function viewHere() {
  const { value, time, look, plain } = state;
  const { map, head } = state.before || state;
  const named = map && { group: map.group, layer: map.layer, pair: map.pair };
  return { into: +(time - value.start).toFixed(3), look, map: named, head, plain };
}

function scoresHere() {
  const { look, scored } = state;
  if (!root.clientWidth || look !== "scores" || !scored || scored.alone) return null;
  const gains = Object.fromEntries(Object.entries(scored.parts).map(([mod, { gain }]) => [mod, gain]));
  return { method: scored.method, model: scored.model, target: scored.target, most: mostOf(scored), mass: scored.mass, gains };
}

function tell() {
  const view = viewHere();
  const said = JSON.stringify(view);
  if (said !== told) say(VIEW, view);
  told = said;
}

function tellScores() {
  const scored = state.value ? scoresHere() : null;
  const said = JSON.stringify(scored);
  if (said !== toldScores) say(SCORES, { scored });
  toldScores = said;
}

// Show what another viewer shows, as far as this run has it; nothing is said of it.
function follow(view) {
  play(false);
  const { maps, value } = state;
  const { map: wanted, head } = view;
  const fits = (...keys) => wanted && maps.find((map) => keys.every((key) => map[key] === wanted[key]));
  const map = fits("group", "layer", "pair") || fits("group", "layer") || fits("pair") || state.map;
  if (map && (map !== state.map || validHead(map, head) !== state.head)) choose(map, head);
  const there = view.look === "scores" ? state.scores.length : maps.length;
  if (there) look(view.look);
  if (state.plain !== view.plain) touch("view");
  state.plain = view.plain;
  state.time = clamp(value.start + view.into, value.start, endTime());
  if (state.file && !video.seeking) showTime(state.time);
  touch("time");
  told = JSON.stringify(viewHere());
}

// While another plays, seeking cannot keep up: it ends where that one is.
video.addEventListener("seeked", () => {
  if (state.value && state.file && !state.playing && Math.abs(clipTime() - state.time) > 0.1) showTime(state.time);
});

// One scale: the same colour is the same score where both are of one method, model and target; else
// the same share of all that was found.
const inUnit = (scored) => ["method", "model", "target"].every((key) => scored[key] === beside[key]);
function endOf(scored) {
  const most = mostOf(scored);
  if (!beside || scored.alone) return most;
  const [mine, other] = inUnit(scored) ? [1, 1] : [scored.mass || 1, beside.mass || 1];
  return mine * Math.max(most / mine, beside.most / other);
}

// How many times stronger a modality may be drawn here and beside.
function gainHere(mod) {
  const { gain } = state.scored.parts[mod];
  return beside && !state.scored.alone ? Math.min(gain, beside.gains[mod] ?? gain) : gain;
}

function besideText() {
  if (!beside || state.scored.alone) return "";
  return inUnit(state.scored) ? "A and B have one scale: the same colour is the same score."
    : "A and B have one scale: the same colour is the same share of all that was found.";
}

function listen(name, take) {
  const heard = ({ detail }) => {
    if (!element.isConnected) document.removeEventListener(name, heard);
    else if (detail.from !== root && state.value) take(detail);
  };
  document.addEventListener(name, heard);
}

listen(VIEW, (view) => {
  if (!view.ask) { follow(view); return; }
  told = "";
  toldScores = "";
  tell();
  tellScores();
});
listen(SCORES, ({ scored }) => {
  beside = scored;
  touch("view");
});
new ResizeObserver(tellScores).observe(root); // also when it is hidden, or gone
