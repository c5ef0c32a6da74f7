// The loaded part of a timeline: the server's columns, grown by live moments. Knows nothing
// of pixels or requests.

/** Two moments further apart than this have something missing between them. */
const HOLE_MS = 2500;

export class Series {
  constructor() {
    this.load({
      from_ms: 0, to_ms: 0, step_ms: 1000, t_ms: [], mean: [], min: [], max: [], level_dbfs: [], lost: [], gaps: [], events: [],
      normal: null, oldest_ms: null,
    });
  }

  /** Takes an answer of the server; what was there before is gone, so nothing is doubled. */
  load(answer, open = false) {
    /** Reaches now, so live moments continue it. */
    this.open = open;
    this.from_ms = answer.from_ms;
    this.to_ms = answer.to_ms;
    this.step_ms = answer.step_ms;
    this.t_ms = [...answer.t_ms];
    this.mean = [...answer.mean];
    this.min = [...answer.min];
    this.max = [...answer.max];
    this.level_dbfs = [...answer.level_dbfs];
    this.lost = [...answer.lost];
    this.gaps = answer.gaps;
    this.events = new Map(answer.events.map((event) => [event.id, event]));
    this.normal = answer.normal;
    this.oldest_ms = answer.oldest_ms;
    /** End of the newest moment that is in here. Not `to_ms`: moments are judged up to 2 s late. */
    const judged = this.mean.findLastIndex((mean) => mean !== null);
    this.last_ms = judged < 0 ? answer.from_ms : Math.min(answer.to_ms, this.t_ms[judged] + this.step_ms);
    /** How many moments the newest step's means are of; of the server's, about. */
    this.weight = 1;
    const start = this.t_ms.at(-1);
    if (start !== undefined) this.weight = Math.max(1, Math.round((Math.min(answer.to_ms, start + this.step_ms) - start) / 1000));
  }

  /**
   * Adds a live moment by its end. Returns true if moments are missing before it: then only
   * the server knows why.
   */
  push(end_ms, correspondence, level_dbfs) {
    if (end_ms <= this.last_ms) return false;
    const hole = end_ms - this.last_ms > HOLE_MS;
    this.last_ms = end_ms;
    this.to_ms = end_ms;
    // The moment lies in the step in which its second lies; its very end belongs to the next.
    const inside_ms = end_ms - 1;
    const newest_ms = this.t_ms.at(-1) ?? -Infinity;
    if (inside_ms < newest_ms) return hole;
    if (inside_ms < newest_ms + this.step_ms) this.merge(correspondence, level_dbfs);
    else this.append(inside_ms, newest_ms, correspondence, level_dbfs);
    return hole;
  }

  append(inside_ms, newest_ms, correspondence, level_dbfs) {
    const anchor = Number.isFinite(newest_ms) ? newest_ms : 0;
    this.t_ms.push(anchor + Math.floor((inside_ms - anchor) / this.step_ms) * this.step_ms);
    for (const column of [this.mean, this.min, this.max]) column.push(correspondence);
    this.level_dbfs.push(level_dbfs);
    this.lost.push(0);
    this.weight = 1;
  }

  merge(correspondence, level_dbfs) {
    const i = this.t_ms.length - 1;
    const blend = (old, value) => (value === null ? old : old === null ? value : (old * this.weight + value) / (this.weight + 1));
    this.mean[i] = blend(this.mean[i], correspondence);
    this.level_dbfs[i] = blend(this.level_dbfs[i], level_dbfs);
    if (correspondence !== null) {
      this.min[i] = Math.min(this.min[i] ?? 1, correspondence);
      this.max[i] = Math.max(this.max[i] ?? 0, correspondence);
    }
    this.weight += 1;
  }

  putEvent(event) {
    this.events.set(event.id, event);
  }

  /** Forgets what is older, so that a page left open for days stays small. */
  trim(from_ms) {
    const keep = this.t_ms.findIndex((t_ms) => t_ms >= from_ms);
    if (keep <= 0) return;
    for (const column of [this.t_ms, this.mean, this.min, this.max, this.level_dbfs, this.lost]) column.splice(0, keep);
    this.from_ms = from_ms;
    this.gaps = this.gaps.filter((gap) => gap.end_ms >= from_ms);
    for (const [id, event] of this.events) if (event.end_ms !== null && event.end_ms < from_ms) this.events.delete(id);
  }

  /** Index of the last step that begins at or before `ms`; −1 before the first. */
  indexAt(ms) {
    let [low, high] = [0, this.t_ms.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.t_ms[middle] <= ms) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** The step at that time: {t_ms, mean, min, max, level_dbfs, lost}, or null. */
  at(ms) {
    const i = this.indexAt(ms);
    if (i < 0 || ms >= this.t_ms[i] + this.step_ms) return null;
    return {
      t_ms: this.t_ms[i], mean: this.mean[i], min: this.min[i], max: this.max[i],
      level_dbfs: this.level_dbfs[i], lost: this.lost[i],
    };
  }

  gapAt(ms, tolerance_ms = 0) {
    return this.gaps.find((gap) => gap.begin_ms - tolerance_ms <= ms && ms < gap.end_ms + tolerance_ms) ?? null;
  }

  /** Events that go on at that time, the latest begun first. */
  eventsAt(ms, tolerance_ms, now_ms) {
    return [...this.events.values()]
      .filter((event) => event.begin_ms - tolerance_ms <= ms && ms <= (event.end_ms ?? now_ms) + tolerance_ms)
      .sort((a, b) => b.begin_ms - a.begin_ms);
  }
}
