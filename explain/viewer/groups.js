// Where attention is looked at: in the fusion, where streams read each other, in the decoder that
// writes the caption, along the way through the bottleneck, or inside a tower (mod).

const GROUPS = {
  fusion: { label: "Fusion", title: "how the modalities read each other" },
  decoder: { label: "Caption decoder", title: "what each word of the caption read" },
  route: { label: "Through the bottleneck", title: "what reached the picture or the sound from the other" },
  "video tower": { label: "Picture tower", mod: "video", title: "what each frame's summary reads in that frame" },
  "text tower": { label: "Text tower", mod: "text", title: "which words each word reads" },
};

const mapsOf = (group) => state.maps.filter((m) => m.group === group);
const groupOf = () => (state.map ? state.map.group : "fusion");
const towerOf = (mod) => Object.keys(GROUPS).find((group) => GROUPS[group].mod === mod && mapsOf(group).length);

// The layers of a way through the bottleneck: where the bottleneck reads and where it is read, or
// the first alone; none where it stands for all layers. They are in the name: "route.1>2.", "route.1.".
function wayOf(map) {
  const way = /[.]([0-9]+)(?:>([0-9]+))?[.]/.exec(map.name);
  return way ? way.slice(1).flatMap((layer) => layer === undefined ? [] : [+layer + 1]) : [];
}

function layerName(map) {
  if (map.group !== "route") return "layer " + (map.layer + 1);
  const way = wayOf(map);
  return way.length ? "layer " + way.join(" → ") : "all layers";
}

// What a map is, in words: its layer and what reads what.
function mapName(map) {
  if (GROUPS[map.group].mod) return GROUPS[map.group].label + ", " + layerName(map);
  if (map.group === "route") return layerName(map) + ", " + nameOf(map.key) + " to " + nameOf(map.query);
  return layerName(map) + ", " + nameOf(map.query) + " reads " + nameOf(map.key);
}

// The map to open a group on: where one was before; else the fusion's that mattered, the way
// through all layers, or the last layer, best on the picture.
function entryOf(group) {
  const found = mapsOf(group);
  if (found.includes(state.last[group])) return state.last[group];
  if (group === "fusion") return firstMap(found);
  if (group === "route") return found.find((m) => !wayOf(m).length) || found.find((m) => m.pair === "video<-audio") || found[0];
  const last = found.filter((m) => m.layer === Math.max(...found.map((other) => other.layer)));
  return last.find((m) => m.key === "video") || last[0];
}

// A map that paints the picture, the one that mattered most; the bottleneck's where there is one.
function firstMap(maps) {
  const weight = (m) => Math.abs(m.cut ?? 0);
  const on = maps.filter((m) => m.key === "video").sort((a, b) => weight(b) - weight(a));
  return on.find((m) => m.query === "bottleneck") || on[0] || maps[0] || null;
}

// One button per group that the run has; the fusion alone is no choice.
function buildGroups() {
  const there = Object.keys(GROUPS).filter((group) => mapsOf(group).length);
  const box = part("groups");
  box.hidden = there.length < 2 && !there.some((group) => GROUPS[group].mod);
  box.replaceChildren(...there.map((group) => {
    const button = make("button", "", GROUPS[group].label);
    button.type = "button";
    button.title = GROUPS[group].title;
    Object.assign(button.dataset, { do: "group", group });
    return button;
  }));
}

function paintGroups() {
  for (const button of part("groups").children) press(button, button.dataset.group === groupOf());
  fill(part("time-note"), "× even share", make("br"), state.map.own ? "strongest cell" : "bold: shown");
}
