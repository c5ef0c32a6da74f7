// Starts the page: the frame around it (links, connection, problems, clock) and the view
// that the address names.

import { getVersion } from './api.js';
import { Annunciator } from './annunciator.js';
import { eachSecond, now } from './clock.js';
import { setAttribute, setText } from './dom.js';
import { EventsPage } from './events-page.js';
import * as format from './format.js';
import { glyph } from './glyphs.js';
import { connect } from './live.js';
import { Overview } from './overview.js';
import { parse } from './router.js';
import { StreamPage } from './stream-page.js';
import * as store from './store.js';
import { themeButton } from './theme.js';

const byId = (id) => document.getElementById(id);
const VIEWS = { overview: Overview, stream: StreamPage, events: EventsPage };

let view = null;
let shown = { page: null, name: null };

function navigate() {
  const route = parse(location.hash);
  const same = view !== null && route.page === shown.page && route.name === shown.name;
  if (same) {
    view.update?.(route);
    return;
  }
  view?.destroy();
  const first = view === null;
  view = new VIEWS[route.page](route);
  shown = route;
  byId('main').replaceChildren(view.element);
  setAttribute(byId('nav-streams'), 'aria-current', route.page === 'overview' ? 'page' : null);
  setAttribute(byId('nav-events'), 'aria-current', route.page === 'events' ? 'page' : null);
  showTitle();
  if (first) return;
  // A new page: from its top, and a screen reader begins with it.
  scrollTo(0, 0);
  byId('main').focus({ preventScroll: true });
}

/** Problems are seen in the tab's title too. */
function showTitle() {
  const troubled = [...store.streams.values()].filter((stream) => stream.problems.length > 0).length;
  const title = `${troubled ? `(${troubled}) ` : ''}${view.title} · l3net`;
  if (document.title !== title) document.title = title;
}

const LINKS = {
  connecting: ['connecting', 'connecting'],
  open: ['live', 'connected'],
  lost: ['reconnecting', 'connection lost'],
  denied: ['lock', 'no access'],
};
const BANNERS = {
  lost: 'Connection lost, trying again. What is shown is no longer new.',
  denied: 'The server wants its token again: load this page anew and enter it.',
};

function showLink() {
  const [shape, word] = LINKS[store.link];
  byId('link').dataset.link = store.link;
  byId('link').replaceChildren(glyph(shape), word);
  setText(byId('banner'), BANNERS[store.link] ?? '');
  byId('banner').hidden = !BANNERS[store.link];
  document.body.classList.toggle('stale', store.link === 'lost' || store.link === 'denied');
}

let firstVersion = null;

async function showVersion() {
  try {
    const { version, model } = await getVersion();
    setText(byId('version'), `l3net ${version}, model ${model}`);
    firstVersion ??= version;
    // This page is that of the program before; its scripts may not fit the new one.
    if (version !== firstVersion) location.reload();
  } catch {
    // The connection's banner says it.
  }
}

const announced = new Set();

/** For screen readers: each event once, when it begins. */
function announce(event) {
  const { end_ms, stream, what, id } = event;
  if (end_ms !== null || announced.has(id)) return;
  announced.add(id);
  setText(byId('announcer'), `${store.labelOf(stream)}: ${what}`);
}

themeButton(byId('theme'));
new Annunciator(byId('annunciator'));
addEventListener('hashchange', navigate);
// A plain "#main" would be taken for a page.
byId('skip').addEventListener('click', (click) => {
  click.preventDefault();
  byId('main').focus();
});
eachSecond(() => {
  setText(byId('clock'), format.clock(now()));
  byId('clock').title = format.utc(now());
});
store.on('link', () => {
  showLink();
  if (store.link === 'open') showVersion();
});
for (const topic of ['streams', 'stream']) store.on(topic, showTitle);
store.on('event', announce);
showLink();
navigate();
connect();
