// The viewer: one value in, every change painted in one animation frame, no call to the server.

const due = new Set(); // what the next frame must do: "size", "view", "scale", "time"
let frame = 0;
let arriving = 0; // the newest value wins

function touch(...what) {
  for (const one of what) due.add(one);
  if (!frame) frame = requestAnimationFrame(flush);
}

function flush() {
  frame = 0;
  const { value, map } = state;
  const now = new Set(due);
  due.clear();
  if (!value || !root.clientWidth) return;
  const began = performance.now();
  const resized = now.has("size");
  const repaint = resized || now.has("view");
  root.dataset.look = state.look;
  if (resized) {
    readTheme();
    layStage();
    placeLanes();
    layAxis();
    layWords();
  }
  if (repaint) {
    paintLooks();
    if (state.look === "scores") paintScores();
    else if (map) paintChoice();
    else state.paintings = [];
    paintChips();
  }
  markTiles();
  paintClock();
  paintSpoken();
  // Drawings come last: they ask how large they are, which lays out all that was written before.
  if (repaint && map && state.look === "attention") {
    layMatrix();
    if (resized || now.has("scale")) paintHeads();
  }
  if (resized) {
    layFrames();
    laySound();
  }
  if (repaint) {
    paintFrames();
    paintSound();
    paintTime();
  }
  drawStill();
  paintStage();
  publish(performance.now() - began);
  tell();
  tellScores();
}

// All that follows from the map, head and pin chosen; a preview leaves the tables as they are.
function paintChoice() {
  const chosen = (state.before || state).map;
  if (!state.listed.includes(chosen)) buildHeads(chosen);
  heats.length = 0;
  state.paintings = paintingsOf(state.map, state.head, state.pin)
    .map((painting) => ({ ...painting, range: rangeOf(state, painting) }))
    .map((painting) => ({ ...painting, ink: heatInk(painting.range) }));
  state.painted = state.paintings[0];
  state.range = state.painted.range;
  paintGroups();
  paintPairs();
  paintView();
  markHeads();
}

// What tests and neighbours may read.
function publish(cost) {
  const { value, map, head, paintings, veil: opacity, pin, before, scored } = state;
  const shown = { cost: cost.toFixed(1), time: state.time.toFixed(2) };
  const said = (held) => held ? held.mod + ":" + held.from : "";
  Object.assign(shown, { pin: said((before || state).pin), preview: before ? said(pin) : "", look: state.look });
  if (paintings.length) {
    const at = paintingOn("video") ? frameAt(state.time) : -1;
    shown.painted = paintings.map(({ values, ink }) => checksum(values, ink, [at, opacity])).join("-");
    shown.lanes = paintings.map(({ mod }) => mod).join(" ");
  }
  if (map) Object.assign(shown, { group: map.group, layer: map.layer, head, pair: map.pair });
  if (scored) {
    shown.why = [value.id, scored.method, scored.done.toFixed(2)].join(":");
    Object.assign(shown, { scored: scored.id, target: scored.target, scale: endOf(scored).toPrecision(4) });
  }
  for (const node of [element, root]) {
    for (const name of ["group", "layer", "head", "pair", "painted", "lanes", "why", "scored", "target", "scale"]) delete node.dataset[name];
    Object.assign(node.dataset, shown, { ready: value.id });
  }
}

// Attention or scores: the switch between them, and what else depends on it.
function paintLooks() {
  for (const button of part("looks").children) press(button, button.dataset.look === state.look);
  const scores = state.look === "scores";
  fill(part("time-name b"), scores ? "score" : "attention");
  if (scores) fill(part("time-note"), "per second", make("br"), state.scored && state.scored.signed ? "up: " + signsOf(state.scored)[0] : "");
  else if (!state.map) fill(part("time-note"));
  if (scores) part("badge").hidden = true;
  for (const [lane, aside] of Object.entries(state.asides)) fill(part(lane + "-name small"), aside);
  paintInvites();
}

// A value in: fetch its bytes and pictures, then start afresh, but keep the way heads are chosen.
// Of a run that is here already, only the scores can be new.
async function load() {
  const turn = ++arriving;
  const value = props.value;
  if (!value || !value.meta || !value.meta.id) {
    empty();
    return;
  }
  const { meta } = value;
  if (state.value && state.value.id === meta.id) {
    const scores = await scoresOf(value);
    if (turn === arriving) takeScores(scores, meta.opens);
    return;
  }
  const [bytes, strip, sound, scores] = await Promise.all([
    bytesOf(value.tensor).catch(() => null), imageOf(value.strip), imageOf(value.sound), scoresOf(value)]);
  if (turn !== arriving) return;
  const maps = bytes ? readMaps(meta, bytes) : [];
  const before = state.value ? { ...state } : null;
  play(false);
  Object.assign(state, { value: meta, maps, last: {}, pairs: "fusion", listed: [], map: null, pin: null, before: null,
    painted: null, paintings: [], time: meta.start, strip, sound, file: Boolean(value.video),
    look: "attention", scores, scored: scores.find(({ id }) => id === meta.opens) || scores[0] || null });
  begin();
  if (value.video) video.src = value.video.url;
  else video.removeAttribute("src");
  video.load();
  video.hidden = !value.video;
  part("still").hidden = Boolean(value.video);
  part("heat").hidden = !meta.frames;
  for (const canvas of root.querySelectorAll(".fs-lane canvas")) canvas.width = 0;
  part("scrub").max = meta.duration;
  buildWords();
  buildSlots();
  explainGaps();
  buildGroups();
  buildTiles();
  buildReasons();
  state.look = opensOn(meta, before);
  root.dataset.state = maps.length ? "ready" : "bare";
  if (meta.follows) {
    told = JSON.stringify(viewHere());
    say(VIEW, { ask: true });
  }
  if (state.file) seek(state.time);
  touch("size", "view");
}

// A report opens on its scores; a page stays where it was while the clip does.
function opensOn(meta, before) {
  if (!meta.scores) return "attention";
  if (!before) return meta.scores.length ? "scores" : "attention";
  const runOf = (id) => id.slice(0, id.lastIndexOf("-"));
  return runOf(before.value.id) === runOf(meta.id) ? before.look : "attention";
}

// What is not there, and why.
function explainGaps() {
  const { value: meta, maps, strip, sound } = state;
  const fused = maps.some((m) => !GROUPS[m.group].mod);
  part("why").hidden = fused;
  part("why").textContent = fused ? ""
    : meta.maps.length && !maps.length ? "The attention of this run could not be loaded; please analyse again." : whyBare(meta);
  note("frames", "video", meta.frames && strip, "no picture in this clip");
  note("sound", "audio", sound, "no sound in this clip");
  note("words", "text", meta.words.length, heard() ? "no sound was put into words" : "no words were given");
}

// Open a caption on what its first telling word read, all else on its first group; at the frame
// with the strongest cell of that painting, else at the start.
function begin() {
  const groups = Object.keys(GROUPS).filter((group) => mapsOf(group).length);
  const told = heard() && groups.includes("decoder");
  const map = entryOf(told ? "decoder" : groups[0]);
  if (!map) return;
  choose(map);
  if (told) state.pin = { mod: "caption", from: firstContentWord(), count: 1 };
  const frame = hottestFrame();
  if (frame !== null) state.time = clamp(state.value.frames.times[frame], state.value.start, endTime());
}

// A lane says why it is empty; one that the model has no use for is left out.
function note(lane, mod, shown, missing) {
  const words = part(lane + " .fs-none");
  const { there, on } = state.value.streams[mod] || { there: false, on: false };
  const unused = !state.value.streams[mod];
  for (const node of [part(lane), part(lane + "-name")]) node.hidden = unused && !shown;
  words.textContent = there && !on ? "switched off for this run" : missing;
  words.classList.toggle("on", !shown);
  const aside = unused ? (mod === "audio" && heard() ? "read as words" : "not used") : shown && there && !on ? "off" : "";
  state.asides[lane] = aside;
}

function empty() {
  play(false);
  state.value = null;
  tellScores();
  root.dataset.state = "empty";
  for (const node of [element, root]) delete node.dataset.ready;
}

async function bytesOf(file) {
  if (!file || !file.url) return null;
  if (!file.url.startsWith("data:")) {
    const answer = await fetch(file.url);
    return answer.ok ? new Uint8Array(await answer.arrayBuffer()) : null;
  }
  return Uint8Array.from(atob(file.url.slice(file.url.indexOf(",") + 1)), (c) => c.charCodeAt(0));
}

function imageOf(file) {
  if (!file || !file.url) return Promise.resolve(null);
  return new Promise((done) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => done(null);
    image.src = file.url;
  });
}
