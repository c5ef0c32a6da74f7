// The words, glyphs and weight of problems, states, gaps and clips. Everything is told by
// word and shape; colour only repeats it.

const KINDS = {
  mismatch: { word: 'mismatch', weight: 'alarm', says: 'sound and picture do not belong together' },
  mute: { word: 'mute', weight: 'alarm', says: 'there is no sound' },
  frozen: { word: 'frozen', weight: 'alarm', says: 'the picture does not move' },
  black: { word: 'black', weight: 'alarm', says: 'the picture is black' },
  lost: { word: 'lost', weight: 'alarm', says: 'nothing arrives' },
  out_of_sync: { word: 'out of sync', weight: 'caution', says: 'sound and picture have come apart' },
  loud: { word: 'loud', weight: 'caution', says: 'the sound is far louder than usual' },
};

/** Not an event, only a state. */
const STATES = {
  lagging: { word: 'lagging', weight: 'caution', says: 'judgements come late' },
};

export const KIND_NAMES = Object.keys(KINDS);

/** Another version may have stored events of other kinds; they are shown under their own name. */
export function kind(name) {
  const known = KINDS[name] ?? STATES[name];
  if (known) return { name, glyph: name, ...known };
  return { name, glyph: 'other', word: name.replaceAll('_', ' '), weight: 'caution', says: '' };
}

/** The heaviest of several problems: "alarm", "caution" or null. */
export function weight(problems) {
  if (problems.some((name) => kind(name).weight === 'alarm')) return 'alarm';
  return problems.length > 0 ? 'caution' : null;
}

const GAPS = {
  overload: 'the machine was too slow',
  discontinuity: 'the stream was interrupted',
  no_audio: 'no sound arrived',
  no_video: 'no picture arrived',
};

export const gapReason = (why) => GAPS[why] ?? why.replaceAll('_', ' ');

const CLIPS = {
  pending: 'The clip is not ready yet; it appears here by itself.',
  none: 'No clip was recorded of this event.',
  deleted: 'The clip has been deleted to keep within the limits of storage.',
};

/** Why there is nothing to play; null if there is. */
export const clipAbsence = (clip) => CLIPS[clip] ?? (clip === 'ready' ? null : `The clip is ${clip}.`);
