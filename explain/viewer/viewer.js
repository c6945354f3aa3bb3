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
    placeLanes();
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
    paintChips();
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
  state.paintings = paintingsOf(state.map, state.head, state.pin)
    .map((painting) => ({ ...painting, range: rangeOf(state, painting) }));
  state.painted = state.paintings[0];
  state.range = state.painted.range;
  paintGroups();
  paintPairs();
  paintView();
  if (heads) paintHeads();
  markHeads();
  layMatrix();
}

// What tests and neighbours may read.
function publish(cost) {
  const { value, map, head, paintings, veil: opacity, pin, before } = state;
  const shown = { cost: cost.toFixed(1), time: state.time.toFixed(2) };
  const said = (held) => held ? held.mod + ":" + held.from : "";
  Object.assign(shown, { pin: said((before || state).pin), preview: before ? said(pin) : "" });
  if (map) {
    const at = paintingOn("video") ? frameAt(state.time) : -1;
    const sum = paintings.map(({ values, range }) => checksum(values, range, [at, opacity])).join("-");
    const lanes = paintings.map(({ mod }) => mod).join(" ");
    Object.assign(shown, { group: map.group, layer: map.layer, head, pair: map.pair, painted: sum, lanes });
  }
  for (const node of [element, root]) {
    for (const name of ["group", "layer", "head", "pair", "painted", "lanes"]) delete node.dataset[name];
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
  Object.assign(state, { value: meta, maps, last: {}, pairs: "fusion", map: null, pin: null, before: null,
    painted: null, paintings: [], time: meta.start, strip, sound, file: Boolean(value.video) });
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
  buildHeads();
  buildTiles();
  root.dataset.state = maps.length ? "ready" : "bare";
  if (state.file) seek(state.time);
  touch("size", "view", "time");
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
  part("time .fs-none").textContent = maps.length ? "the words have no times" : "nothing was read";
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
  part(lane + "-name small").textContent = aside;
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
