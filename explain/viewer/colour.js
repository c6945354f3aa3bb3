// Values to colours: one perceptually uniform scale (inferno), the same in light and dark.

const STOPS = ("000004 0b0724 210c4a 3d0965 57106e 71196e 8a226a a32c61 bc3754 d24644 e45a31 "
  + "f1731d f98e09 fcac11 f9cb35 f2ea69 fcffa4").split(" ")
  .map((hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)));

const LUT = new Uint8ClampedArray(256 * 3); // level 0..255 -> r, g, b
for (let level = 0; level < 256; level++) {
  const at = (level / 255) * (STOPS.length - 1);
  const i = Math.min(STOPS.length - 2, Math.floor(at));
  for (let c = 0; c < 3; c++) {
    LUT[3 * level + c] = STOPS[i][c] + (at - i) * (STOPS[i + 1][c] - STOPS[i][c]);
  }
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// Where a value stands in [low, high], as 0..1.
const level = (value, [low, high]) => clamp((value - low) / (high - low || 1), 0, 1);

// Low values stay transparent, so that the picture beneath is seen.
const veil = (t) => Math.min(1, 1.15 * t * t * (3 - 2 * t) + 0.12 * t);

const rgb = (t) => Array.from(LUT.subarray(3 * Math.round(255 * t), 3 * Math.round(255 * t) + 3));
const css = (t, alpha = 1) => "rgb(" + rgb(t).join(" ") + " / " + alpha + ")";

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
function heatImage(values, offset, rows, cols, height, width, range, opaque) {
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
      const t = level(mix(top, low, v - r0), range);
      const at = 4 * (y * width + x);
      const colour = 3 * Math.round(255 * t);
      image.data[at] = LUT[colour];
      image.data[at + 1] = LUT[colour + 1];
      image.data[at + 2] = LUT[colour + 2];
      image.data[at + 3] = opaque ? 255 : 255 * veil(t);
    }
  }
  return image;
}

function mix(a, b, t) { return a + t * (b - a); }

// An image as a canvas that other canvases can draw, scaled.
function sheet(image, canvas) {
  const target = canvas || document.createElement("canvas");
  target.width = image.width;
  target.height = image.height;
  target.getContext("2d").putImageData(image, 0, 0);
  return target;
}
