// Where attention is looked at: in the fusion, where modalities read each other, or inside a tower.

const GROUPS = {
  fusion: { label: "Fusion", title: "how the modalities read each other" },
  "video tower": { label: "Picture tower", mod: "video", title: "what each frame's summary reads in that frame" },
  "text tower": { label: "Text tower", mod: "text", title: "which words each word reads" },
};

const mapsOf = (group) => state.maps.filter((m) => m.group === group);
const groupOf = () => (state.map ? state.map.group : "fusion");
const towerOf = (mod) => Object.keys(GROUPS).find((group) => GROUPS[group].mod === mod && mapsOf(group).length);

// What a map is, in words: its layer and what reads what.
function mapName(map) {
  if (map.group === "fusion") return "layer " + (map.layer + 1) + ", " + NAME[map.query] + " reads " + NAME[map.key];
  return GROUPS[map.group].label + ", layer " + (map.layer + 1);
}

// The map to open a group on: where one was before; a tower, at its last layer.
function entryOf(group) {
  const found = mapsOf(group);
  if (found.includes(state.last[group])) return state.last[group];
  return group === "fusion" ? firstMap(found) : found[found.length - 1];
}

// One button per group that the run has; a single group is no choice, unless it is a tower.
function buildGroups() {
  const there = Object.keys(GROUPS).filter((group) => mapsOf(group).length);
  const box = part("groups");
  box.hidden = !there.some((group) => GROUPS[group].mod);
  box.replaceChildren(...there.map((group) => {
    const button = make("button", "", GROUPS[group].label);
    button.type = "button";
    button.title = GROUPS[group].title;
    Object.assign(button.dataset, { do: "group", group });
    return button;
  }));
}

function paintGroups() {
  for (const button of part("groups").children) {
    button.setAttribute("aria-pressed", String(button.dataset.group === groupOf()));
  }
  const read = { fusion: "averaged over what reads", "video tower": "averaged over frames", "text tower": "averaged over words" };
  part("heads-note").textContent = read[groupOf()];
  const lane = part("time-note");
  lane.replaceChildren("× even share", make("br"), state.map.own ? "strongest cell" : "bold: shown");
}

// The share that special tokens took of the chosen head, or on average.
function unplacedNote(map, head) {
  const shares = typeof head === "number" ? [map.unplaced[head]] : map.unplaced;
  const share = shares.reduce((a, b) => a + b, 0) / shares.length;
  return " Special tokens took " + Math.round(100 * share) + " % ("
    + (typeof head === "number" ? headName(head) : "mean of heads") + ") and are left out; the rest is scaled to sum to 1.";
}
