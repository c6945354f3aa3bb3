// The same things said in words.

const NAME = { video: "video", audio: "sound", text: "text" };
const SUBJECT = { video: "the picture", audio: "the sound", text: "the words" };
const LOOKED = { video: "looked at", audio: "listened to", text: "read" };
const AVERAGED = { video: "all frames", audio: "the whole sound", text: "all words" };
const PARTS = { video: "which parts of the picture", audio: "which moments of the sound", text: "which words" };

const capital = (text) => text[0].toUpperCase() + text.slice(1);
const headName = (head) => typeof head === "number" ? "head " + (head + 1) : head + " of heads";

function figure(value) {
  const size = Math.abs(value);
  if (size < 0.000005) return "0";
  return value.toFixed(size >= 0.0995 ? 2 : size >= 0.00995 ? 3 : size >= 0.000995 ? 4 : 5);
}

const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
const seconds = (t) => t.toFixed(1) + " s";

// One cell, or the cells of one frame.
function cellName(meta, { mod, from, count }) {
  if (mod === "text") return "the word “" + meta.words[from].text + "”";
  if (mod === "audio") {
    const [a, b] = [meta.sound.edges[from], meta.sound.edges[from + count]];
    return "the sound " + a.toFixed(1) + "–" + seconds(b);
  }
  const { times, rows, cols } = meta.frames;
  const frame = Math.floor(from / (rows * cols));
  const cell = from % (rows * cols);
  if (count > 1) return "the frame at " + seconds(times[frame]);
  return "the picture cell in row " + (Math.floor(cell / cols) + 1) + ", column " + (cell % cols + 1)
    + " at " + seconds(times[frame]);
}

// What the painting shows, after the colon.
function clause(meta, map, pin) {
  if (map.own) return GROUPS[map.group].title;
  const side = pinSide(map, pin);
  const aside = pin && !side ? "; the pin is on " + cellName(meta, pin) + ", which is not part of this "
    + (map.group === "fusion" ? "pair" : "tower") : "";
  if (map.group === "text tower") {
    return (side ? "which words " + cellName(meta, pin) + " reads" : GROUPS[map.group].title + ", averaged over all words") + aside;
  }
  if (side === "key") return PARTS[map.query] + " " + LOOKED[map.key] + " " + cellName(meta, pin);
  const who = side ? cellName(meta, pin) : SUBJECT[map.query];
  const what = {
    video: "where " + who + " looked in the picture",
    audio: "which moments of the sound " + who + " listened to",
    text: "which words " + who + " read",
  }[map.key];
  if (side) return what;
  return what + ", averaged over " + AVERAGED[map.query] + aside;
}

// A value with how it compares to an even share.
const share = (value, even) => figure(value) + " (" + (value / even).toFixed(1) + " × even)";

// Why the viewer has nothing to paint.
function whyBare(meta) {
  const usable = Object.keys(NAME).filter((mod) => meta.streams[mod].there && meta.streams[mod].on);
  const rest = Object.keys(NAME).filter((mod) => !usable.includes(mod)).map((mod) =>
    NAME[mod] + (meta.streams[mod].there ? " is switched off" : " is missing"));
  return "Cross-attention needs two modalities: one that reads and one that is read. "
    + (usable.length === 1
      ? "This run used " + NAME[usable[0]] + " alone (" + rest.join(", ") + ")"
        + (towerOf(usable[0]) ? ": what it reads inside its own tower is shown." : ", so there is nothing to show.")
      : "This run has no recorded attention to show.");
}
