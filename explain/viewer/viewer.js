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
  if (now.has("size")) {
    readTheme();
    layStage();
    layFrames();
    laySound();
    layAxis();
    layWords();
  }
  const repaint = now.has("view") || now.has("size");
  if (repaint && map) paintChoice(now.has("scale") || now.has("size"));
  if (repaint) {
    paintFrames();
    paintSound();
    paintTime();
    paintWords();
  }
  markTiles();
  drawStill();
  paintStage();
  paintClock();
  paintSpoken();
  publish(performance.now() - began);
}

// All that follows from the map, head and pin chosen.
function paintChoice(heads) {
  heats.length = 0;
  state.painted = paintedOf(state.map, state.head, state.pin);
  state.range = rangeOf(state, state.painted);
  paintGroups();
  paintPairs();
  paintView();
  if (heads) paintHeads();
  markHeads();
  layMatrix();
}

// What tests and neighbours may read.
function publish(cost) {
  const { value, map, head, painted, range, veil: opacity, pin } = state;
  const shown = { cost: cost.toFixed(1), time: state.time.toFixed(2) };
  shown.pin = pin ? pin.mod + ":" + pin.from : "";
  if (map) {
    const at = painted.mod === "video" ? frameAt(state.time) : -1;
    const sum = checksum(painted.values, range, [at, opacity]);
    Object.assign(shown, { group: map.group, layer: map.layer, head, pair: map.pair, painted: sum });
  }
  for (const node of [element, root]) {
    for (const name of ["group", "layer", "head", "pair", "painted"]) delete node.dataset[name];
    Object.assign(node.dataset, shown, { ready: value.id });
  }
}

// A value in: fetch its bytes and pictures, then start afresh, but keep the way heads are chosen.
async function load() {
  const turn = ++arriving;
  const value = props.value;
  if (!value || !value.meta || !value.meta.id) {
    empty();
    return;
  }
  const { meta } = value;
  const [bytes, strip, sound] = await Promise.all([
    bytesOf(value.tensor).catch(() => null), imageOf(value.strip), imageOf(value.sound)]);
  if (turn !== arriving) return;
  const maps = bytes ? readMaps(meta, bytes) : [];
  play(false);
  Object.assign(state, { value: meta, maps, last: {}, map: null, pin: null, painted: null,
    time: meta.start, strip, sound, file: Boolean(value.video) });
  state.map = entryOf(Object.keys(GROUPS).find((group) => mapsOf(group).length)) || null;
  if (state.map) {
    state.last[state.map.group] = state.map;
    state.head = validHead(state.map, state.head);
  }
  state.time = firstTime();
  if (value.video) video.src = value.video.url;
  else video.removeAttribute("src");
  video.load();
  video.hidden = !value.video;
  part("still").hidden = Boolean(value.video);
  part("heat").hidden = !meta.frames;
  for (const canvas of root.querySelectorAll(".fs-lane canvas")) canvas.width = 0;
  part("scrub").max = meta.duration;
  explainGaps();
  buildWords();
  buildGroups();
  buildHeads();
  buildTiles();
  root.dataset.state = maps.length ? "ready" : "bare";
  if (state.file) seek(state.time);
  touch("size", "view", "time");
}

// What is not there, and why.
function explainGaps() {
  const { value: meta, maps, strip, sound } = state;
  const fused = mapsOf("fusion").length > 0;
  part("why").hidden = fused;
  part("why").textContent = fused ? ""
    : meta.maps.length && !maps.length ? "The attention of this run could not be loaded; please analyse again." : whyBare(meta);
  note("frames", "video", meta.frames && strip, "no picture in this clip");
  note("sound", "audio", sound, "no sound in this clip");
  note("words", "text", meta.words.length, "no words were given");
  part("time .fs-none").textContent = maps.length ? "the words have no times" : "nothing was read";
}

// Open on a map that paints the picture, the one that mattered most.
function firstMap(maps) {
  const weight = (m) => Math.abs(m.cut ?? 0);
  return maps.filter((m) => m.key === "video").sort((a, b) => weight(b) - weight(a))[0] || maps[0] || null;
}

// Open at the frame with the strongest cell of the first painting, else at the start.
function firstTime() {
  const { map, head, value } = state;
  if (!map || map.key !== "video") return value.start;
  const { times, rows, cols } = value.frames;
  const cells = map.received[head];
  const peak = cells.indexOf(cells.reduce((a, b) => Math.max(a, b)));
  return clamp(times[Math.floor(peak / (rows * cols))], value.start, endTime());
}

function note(lane, mod, shown, missing) {
  const words = part(lane + " .fs-none");
  const { there, on } = state.value.streams[mod];
  words.textContent = there && !on ? "switched off for this run" : missing;
  words.classList.toggle("on", !shown);
  root.querySelector(".fs-name.fs-c-" + mod + " small").textContent = shown && there && !on ? "off" : "";
}

function empty() {
  play(false);
  state.value = null;
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

const validHead = (map, head) => typeof head === "number" && head >= map.heads ? "mean" : head;
