// The streams that a map may lie between: their order, their names and their cells.

const MODS = ["video", "audio", "text"];
const ORDER = ["video", "video-cls", "bottleneck", "audio-cls", "audio", "text", "caption"];
const NAME = {
  video: "video", audio: "sound", text: "text", bottleneck: "bottleneck",
  "video-cls": "picture class", "audio-cls": "sound class", caption: "caption",
};
const LANE = { tokens: ["video-cls", "bottleneck", "audio-cls"], caption: ["caption"] }; // of chips

// The words of the captioner are the sound put into words.
const heard = () => chipsOf("caption").length > 0;
const nameOf = (mod) => mod === "text" && heard() ? "heard words" : NAME[mod];

// Chips are cells without a place: words, and tokens of the model's own.
const isChips = (mod) => mod !== "video" && mod !== "audio";
const isSlot = (mod) => !MODS.includes(mod);
const slotsOf = () => state.value.slots || {};
const chipsOf = (mod) => (mod === "text" ? state.value.words : slotsOf()[mod]) || [];

// The seconds of a cell, or null where it has no time.
function timeOf({ mod, from, count }) {
  const { frames, sound, words } = state.value;
  if (mod === "video") return frames.times[Math.floor(from / cellsPerFrame())];
  if (mod === "audio") return (sound.edges[from] + sound.edges[from + count]) / 2;
  return mod === "text" ? words[from].start : null;
}

// Words that say little by themselves; a caption opens on the first of the others.
const SMALL = new Set(("a an the is are was were be being of in on at to and or with for from by as into "
  + "it its his her their there that this he she they some").split(" "));

function firstContentWord() {
  const words = chipsOf("caption").map((chip) => chip.text.toLowerCase());
  return Math.max(0, words.findIndex((word) => !SMALL.has(word)));
}
