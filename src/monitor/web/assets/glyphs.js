// One shape each for states and problems, told apart without colour; 16 units square. Part
// of the scripts, not a picture of its own, so that it is there when the server is not.

const SVG = 'http://www.w3.org/2000/svg';

/** Lines, drawn with the colour of the text. */
const LINES = {
  connecting: 'M8 3a5 5 0 0 1 2.5.7M12.3 5.5a5 5 0 0 1 .7 2.5M12.3 10.5a5 5 0 0 1-1.8 1.8'
    + 'M8 13a5 5 0 0 1-2.5-.7M3.7 10.5A5 5 0 0 1 3 8M3.7 5.5a5 5 0 0 1 1.8-1.8',
  reconnecting: 'M13 8a5 5 0 1 1-1.7-3.75M13 2.5v3h-3',
  mismatch: 'M3 6h10M3 10.5h10M10.5 2.5l-5 11.5',
  mute: 'M2.5 6.2h2.3L8.3 3v10L4.8 9.8H2.5zM11 6.2l3.5 3.6M14.5 6.2L11 9.8',
  frozen: 'M8 2v12M2.8 5l10.4 6M13.2 5L2.8 11',
  black: 'M3 3.5h10a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1z',
  lost: 'M8 2a6 6 0 1 1 0 12a6 6 0 0 1 0-12zM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4',
  loud: 'M2.5 6.2h2L7.5 3.5v9L4.5 9.8h-2zM10 5.5v5M12.2 3.8v8.4M14.4 2v12',
  out_of_sync: 'M2 5h7M7 2.5L9.5 5L7 7.5M14 11H7M9 8.5L6.5 11L9 13.5',
  lagging: 'M4 2h8M4 14h8M5 2c0 4 6 4 6 8v4M11 2c0 4-6 4-6 8v4',
  other: 'M8 2.5v7M8 13v.2',
  well: 'M3 8.5l3.2 3.5L13 4.5',
  lock: 'M4.5 7.5h7a1 1 0 0 1 1 1v4a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1v-4a1 1 0 0 1 1-1zM5.5 7.5V5.3a2.5 2.5 0 0 1 5 0v2.2',
};

/** Areas, filled. A shape may have both. */
const AREAS = {
  live: 'M8 3.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 0 1 0-9z',
  ended: 'M4 4h8v8H4z',
  black: 'M4 5.5h8v5H4z',
  play: 'M5 3l8 5-8 5z',
};

/** Decoration: the word next to it says the same. */
export function glyph(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'glyph');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  for (const [kind, shapes] of [['line', LINES], ['area', AREAS]]) {
    if (!shapes[name]) continue;
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('class', kind);
    path.setAttribute('d', shapes[name]);
    svg.append(path);
  }
  return svg;
}
