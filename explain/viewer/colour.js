// Values to colours, the same in light and dark: one perceptually uniform scale (inferno); and for
// scores that may be against, blue and red that all eyes tell apart.

// Colours at even steps -> level 0..255 -> r, g, b.
function table(hexes) {
  const stops = hexes.split(" ").map((hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  const lut = new Uint8ClampedArray(256 * 3);
  for (let level = 0; level < 256; level++) {
    const at = (level / 255) * (stops.length - 1);
    const i = Math.min(stops.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++) lut[3 * level + c] = stops[i][c] + (at - i) * (stops[i + 1][c] - stops[i][c]);
  }
  return lut;
}

const LUT = table("000004 0b0724 210c4a 3d0965 57106e 71196e 8a226a a32c61 bc3754 d24644 e45a31 "
  + "f1731d f98e09 fcac11 f9cb35 f2ea69 fcffa4");
const SIGNED = table("0b6f9c 1e8fbf 5cb8dc ffffff f28a9b d9405c c01f40"); // white is seen nowhere: it is clear

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// Where a value stands in [low, high], as 0..1.
const level = (value, [low, high]) => clamp((value - low) / (high - low || 1), 0, 1);

// Low values stay transparent, so that the picture beneath is seen.
const veil = (t) => Math.min(1, 1.15 * t * t * (3 - 2 * t) + 0.12 * t);

const css = (t, alpha = 1) => tint({ lut: LUT, at: () => Math.round(255 * t) }, 0, alpha);

// An ink is how values are coloured: at(value), a level of its lut; veils, by level, how much it
// covers (0..255); strength(value), 0 for nothing to 1.
const levels = (make) => Uint8ClampedArray.from({ length: 256 }, (_, i) => 255 * make(i));
const HEAT_VEILS = levels((i) => veil(i / 255));
const SIGNED_VEILS = levels((i) => veil(Math.min(1, Math.abs(i - 128) / 127)));

function heatInk(range) {
  const strength = (value) => level(value, range);
  return { lut: LUT, veils: HEAT_VEILS, strength, at: (value) => Math.round(255 * strength(value)) };
}

// Scores, up to the largest that keeps its colour.
function scoreInk(most, signed) {
  const strength = (value) => most ? Math.min(1, Math.abs(value) / most) : 0;
  if (!signed) return { lut: LUT, veils: HEAT_VEILS, strength, at: (value) => Math.round(255 * strength(value)) };
  const at = (value) => 128 + Math.round(127 * Math.sign(value) * strength(value));
  return { lut: SIGNED, veils: SIGNED_VEILS, signed, strength, at };
}

function tint({ lut, at }, value, alpha = 1) {
  const colour = 3 * at(value);
  return "rgb(" + lut[colour] + " " + lut[colour + 1] + " " + lut[colour + 2] + " / " + alpha + ")";
}
const veiled = (ink, value) => ink.veils[ink.at(value)] / 255;

// Smallest and largest of a list of numbers.
function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

// A grid of values (rows x cols) as a picture (height x width), bilinear between cell centres.
function heatImage(values, offset, rows, cols, height, width, ink, opaque) {
  const { lut, veils } = ink;
  const image = new ImageData(width, height);
  for (let y = 0; y < height; y++) {
    const v = clamp(((y + 0.5) / height) * rows - 0.5, 0, rows - 1);
    const r0 = Math.floor(v);
    const r1 = Math.min(rows - 1, r0 + 1);
    for (let x = 0; x < width; x++) {
      const u = clamp(((x + 0.5) / width) * cols - 0.5, 0, cols - 1);
      const c0 = Math.floor(u);
      const c1 = Math.min(cols - 1, c0 + 1);
      const top = mix(values[offset + r0 * cols + c0], values[offset + r0 * cols + c1], u - c0);
      const low = mix(values[offset + r1 * cols + c0], values[offset + r1 * cols + c1], u - c0);
      dye(image, 4 * (y * width + x), ink.at(mix(top, low, v - r0)), lut, opaque ? null : veils);
    }
  }
  return image;
}

function dye({ data }, at, level, lut, veils) {
  data[at] = lut[3 * level];
  data[at + 1] = lut[3 * level + 1];
  data[at + 2] = lut[3 * level + 2];
  data[at + 3] = veils ? veils[level] : 255;
}

function mix(a, b, t) { return a + t * (b - a); }

// A canvas that is given a size is made anew, even if it has that size.
function resize(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
}

// An image as a canvas that other canvases can draw, scaled.
function sheet(image, canvas) {
  const target = canvas || document.createElement("canvas");
  resize(target, image.width, image.height);
  target.getContext("2d").putImageData(image, 0, 0);
  return target;
}
