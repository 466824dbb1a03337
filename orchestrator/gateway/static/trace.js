// One request's life as a time line: what broker, worker and driver said of it, in order.

import { get } from "./api.js";
import { h } from "./dom.js";
import { clock, duration } from "./format.js";

export function tracePage(app, id) {
  const element = h("div", {}, h("h1", {}, "Trace"), h("p", { class: "soft" }, "asking…"));
  load(element, id);
  return { element, query: "" };
}

async function load(element, id) {
  try {
    const found = await get(`/api/traces/${encodeURIComponent(id)}`);
    const { steps } = found;
    const first = steps[0].time;
    const length = Math.max(steps.at(-1).time - first, 1e-6);
    const asked = steps.find((step) => step.member);
    element.replaceChildren(
      h("h1", {}, asked ? `${asked.worker}.${asked.member}` : "Trace", h("span", { class: "soft small" }, `${clock(first)}, took ${duration(length)}`)),
      h("p", { class: "mono soft" }, found.request),
      h("div", { class: "steps" }, steps.map((step, at) => stepRow(step, steps[at + 1]?.time ?? step.time, first, length))),
      found.whole ? "" : h("p", { class: "soft small" }, "What the broker did is recorded at level debug only."),
    );
  } catch (problem) {
    element.replaceChildren(h("h1", {}, "Trace"), h("p", { class: "warn" }, problem.told));
  }
}

function stepRow(step, next, first, length) {
  const mark = h("i");
  mark.style.left = `min(${(100 * (step.time - first)) / length}%, 100% - .5rem)`;
  mark.style.width = `${(100 * (next - step.time)) / length}%`;
  return h(
    "div",
    { class: "step" },
    h("span", { class: "mono" }, `+${((step.time - first) * 1000).toFixed(3)} ms`),
    h("span", { class: "soft" }, step.where),
    h("div", { class: "track" }, mark),
    h("span", { class: "text" }, step.event, step.exception ? h("pre", { class: "bad" }, step.exception) : null),
  );
}
