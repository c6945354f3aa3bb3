// The same things said in words.

const SUBJECT = {
  video: "the picture", audio: "the sound", text: "the words", bottleneck: "the bottleneck",
  "video-cls": "the picture’s class token", "audio-cls": "the sound’s class token", caption: "the caption",
};
const EACH = {
  video: "each part of the picture", audio: "each moment", text: "each word",
  bottleneck: "each bottleneck token", caption: "each word of the caption",
};
const LOOKED = { video: "looked at", audio: "listened to" };
const AVERAGED = {
  video: "all frames", audio: "the whole sound", text: "all words", bottleneck: "all its tokens", caption: "all its words",
};
const PARTS = {
  video: "which parts of the picture", audio: "which moments of the sound", text: "which words",
  bottleneck: "which bottleneck tokens", caption: "which words of the caption",
};

const capital = (text) => text[0].toUpperCase() + text.slice(1);
const headName = (head) => typeof head === "number" ? "head " + (head + 1) : head + " of heads";
const partsOf = (mod) => mod === "text" && heard() ? "which heard words" : PARTS[mod] || "how much " + SUBJECT[mod];
const subjectOf = (mod) => mod === "text" && heard() ? "the heard words" : SUBJECT[mod];
const targetName = ({ target }) => target === "the caption" ? target : "“" + target + "”";

function figure(value) {
  const size = Math.abs(value);
  if (size < 0.000005) return "0";
  return value.toFixed(size >= 0.0995 ? 2 : size >= 0.00995 ? 3 : size >= 0.000995 ? 4 : 5);
}

const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
const seconds = (t) => t.toFixed(1) + " s";
const percent = (value) => (value > 0 && value < 0.005 ? "< 1" : Math.round(100 * value)) + "%";

// One cell, or the cells of one frame.
function cellName(meta, { mod, from, count }) {
  if (mod === "text") return (heard() ? "the heard word “" : "the word “") + meta.words[from].text + "”";
  if (mod === "caption") return "the word “" + chipsOf(mod)[from].text + "”";
  if (mod === "bottleneck") return "bottleneck token " + chipsOf(mod)[from].text;
  if (isSlot(mod)) return SUBJECT[mod];
  if (mod === "audio") {
    const { edges, hertz } = soundCells();
    const bands = hertz ? hertz.length - 1 : 1;
    const [span, band] = [Math.floor(from / bands), from % bands];
    const [a, b] = [edges[span], edges[span + count]];
    const pitch = hertz ? ", " + Math.round(hertz[band]) + "–" + Math.round(hertz[band + 1]) + " Hz" : "";
    return "the sound " + a.toFixed(1) + "–" + seconds(b) + pitch;
  }
  const { times } = meta.frames;
  const { rows, cols } = frameCells();
  const frame = Math.floor(from / (rows * cols));
  const cell = from % (rows * cols);
  if (count > 1) return "the frame at " + seconds(times[frame]);
  return "the picture cell in row " + (Math.floor(cell / cols) + 1) + ", column " + (cell % cols + 1)
    + " at " + seconds(times[frame]);
}

// What one thing read, by what it read.
function reading(who, { query, key }) {
  if (key === "video") return "where " + who + " looked in the picture";
  if (key === "audio") return "which moments of the sound " + who + " listened to";
  if (key === "caption" && query === key) return "which earlier words " + who + " read";
  if (!PARTS[key]) return "how much " + who + " read " + (query === key ? "itself" : SUBJECT[key]);
  return partsOf(key) + " " + who + " read";
}

// What the painting shows, after the colon.
function clause(meta, map, pin) {
  if (map.own) return GROUPS[map.group].title;
  const side = pinSide(map, pin);
  const aside = pin && !side ? "; the pin is on " + cellName(meta, pin) + ", which is not part of this "
    + (GROUPS[map.group].mod ? "tower" : "pair") : "";
  if (map.group === "text tower") {
    return (side ? "which words " + cellName(meta, pin) + " reads" : GROUPS[map.group].title + ", averaged over all words") + aside;
  }
  const averaged = AVERAGED[map.query] ? ", averaged over " + AVERAGED[map.query] : "";
  if (map.group === "route" && side === "key") {
    return PARTS[map.query] ? partsOf(map.query) + " " + cellName(meta, pin) + " reached"
      : "how much " + cellName(meta, pin) + " reached " + subjectOf(map.query);
  }
  const reached = side ? cellName(meta, pin) : subjectOf(map.query) + averaged + aside;
  if (map.group === "route") return partsOf(map.key) + " reached " + reached;
  if (side === "key") return partsOf(map.query) + " " + (LOOKED[map.key] || "read") + " " + cellName(meta, pin);
  if (!side) return reading(map.query === map.key && EACH[map.query] || subjectOf(map.query), map) + averaged + aside;
  const silent = state.painted.values.every((value) => value === 0);
  return silent ? cellName(meta, pin) + " had nothing here to read" : reading(cellName(meta, pin), map);
}

// What else to know of the painting: the way it came about, and what share of the whole it is.
function remark(map, head, pin, paintings) {
  const said = [];
  if (map.group === "route") said.push(wayInWords(map, head));
  else if (!GROUPS[map.group].mod && shareOf(map, head) < 0.995) {
    said.push(percent(shareOf(map, head)) + " of this attention went to " + subjectOf(map.key) + ", the rest to other tokens ("
      + headName(typeof head === "number" ? head : "mean") + "); shown scaled to 1.");
  }
  const others = paintings.slice(1).map(({ mod, map: other }) => nameOf(mod)
    + (shareOf(other, head) < 0.995 ? " (" + percent(shareOf(other, validHead(other, head))) + ")" : ""));
  if (others.length) said.push("Also painted, each on its own scale: " + others.join(", ") + ".");
  if (causal(map)) said.push("A word reads only the words before it.");
  return said.join(" ");
}

function wayInWords(map, head) {
  const [from, to] = wayOf(map).map((layer) => " (layer " + layer + ")");
  const [start, end] = [map.key, map.query].map((mod) => subjectOf(mod).replace("the ", ""));
  const part = shareOf(map, head) < 0.995 ? " " + percent(shareOf(map, head)) + " of the attention of "
    + subjectOf(map.query) + " went this way; shown scaled to 1." : "";
  return capital(start) + " → bottleneck" + (from || "") + " → " + end + (to || "") + (from ? "" : ", over all layers")
    + ": attention multiplied along the way." + part;
}

// The share that special tokens took of the chosen head, or on average.
const unplacedNote = (map, head) => " Special tokens took " + percent(1 - shareOf(map, head)) + " ("
  + headName(typeof head === "number" ? head : "mean") + ") and are left out; the rest is scaled to sum to 1.";

// A value with how it compares to an even share.
const share = (value, even) => figure(value) + " (" + (value / even).toFixed(1) + " × even)";

// Why the viewer has nothing to paint.
function whyBare({ streams }) {
  const mods = MODS.filter((mod) => streams[mod]);
  const usable = mods.filter((mod) => streams[mod].there && streams[mod].on);
  const rest = mods.filter((mod) => !usable.includes(mod)).map((mod) =>
    nameOf(mod) + (streams[mod].there ? " is switched off" : " is missing"));
  return "Cross-attention needs two modalities: one that reads and one that is read. "
    + (usable.length === 1
      ? "This run used " + nameOf(usable[0]) + " alone (" + rest.join(", ") + ")"
        + (towerOf(usable[0]) ? ": what it reads inside its own tower is shown." : ", so there is nothing to show.")
      : "This run has no recorded attention to show.");
}
