// One stream in the overview: picture, state, problems, numbers, last minutes.

import { latestUrl } from './api.js';
import { ProblemBadges, StateBadge } from './badges.js';
import { now } from './clock.js';
import { beforePaint, h, setAttribute, setText } from './dom.js';
import * as format from './format.js';
import { weight } from './kinds.js';
import { CorrespondenceMeter, LevelMeter } from './meters.js';
import { LivePicture } from './picture.js';
import { streamHref } from './router.js';
import { Sparkline } from './sparkline.js';
import * as store from './store.js';

/** Longer ago is no longer how it is: the picture is said to be old, the numbers are left out. */
const OLD_MS = 5000;

export const isOld = ({ last_ms }) => last_ms === null || now() - last_ms > OLD_MS;

export class Tile {
  constructor(name) {
    this.name = name;
    this.paint = this.paint.bind(this);
    this.link = h('a', { href: streamHref(name) });
    this.state = new StateBadge();
    this.problems = new ProblemBadges();
    this.age = h('p', { class: 'age', hidden: true });
    this.picture = new LivePicture({ alt: '' });
    this.correspondence = new CorrespondenceMeter();
    this.level = new LevelMeter();
    this.spark = new Sparkline(name);
    this.picture.element.append(this.age, this.problems.element);
    this.element = h('li', { class: 'tile' },
      h('div', { class: 'tile-head' }, h('h2', {}, this.link), this.state.element),
      this.picture.element,
      h('div', { class: 'tile-data' }, this.correspondence.element, this.level.element),
      this.spark.element);
  }

  /** Shows the store's newest before the next paint; cheap to call often. */
  update() {
    beforePaint(this.paint);
  }

  paint() {
    const stream = store.streams.get(this.name);
    if (!stream) return;
    setText(this.link, stream.label);
    setAttribute(this.link, 'title', stream.label === stream.name ? null : stream.name);
    this.state.set(stream.state);
    this.problems.set(stream.problems);
    this.element.dataset.weight = weight(stream.problems) ?? '';
    const old = isOld(stream);
    this.correspondence.set(old ? null : stream.correspondence, stream.normal);
    this.level.set(old ? null : stream.level_dbfs);
    this.picture.want(stream.picture === null ? null : latestUrl(stream.name, stream.picture));
    this.paintAge(stream, old);
    this.spark.set(stream.normal, now());
  }

  paintAge({ last_ms, picture, state }, old) {
    this.age.hidden = !old;
    this.element.classList.toggle('old', old);
    if (!old) return;
    if (picture === null) setText(this.age, state === 'connecting' ? 'no picture yet' : 'no picture');
    else setText(this.age, `picture of ${format.moment(last_ms)}, ${format.duration(now() - last_ms)} ago`);
  }

  destroy() {
    this.picture.destroy();
    this.spark.destroy();
  }
}
