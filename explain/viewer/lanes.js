// The lanes: frames, sound and attention on one axis of seconds.

const timeToX = (t, width) => ((t - state.value.start) / state.value.duration) * width;

// The stretch of time that each frame stands for: halfway to its neighbours.
function frameSpans() {
  const { times } = state.value.frames;
  const between = times.slice(1).map((t, i) => (t + times[i]) / 2);
  const edges = [state.value.start, ...between, endTime()];
  return times.map((_, i) => [edges[i], edges[i + 1]]);
}

// Mean over the cells of each moment, with its time: [[seconds, value], ...]; empty where untimed.
// Where each frame is read by itself alone (own) all means are alike: then its strongest cell.
function alongTime(mod, values, own) {
  const { frames, sound, words } = state.value;
  if (mod === "video") {
    const n = cellsPerFrame();
    if (own) return frames.times.map((t, f) => [t, strongest(values, f)[0]]);
    return frames.times.map((t, f) => [t, values.subarray(f * n, (f + 1) * n).reduce((a, b) => a + b, 0) / n]);
  }
  if (mod === "audio") return Array.from(values, (v, i) => [(sound.edges[i] + sound.edges[i + 1]) / 2, v]);
  if (mod !== "text") return [];
  return words.flatMap((w, i) => w.start === null ? [] : [[(w.start + (w.end ?? w.start)) / 2, values[i]]]);
}

const BAR = 12; // the height under the thumbnails where a frame's attention stands

// Each thumbnail fills its stretch, cut at the sides by at most a third; narrower ones stand whole.
function thumbBox(span, width, height) {
  const { frames } = state.value;
  const [x0, x1] = span.map((t) => timeToX(t, width));
  const slot = { x: x0 + 1, w: Math.max(1, x1 - x0 - 2), h: height - BAR - 2 };
  const natural = slot.h * (frames.width / frames.height);
  const wide = slot.w / (frames.width / frames.height);
  const cover = wide >= slot.h && wide <= 1.5 * slot.h;
  const w = cover ? slot.w : natural;
  const h = cover ? wide : slot.h;
  return { slot, x: slot.x + (slot.w - w) / 2, y: (slot.h - h) / 2, w, h };
}

// The frames that have room for a thumbnail: all, or the middle one of every few.
function thumbs(area) {
  const { frames } = state.value;
  const spans = frameSpans();
  const least = 0.66 * (area.height - BAR - 2) * (frames.width / frames.height);
  const every = Math.max(1, Math.round(least / (area.width / spans.length)));
  const firsts = spans.flatMap((_, i) => i % every ? [] : [i]);
  return firsts.map((i) => {
    const last = Math.min(i + every, spans.length) - 1;
    return { i: Math.floor((i + last) / 2), span: [spans[i][0], spans[last][1]] };
  });
}

function eachThumb(area, draw) {
  thumbs(area).forEach(({ i, span }) => {
    const box = thumbBox(span, area.width, area.height);
    area.pen.save();
    area.pen.beginPath();
    area.pen.roundRect(box.slot.x, 0, box.slot.w, box.slot.h, 3);
    area.pen.clip();
    draw(box, i);
    area.pen.restore();
  });
}

function layFrames() {
  const { frames } = state.value;
  const area = fit(part("frames .fs-under"));
  if (!area || !frames || !state.strip) return;
  eachThumb(area, ({ slot, x, y, w, h }, i) => {
    area.pen.fillStyle = "#0b0c10";
    area.pen.fillRect(slot.x, 0, slot.w, slot.h);
    area.pen.drawImage(state.strip, i * frames.width, 0, frames.width, frames.height, x, y, w, h);
  });
}

function paintFrames() {
  const { value, pin, theme } = state;
  const area = fit(part("frames .fs-over"));
  if (!area || !value.frames) return;
  const painting = paintingOn("video");
  const shown = painting ? alongTime("video", painting.values, painting.map && painting.map.own).map((p) => p[1]) : null;
  const most = shown && Math.max(...shown.map(Math.abs));
  const pinned = pin && pin.mod === "video" ? Math.floor(pin.from / cellsPerFrame()) : -1;
  if (shown) {
    eachThumb(area, ({ x, y, w, h }, i) => {
      area.pen.globalAlpha = state.veil;
      area.pen.drawImage(frameHeat(i), x, y, w, h);
      area.pen.globalAlpha = 1;
    });
  }
  frameSpans().forEach((span, i) => {
    const [x0, x1] = span.map((t) => timeToX(t, area.width));
    if (i === pinned) outline(area.pen, x0, 0, Math.max(8, x1 - x0), area.height - BAR - 2);
    if (!shown) return;
    const tall = Math.max(1, (Math.abs(shown[i]) / (most || 1)) * BAR);
    area.pen.fillStyle = painting.ink.signed ? theme[side(shown[i])] : theme.video;
    area.pen.fillRect(x0 + 1, area.height - tall, Math.max(1, x1 - x0 - 2), tall);
  });
}

function laySound() {
  const area = fit(part("sound .fs-under"));
  if (!area || !state.sound) return;
  area.pen.fillStyle = "#0b0c10";
  area.pen.fillRect(0, 0, area.width, area.height);
  area.pen.globalAlpha = 0.66; // leaves the bright colours to the attention
  area.pen.imageSmoothingQuality = "high";
  area.pen.drawImage(state.sound, 0, 0, area.width, area.height);
  area.pen.globalAlpha = 1;
}

function paintSound() {
  const { value, pin } = state;
  const painting = paintingOn("audio");
  const area = fit(part("sound .fs-over"));
  if (!area || !value.sound) return;
  const { edges, heights } = soundCells();
  if (painting && heights) paintBands(area, painting, edges, heights);
  else if (painting) paintSpans(area, painting, edges);
  if (!pin || pin.mod !== "audio") return;
  const { width, height } = area;
  const bands = heights ? heights.length - 1 : 1;
  const [span, band] = [Math.floor(pin.from / bands), pin.from % bands];
  const [x0, x1] = [edges[span], edges[span + pin.count]].map((t) => timeToX(t, width));
  const [y0, y1] = heights ? [heights[band + 1], heights[band]].map((up) => (1 - up) * height) : [0, height];
  const [w, h] = [x1 - x0 + 2, y1 - y0].map((size) => Math.max(8, size)); // no smaller than its line
  outline(area.pen, (x0 + x1 - w) / 2, (y0 + y1 - h) / 2, w, h);
}

function paintSpans({ pen, width, height }, { values, ink }, edges) {
  values.forEach((v, i) => {
    const [x0, x1] = [edges[i], edges[i + 1]].map((t) => timeToX(t, width));
    pen.fillStyle = tint(ink, v, state.veil * veiled(ink, v));
    pen.fillRect(x0, 0, x1 - x0, height);
    pen.fillStyle = tint(ink, v, ink.signed ? veiled(ink, v) : 1);
    pen.fillRect(x0, height - 4, x1 - x0, 4);
  });
}

// Cells of time and pitch, where they lie on the spectrogram: a band from heights[i] up to the next.
function paintBands({ pen, width, height }, { values, ink }, edges, heights) {
  const [w, h] = [Math.round(width), Math.round(height)];
  const within = (borders, at) => {
    let i = 0;
    while (i < borders.length - 2 && borders[i + 1] <= at) i++;
    return i;
  };
  const spans = Array.from({ length: w }, (_, x) => within(edges, state.value.start + ((x + 0.5) / w) * state.value.duration));
  const bands = Array.from({ length: h }, (_, y) => within(heights, 1 - (y + 0.5) / h));
  const image = new ImageData(w, h);
  const pixels = new Uint32Array(image.data.buffer);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      pixels[y * w + x] = ink.dyes[ink.at(values[spans[x] * (heights.length - 1) + bands[y]])];
    }
  }
  pen.globalAlpha = state.veil;
  pen.drawImage(sheet(image), 0, 0, width, height);
  pen.globalAlpha = 1;
}

// Attention received over time, against an even share: a faint area for each modality that is
// read (mean of its maps), a line for what is painted, bold for the chosen pair.
function curves() {
  const { head, paintings } = state;
  const maps = mapsOf(groupOf());
  const areas = MODS.flatMap((mod) => {
    const readers = maps.filter((m) => m.key === mod);
    if (!readers.length) return [];
    const lines = readers.map((m) =>
      alongTime(mod, m.received[head] || m.received.mean, m.own).map(([t, v]) => [t, v / m.even]));
    const mean = lines[0].map(([t], i) => [t, lines.reduce((sum, line) => sum + line[i][1], 0) / lines.length]);
    return mean.length ? [{ mod, points: mean }] : [];
  });
  const lines = paintings.map(({ map, mod, values, even }, i) => ({ mod, thick: i ? 1.5 : 2.5,
    points: alongTime(mod, values, map.own).map(([t, v]) => [t, v / even]) }));
  return { areas, lines: lines.filter(({ points }) => points.length) };
}

function paintTime() {
  if (state.look === "scores") {
    paintScoreTime();
    return;
  }
  const area = fit(part("time .fs-over"));
  const { areas, lines } = curves();
  const nothing = !areas.length && !lines.length;
  fill(part("time .fs-none"), state.maps.length ? "the words have no times" : "nothing was read");
  part("time .fs-none").classList.toggle("on", nothing);
  if (!area || nothing) return;
  const { pen, width, height } = area;
  const { theme } = state;
  const most = Math.max(1.6, ...[...areas, ...lines].flatMap((c) => c.points.map((p) => p[1])));
  const y = (v) => height - 2 - (v / most) * (height - 10);
  const trace = (points) => {
    pen.beginPath();
    pen.moveTo(0, y(points[0][1]));
    for (const [t, v] of points) pen.lineTo(timeToX(t, width), y(v));
    pen.lineTo(width, y(points[points.length - 1][1]));
  };
  for (const { mod, points } of areas) {
    trace(points);
    pen.globalAlpha = 0.7;
    pen.strokeStyle = theme[mod];
    pen.lineWidth = 1;
    pen.stroke();
    pen.lineTo(width, height);
    pen.lineTo(0, height);
    pen.globalAlpha = 0.16;
    pen.fillStyle = theme[mod];
    pen.fill();
    pen.globalAlpha = 1;
  }
  pen.font = "10px " + theme.font;
  pen.lineWidth = 1;
  for (const [v, dash] of [[1, [3, 3]], [Math.floor(most), []]]) {
    if (v === 1 && dash.length === 0) continue;
    pen.setLineDash(dash);
    pen.strokeStyle = v === 1 ? theme.mute : theme.line;
    pen.beginPath();
    pen.moveTo(0, y(v));
    pen.lineTo(width, y(v));
    pen.stroke();
    label(pen, v + "×", 4, Math.max(9, y(v) - 3));
  }
  pen.setLineDash([]);
  for (const { mod, thick, points } of lines) {
    trace(points);
    pen.strokeStyle = theme[mod];
    pen.lineWidth = thick;
    pen.stroke();
  }
}

// Small text that stays readable over a drawing.
function label(pen, text, x, y) {
  pen.lineWidth = 3;
  pen.strokeStyle = state.theme.card;
  pen.strokeText(text, x, y);
  pen.fillStyle = state.theme.mute;
  pen.fillText(text, x, y);
  pen.lineWidth = 1;
}

// Round steps of 0.1, 0.2, 0.5, 1, 2, 5 ... seconds, about one every 70 px.
function layAxis() {
  const axis = part("axis");
  const { start, duration } = state.value;
  const rough = duration / Math.max(2, axis.clientWidth / 70);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((s) => s >= rough);
  const digits = step < 1 ? 1 : 0;
  const marks = [];
  for (let t = Math.ceil(start / step) * step; t <= endTime() + 1e-6; t += step) marks.push(t);
  axis.replaceChildren(...marks.map((t, i) => {
    const mark = document.createElement("span");
    mark.textContent = t.toFixed(digits) + (i === marks.length - 1 ? " s" : "");
    mark.style.left = timeToX(t, 100) + "%";
    return mark;
  }));
}
