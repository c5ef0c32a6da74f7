// Dark, light or as the system has it. The choice is kept in this browser; early.js applies
// it before the first paint.

import { setText } from './dom.js';

const KEY = 'l3net-theme';
const NEXT = { auto: 'dark', dark: 'light', light: 'auto' };
const listeners = new Set();
const system = matchMedia('(prefers-color-scheme: dark)');

function chosen() {
  return document.documentElement.dataset.theme ?? 'auto';
}

function choose(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === 'auto') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Forbidden storage: the choice lasts until the page is left.
  }
  changed();
}

function changed() {
  cache.clear();
  for (const listener of listeners) listener();
}

system.addEventListener('change', changed);

/** Calls `listener` after every change of colours; returns how to stop that. */
export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Makes `button` step through the themes. */
export function themeButton(button) {
  const show = () => {
    setText(button, `theme: ${chosen()}`);
    button.title = `switch to ${NEXT[chosen()]}`;
  };
  button.addEventListener('click', () => choose(NEXT[chosen()]));
  onTheme(show);
  show();
}

const cache = new Map();
const probe = document.createElement('span');
probe.hidden = true;

/**
 * A colour of the style sheet as a canvas understands it. A custom property itself still
 * reads `light-dark(…)`; only a real property is resolved.
 */
export function colour(name) {
  let value = cache.get(name);
  if (value === undefined) {
    if (!probe.isConnected) document.body.append(probe);
    probe.style.color = `var(--${name})`;
    value = getComputedStyle(probe).color;
    cache.set(name, value);
  }
  return value;
}
