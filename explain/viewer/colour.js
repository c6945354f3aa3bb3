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
const level = (value, range) => clamp((value - range[0]) / (range[1] - range[0] || 1), 0, 1);

// Low values stay transparent, so that the picture beneath is seen.
const veil = (t) => Math.min(1, 1.15 * t * t * (3 - 2 * t) + 0.12 * t);

const SHADES = Array.from({ length: 256 }, (_, i) => tint({ lut: LUT, at: () => i }, 0));
const css = (t) => SHADES[Math.round(255 * t)];

// An ink is how values are coloured: at(value), a level of its lut; veils, by level, how much it
// covers (0..255); dyes, opaque, by level, the pixel with and without veil; strength(value), 0 for
// nothing to 1.
const levels = (make) => Uint8ClampedArray.from({ length: 256 }, (_, i) => 255 * make(i));
const HEAT_VEILS = levels((i) => veil(i / 255));
const SIGNED_VEILS = levels((i) => veil(Math.min(1, Math.abs(i - 128) / 127)));

// level 0..255 -> a pixel as an image keeps it, in one number.
function dyesOf(lut, veils) {
  const pixels = Uint8ClampedArray.from({ length: 4 * 256 }, (_, i) =>
    i % 4 < 3 ? lut[3 * (i >> 2) + (i % 4)] : veils ? veils[i >> 2] : 255);
  return new Uint32Array(pixels.buffer);
}

const dyed = (lut, veils) => ({ lut, veils, dyes: dyesOf(lut, veils), opaque: dyesOf(lut) });
const HEAT = dyed(LUT, HEAT_VEILS);
const FOR_AND_AGAINST = dyed(SIGNED, SIGNED_VEILS);

function heatInk(range) {
  const strength = (value) => level(value, range);
  return { ...HEAT, strength, at: (value) => Math.round(255 * strength(value)) };
}

// Scores, up to the largest that keeps its colour.
function scoreInk(most, signed) {
  const strength = (value) => most ? Math.min(1, Math.abs(value) / most) : 0;
  if (!signed) return { ...HEAT, strength, at: (value) => Math.round(255 * strength(value)) };
  const at = (value) => 128 + Math.round(127 * Math.sign(value) * strength(value));
  return { ...FOR_AND_AGAINST, signed, strength, at };
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
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const dyes = opaque ? ink.opaque : ink.dyes;
  const wide = new Float64Array(rows * width); // every row of values as wide as the picture
  for (let x = 0; x < width; x++) {
    const u = clamp(((x + 0.5) / width) * cols - 0.5, 0, cols - 1);
    const c0 = Math.floor(u);
    const c1 = Math.min(cols - 1, c0 + 1);
    for (let r = 0; r < rows; r++) {
      wide[r * width + x] = mix(values[offset + r * cols + c0], values[offset + r * cols + c1], u - c0);
    }
  }
  for (let y = 0; y < height; y++) {
    const v = clamp(((y + 0.5) / height) * rows - 0.5, 0, rows - 1);
    const r0 = Math.floor(v);
    const [top, low] = [r0 * width, Math.min(rows - 1, r0 + 1) * width];
    for (let x = 0; x < width; x++) {
      pixels[y * width + x] = dyes[ink.at(mix(wide[top + x], wide[low + x], v - r0))];
    }
  }
  return image;
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
