// The stage: the clip, its attention over the picture, and the clock. Time is in seconds of the file.

const root = element.querySelector(".fs-viewer");
const part = (name) => root.querySelector(".fs-" + name);
const video = part("video");

const state = {
  value: null, maps: [], strip: null, sound: null, file: false, // meta, maps, pictures, a clip to play
  map: null, head: "mean", pin: null, scale: "view", // the choice
  last: {}, pairs: "fusion", listed: [], before: null, // last map per group; pairs and rows on show
  painted: null, paintings: [], range: [0, 1], // what follows: the chosen map's first
  look: "attention", scores: [], scored: null, plain: false, // or "scores": all, the chosen; drawn without gains
  asides: {}, // what stands beside the name of a lane
  time: 0, playing: false, veil: 0.8, theme: {}, // the stage
};

// A canvas sized for the screen; null while it is hidden.
function fit(canvas, width = canvas.clientWidth, height = canvas.clientHeight) {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (!w || !h) return null;
  resize(canvas, w, h);
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

function readTheme() {
  const style = getComputedStyle(root);
  for (const name of ["card", "mute", "line", "for", "against", ...MODS]) {
    state.theme[name] = style.getPropertyValue("--" + name).trim();
  }
  state.theme.font = style.fontFamily;
}

function frameAt(time) {
  const { times } = state.value.frames;
  let nearest = 0;
  times.forEach((t, i) => { if (Math.abs(t - time) < Math.abs(times[nearest] - time)) nearest = i; });
  return nearest;
}

// The cells of a frame, and of the sound: those of the attention, or of the scores on show.
const frameCells = () => scoresOn("video") || state.value.frames;
const soundCells = () => scoresOn("audio") || state.value.sound;
const cellsPerFrame = () => frameCells().rows * frameCells().cols;
const endTime = () => state.value.start + state.value.duration;

// Width by height of the picture, from the clip where it plays, else from the strip.
function pictureSize() {
  const { frames } = state.value;
  if (video.videoWidth) return [video.videoWidth, video.videoHeight];
  return frames ? [frames.width, frames.height] : [16, 9];
}

// Where the picture lies inside the stage, without the black bars.
function pictureBox(stage) {
  const [w, h] = pictureSize();
  const scale = Math.min(stage.clientWidth / w, stage.clientHeight / h);
  const [width, height] = [w * scale, h * scale];
  return { left: (stage.clientWidth - width) / 2, top: (stage.clientHeight - height) / 2, width, height };
}

function layStage() {
  const stage = part("stage");
  const [w, h] = pictureSize();
  stage.style.aspectRatio = String(clamp(w / h, 4 / 3, 2.2));
  const box = pictureBox(stage);
  const heat = part("heat");
  for (const side of ["left", "top", "width", "height"]) heat.style[side] = box[side] + "px";
}

// Without a video file, the nearest frame of the strip stands for the picture.
function drawStill() {
  const canvas = part("still");
  const { frames } = state.value;
  if (state.file || !frames || !state.strip) return;
  const stage = part("stage");
  const box = pictureBox(stage);
  const area = fit(canvas, stage.clientWidth, stage.clientHeight);
  if (!area) return;
  area.pen.drawImage(state.strip, frameAt(state.time) * frames.width, 0, frames.width,
    frames.height, box.left, box.top, box.width, box.height);
}

// The heat of the nearest frame, over the picture.
function paintStage() {
  const { value, pin } = state;
  if (!value.frames) return;
  const canvas = part("heat");
  const box = { width: parseFloat(canvas.style.width), height: parseFloat(canvas.style.height) };
  const area = fit(canvas, box.width, box.height);
  if (!area) return;
  const { rows, cols } = frameCells();
  const frame = frameAt(state.time);
  if (paintingOn("video")) {
    area.pen.globalAlpha = state.veil;
    area.pen.imageSmoothingQuality = "high";
    area.pen.drawImage(frameHeat(frame), 0, 0, box.width, box.height);
    area.pen.globalAlpha = 1;
  }
  if (pin && pin.mod === "video" && Math.floor(pin.from / (rows * cols)) === frame) {
    const cell = pin.from % (rows * cols);
    const [w, h] = pin.count > 1 ? [box.width, box.height] : [box.width / cols, box.height / rows];
    outline(area.pen, (cell % cols) * w, Math.floor(cell / cols) * h, w, h);
  }
}

// A white line within a dark one: seen on any picture.
function outline(pen, x, y, w, h) {
  for (const [width, colour] of [[4, "rgb(0 0 0 / .6)"], [2, "#fff"]]) {
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.strokeRect(x + 2, y + 2, w - 4, h - 4);
  }
}

// The heat of one frame, small; stretched where it is drawn. Kept until the painting changes.
const heats = [];
const sheets = []; // what they are drawn on, again and again
function frameHeat(frame) {
  if (!heats[frame]) {
    const { rows, cols } = frameCells();
    const { values, ink } = paintingOn("video");
    const finer = Math.ceil(56 / rows);
    const image = heatImage(values, frame * rows * cols, rows, cols, finer * rows, finer * cols, ink, false);
    heats[frame] = sheets[frame] = sheet(image, sheets[frame]);
  }
  return heats[frame];
}

function paintClock() {
  const { value, time, playing } = state;
  const into = time - value.start;
  const scrub = part("scrub");
  scrub.value = into;
  scrub.setAttribute("aria-valuetext", seconds(time));
  fill(part("clock"), into.toFixed(1) + " / " + seconds(value.duration));
  const button = part("playbutton");
  button.classList.toggle("on", playing);
  button.setAttribute("aria-label", playing ? "Pause" : "Play");
  part("cursor").style.transform = "translateX(" + (100 * into) / value.duration + "cqw)";
}

// A preview holds the window alone: its own clock starts at meta.video_start of the clip's.
const clipTime = () => video.currentTime + (state.value.video_start || 0);
const showTime = (time) => { video.currentTime = Math.max(0, time - (state.value.video_start || 0)); };

function seek(time) {
  state.time = clamp(time, state.value.start, endTime());
  if (state.file) showTime(state.time);
  touch("time");
}

function play(on) {
  if (!state.value || state.playing === on) return;
  state.playing = on;
  if (on && state.time >= endTime() - 0.05) seek(state.value.start);
  if (state.file) {
    if (on) video.play().catch(() => play(false));
    else video.pause();
  }
  touch("time");
  if (on) requestAnimationFrame((now) => tick(now));
}

// While playing: the file's own clock, or ours where there is no file.
function tick(before) {
  if (!state.playing || !element.isConnected) return;
  requestAnimationFrame((now) => {
    if (!state.playing) return;
    state.time = state.file ? clipTime() : state.time + (now - before) / 1000;
    if (state.time >= endTime() || video.ended) {
      state.time = Math.min(state.time, endTime());
      play(false);
    }
    touch("time");
    tick(now);
  });
}
