// Choices made by button, slider and key.

function choose(map, head = state.head) {
  if (!map) return;
  const chosen = { map, head: validHead(map, head) };
  Object.assign(state, chosen);
  if (state.before) Object.assign(state.before, chosen);
  state.last[map.group] = map;
  if (!GROUPS[map.group].mod) state.pairs = map.group;
  touch("view", ...(state.listed.includes(map) ? [] : ["scale"]));
}

function chooseLayer(layer) {
  const here = mapsOf(groupOf()).filter((m) => m.layer === layer);
  choose(here.find((m) => m.pair === state.map.pair) || here[0]);
}

function stepLayer(by) {
  const layers = layersOf();
  chooseLayer(layers[clamp(layers.indexOf(state.map.layer) + by, 0, layers.length - 1)]);
}

function stepHead(by) {
  const heads = headsOf(state.map);
  choose(state.map, heads[clamp(heads.indexOf(state.head) + by, 0, heads.length - 1)]);
}

function stepFrame(by) {
  const { frames } = state.value;
  if (frames) seek(frames.times[clamp(frameAt(state.time) + by, 0, frames.times.length - 1)]);
}

const ACTIONS = {
  play: () => play(!state.playing),
  look: ({ look: at }) => look(at),
  plain: ({ plain }) => { state.plain = plain === "1"; touch("view"); },
  reason: ({ id }) => {
    state.scored = state.scores.find((scored) => scored.id === id);
    state.pin = null;
    look("scores");
    touch("view", "size");
    trigger("select", { show: id });
  },
  unpin: () => pinCell(null),
  mode: ({ mode }) => choose(state.map, mode === "one" ? +part("head").value - 1 : mode),
  group: ({ group }) => choose(entryOf(group)),
  frame: ({ frame }) => seek(state.value.frames.times[+frame]),
  pair: ({ pair }) => choose(mapOfPair(...pair.split("<-"))),
  thumb: ({ map, head }) => choose(state.maps[+map], HEAD_MODES.includes(head) ? head : +head),
  token: (chip) => {
    const pin = pinOf({ dataset: chip });
    const held = same(state.pin, pin) && state.map.index === +chip.map;
    choose(state.maps[+chip.map]);
    if (held || !same(state.pin, pin)) pinCell(pin);
    if (state.pin) seekHottest();
  },
  slot: (chip) => pinChip(pinOf({ dataset: chip })),
  word: ({ word }) => {
    pinCell({ mod: "text", from: +word, count: 1 });
    if (state.value.words[+word].start !== null) seek(state.value.words[+word].start);
  },
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button && state.value) ACTIONS[button.dataset.do](button.dataset);
});

element.addEventListener("input", ({ target }) => {
  if (!state.value) return;
  if (target.matches(".fs-scrub")) seek(state.value.start + +target.value);
  if (target.matches(".fs-opacity")) { state.veil = +target.value; touch("view"); }
  if (!state.map) return;
  if (target.matches(".fs-layer")) chooseLayer(layersOf()[+target.value - 1]);
  if (target.matches(".fs-head")) choose(state.map, +target.value - 1);
  if (target.matches(".fs-scale")) { state.scale = target.value; touch("view", "scale"); }
});

// Keys act while the viewer has the focus; sliders, lists and buttons keep their own.
element.addEventListener("keydown", (event) => {
  if (!state.value || event.ctrlKey || event.metaKey || event.altKey) return;
  const { target, key } = event;
  const typing = target.matches("select, textarea, input:not([type=range])");
  const scrolls = target.matches(".fs-mx, .fs-words, .fs-table, .fs-tiles")
    && (target.scrollHeight > target.clientHeight || target.scrollWidth > target.clientWidth);
  const slider = target.matches("input[type=range]");
  const chipKeys = { ArrowLeft: -1, ArrowRight: 1 };
  const keys = state.look === "scores" ? { ArrowLeft: () => stepFrame(-1), ArrowRight: () => stepFrame(1) } : state.map ? {
    ArrowLeft: () => stepLayer(-1), ArrowRight: () => stepLayer(1),
    ArrowUp: () => stepHead(-1), ArrowDown: () => stepHead(1),
  } : {};
  if (typing) return;
  if (target.matches(".fs-slot") && chipKeys[key]) {
    event.preventDefault();
    stepChip(target, chipKeys[key]);
    return;
  }
  if (key === "Escape") pinCell(null);
  else if (key === " " && !target.matches("button")) { event.preventDefault(); play(!state.playing); }
  else if (keys[key] && !slider && !scrolls) { event.preventDefault(); keys[key](); }
});
