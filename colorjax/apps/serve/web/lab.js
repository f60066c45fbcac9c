// CIE Lab (D65) for the page: colors are "#rrggbb", L is 0 to 100.
const WHITE = [0.95047, 1, 1.08883];
const TO_XYZ = [[0.412453, 0.35758, 0.180423], [0.212671, 0.71516, 0.072169],
  [0.019334, 0.119193, 0.950227]];
const TO_RGB = [[3.24048134, -1.53715152, -0.49853633],
  [-0.96925495, 1.87599, 0.04155593], [0.05564664, -0.20404134, 1.05731107]];
const apply = (matrix, x) =>
  matrix.map((row) => row[0] * x[0] + row[1] * x[1] + row[2] * x[2]);

function toLab(color) {
  const linear = [1, 3, 5].map((at) => {
    const level = parseInt(color.slice(at, at + 2), 16) / 255;
    return level > 0.04045 ? ((level + 0.055) / 1.055) ** 2.4 : level / 12.92;
  });
  const [x, y, z] = apply(TO_XYZ, linear).map((value, i) => {
    const t = value / WHITE[i];
    return t > (6 / 29) ** 3 ? Math.cbrt(t) : t / (3 * (6 / 29) ** 2) + 4 / 29;
  });
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

function toLinear(lightness, chroma, hue) { // hue in degrees
  const y = (lightness + 16) / 116;
  const angle = (hue * Math.PI) / 180;
  const f = [y + (chroma * Math.cos(angle)) / 500, y,
    y - (chroma * Math.sin(angle)) / 200];
  const xyz = f.map((t, i) =>
    WHITE[i] * (t > 6 / 29 ? t ** 3 : 3 * (6 / 29) ** 2 * (t - 4 / 29)));
  return apply(TO_RGB, xyz);
}

function largestChroma(lightness, hue) { // that sRGB holds
  let [low, high] = [0, 150];
  for (let i = 0; i < 12; i++) {
    const middle = (low + high) / 2;
    const fits = toLinear(lightness, middle, hue).every((x) => x > -1e-4 && x < 1.0001);
    if (fits) low = middle;
    else high = middle;
  }
  return low;
}

function toHex(lightness, chroma, hue) {
  const levels = toLinear(lightness, chroma, hue).map((x) => {
    const level = x > 0.0031308 ? 1.055 * x ** (1 / 2.4) - 0.055 : 12.92 * x;
    return Math.round(255 * Math.min(1, Math.max(0, level)));
  });
  return "#" + levels.map((level) => level.toString(16).padStart(2, "0")).join("");
}
