// Draws images/icon.png: a container with a prompt in it, and a tick at its corner. Shapes are distance functions,
// edges one pixel soft, the PNG written by hand: no tool is needed, and the bytes are the same everywhere.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { crc32, deflateSync } from "node:zlib";

const SIZE = 256;

const length = (x, y) => Math.hypot(x, y);
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const mix = (a, b, t) => a.map((from, i) => from + (b[i] - from) * t);

/** Distance to a rectangle with round corners: half its width and height, and the corners' radius. */
function box(x, y, halfWidth, halfHeight, radius) {
  const [dx, dy] = [Math.abs(x) - halfWidth + radius, Math.abs(y) - halfHeight + radius];
  return length(Math.max(dx, 0), Math.max(dy, 0)) + Math.min(Math.max(dx, dy), 0) - radius;
}

/** Distance to a line from a to b. */
function line(x, y, [ax, ay], [bx, by]) {
  const [px, py, qx, qy] = [x - ax, y - ay, bx - ax, by - ay];
  const t = clamp((px * qx + py * qy) / (qx * qx + qy * qy), 0, 1);
  return length(px - qx * t, py - qy * t);
}

const DEEP = [13, 32, 43];
const SEA = [22, 72, 92];
const FOAM = [214, 240, 245];
const LEAF = [63, 196, 128];

/** The colour at a point, from 0 to 256 each way, with its alpha. */
function at(px, py) {
  const [x, y] = [px - 128, py - 128];
  let colour = mix(SEA, DEEP, clamp((x + y + 220) / 440, 0, 1));
  const paint = (with_, distance) => (colour = mix(colour, with_, clamp(0.5 - distance, 0, 1)));
  // The container: a wall, the ribs of its lid, and what stands inside.
  paint(FOAM, Math.abs(box(x, y + 2, 78, 62, 14)) - 6);
  for (const rib of [-39, 0, 39]) paint(FOAM, line(x, y, [rib, -84], [rib, -66]) - 6);
  paint(FOAM, Math.min(line(x, y, [-44, -24], [-20, 0]), line(x, y, [-20, 0], [-44, 24])) - 7);
  paint(FOAM, line(x, y, [-2, 24], [36, 24]) - 7);
  // The verdict.
  const [vx, vy] = [x - 70, y - 62];
  paint(DEEP, length(vx, vy) - 48);
  paint(LEAF, length(vx, vy) - 40);
  paint(DEEP, Math.min(line(vx, vy, [-18, 1], [-5, 14]), line(vx, vy, [-5, 14], [19, -13])) - 6);
  return [...colour, 255 * clamp(0.5 - box(x, y, 126, 126, 52), 0, 1)].map(Math.round);
}

const rows = Buffer.alloc(SIZE * (1 + SIZE * 4));
for (let y = 0; y < SIZE; y++) {
  for (let x = 0; x < SIZE; x++) {
    rows.set(at(((x + 0.5) * 256) / SIZE, ((y + 0.5) * 256) / SIZE), y * (1 + SIZE * 4) + 1 + x * 4);
  }
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}

const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 6, 0, 0, 0]); // 8 bits, RGBA
header.writeUInt32BE(SIZE, 0);
header.writeUInt32BE(SIZE, 4);
const png = Buffer.concat([
  Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
  chunk("IHDR", header),
  chunk("IDAT", deflateSync(rows, { level: 9 })),
  chunk("IEND", Buffer.alloc(0)),
]);
const file = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), "images", "icon.png");
writeFileSync(file, png);
console.log(`${path.relative(process.cwd(), file)}: ${SIZE} x ${SIZE}, ${png.length} bytes`);
