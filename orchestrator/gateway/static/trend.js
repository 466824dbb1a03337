// A polled value over time; where there was none, the line has a gap.

import { h, setText, svg } from "./dom.js";
import { duration, number } from "./format.js";

const WIDTH = 300;
const HEIGHT = 50;
const MOST = 600;

export class Trend {
  constructor(every) {
    this.every = every; // seconds between two reads; what is much further apart isn't joined
    this.points = [];
    this.path = svg("path");
    this.low = h("span");
    this.span = h("span");
    this.high = h("span");
    const box = svg("svg", { class: "trend", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none" });
    box.append(this.path);
    this.element = h("div", { hidden: true }, box, h("div", { class: "range" }, this.low, this.span, this.high));
  }

  begin(points) {
    this.points = points;
    this.draw();
  }

  add(time, value) {
    const last = this.points.at(-1);
    if (last && (last[0] >= time || (value === null && last[1] === null))) return;
    this.points.push([time, value]);
    if (this.points.length > MOST) this.points.shift();
    this.draw();
  }

  draw() {
    const values = this.points.map((point) => point[1]).filter((value) => value !== null);
    this.element.hidden = values.length < 2;
    if (this.element.hidden) return;
    const low = Math.min(...values);
    const high = Math.max(...values);
    const from = this.points[0][0];
    const length = Math.max(this.points.at(-1)[0] - from, 1e-9);
    const x = (time) => ((WIDTH * (time - from)) / length).toFixed(1);
    const y = (value) => (high > low ? HEIGHT - 3 - ((HEIGHT - 6) * (value - low)) / (high - low) : HEIGHT / 2).toFixed(1);
    let line = "";
    let before = null;
    for (const [time, value] of this.points) {
      if (value === null) before = null;
      else {
        const joined = before !== null && time - before < 3 * this.every + 2;
        line += joined ? `L${x(time)} ${y(value)}` : `M${x(time)} ${y(value)}h.1`;
        before = time;
      }
    }
    this.path.setAttribute("d", line);
    setText(this.low, `least ${number(low)}`);
    setText(this.span, duration(length));
    setText(this.high, `most ${number(high)}`);
  }
}
