// All workers at one look: what each runs, since when, against which limit, for whom.

import { get, send } from "./api.js";
import { confirm, h, replace, setClass, setText, show } from "./dom.js";
import { caller, clock, duration, firstLine, size } from "./format.js";

const NEAR = 0.8; // of its limit, from where on it is marked
const COLUMNS = ["Worker", "State", "Runs", "Queue", "p50", "p99", "Last error", "Up", "Restarts", "CPU", "Memory"];

export function overview(app) {
  const body = h("tbody");
  const rows = new Map();
  const element = h(
    "table",
    { class: "workers live" },
    h("thead", {}, h("tr", {}, COLUMNS.map((name) => h("th", {}, name)))),
    body,
  );
  return {
    element,
    query: "",
    status(found) {
      const names = found.workers.map((worker) => worker.name);
      for (const [name, row] of rows) {
        if (!names.includes(name)) {
          row.element.remove();
          rows.delete(name);
        }
      }
      for (const worker of found.workers) {
        if (!rows.has(worker.name)) {
          rows.set(worker.name, new Row(worker.name, app));
          body.append(rows.get(worker.name).element);
        }
        rows.get(worker.name).show(worker);
      }
    },
  };
}

// That no device is behind it is told apart from its state, in another colour.
export const twinMark = () => h("span", { class: "state twin", hidden: true }, "SIMULATED");

// What is to be said of an alarm; nothing while all is well.
function alarmTold(alarm) {
  const about = `${alarm.member}: ${alarm.reason}`;
  if (alarm.raised) return h("div", { class: "bad" }, `ALARM ${about}${alarm.state === "stale" ? "; its value isn't known now" : ""}`);
  if (alarm.state === "stale") return h("div", { class: "warn" }, `alarm of ${about}; its value isn't known`);
  return alarm.state === "pending" ? h("div", { class: "warn" }, `${about}, no alarm yet`) : null;
}

// Who has a worker to himself, why, until when, and who waits. The time alone is told anew.
export function leased(place, worker) {
  const lease = worker.lease;
  const waiting = (lease?.waiting ?? []).map((each) => each.who);
  replace(place, [lease?.number, waiting, worker.leased], () => {
    if (!lease) return worker.leased ? h("div", { class: "small soft" }, "needs a lease; nobody has one") : null;
    const why = lease.why ? ` (${lease.why})` : "";
    return h(
      "div",
      { class: "small warn" },
      `leased to ${lease.who}${why}, `,
      h("span", { class: "left" }),
      waiting.length ? `; ${waiting.length} wait${waiting.length > 1 ? "" : "s"}: ${waiting.join(", ")}` : "",
    );
  });
  const left = place.querySelector(".left");
  if (left) {
    const seconds = Math.max(0, lease.left);
    setText(left, `${duration(seconds)} left`);
    left.title = `until ${clock(Date.now() / 1000 + seconds)}`;
  }
}

class Row {
  constructor(name, app) {
    this.app = app;
    this.state = h("span", {});
    this.twin = twinMark();
    this.cells = Object.fromEntries(
      ["queue", "p50", "p99", "up", "restarts", "cpu", "memory"].map((key) => [key, h("td", { class: "number", data: { name: key } })]),
    );
    this.runs = h("td", { class: "runs" });
    this.lease = h("div");
    this.error = h("div");
    const cells = this.cells;
    this.element = h(
      "tr",
      {},
      h("td", { class: "name" }, h("a", { href: `#/worker/${encodeURIComponent(name)}` }, name)),
      h("td", { class: "state-cell" }, this.state, " ", this.twin),
      this.runs,
      cells.queue,
      cells.p50,
      cells.p99,
      h("td", { class: "error" }, this.lease, this.error),
      cells.up,
      cells.restarts,
      cells.cpu,
      cells.memory,
    );
  }

  show(worker) {
    setClass(this.state, `state ${worker.state}`);
    setText(this.state, worker.state);
    this.twin.hidden = !worker.simulated;
    setText(this.cells.queue, worker.queue ? String(worker.queue) : "");
    setText(this.cells.p50, duration(worker.latency.p50));
    setText(this.cells.p99, duration(worker.latency.p99));
    setText(this.cells.up, duration(worker.uptime));
    setText(this.cells.restarts, worker.restarts ? String(worker.restarts) : "");
    setText(this.cells.cpu, worker.cpu === null ? "" : `${Math.round(worker.cpu)} %`);
    setText(this.cells.memory, size(worker.memory));
    leased(this.lease, worker);
    running(this.runs, worker, this.app);
    trouble(this.error, worker);
  }
}

// What a worker is at. Its elements stay while the same requests run: only times and bars change.
export function running(place, worker, app) {
  replace(place, worker.running.map((each) => each.request), () => worker.running.map((each) => job(worker, each, app)));
  worker.running.forEach((each, at) => {
    const { time, bar, fill } = place.children[at].parts;
    const limit = each.limit;
    setText(time, limit === null ? duration(each.seconds) : `${duration(each.seconds)} of ${duration(limit)}`);
    bar.hidden = limit === null;
    const share = limit ? each.seconds / limit : 0;
    fill.style.width = `${Math.min(100, 100 * share)}%`;
    setClass(bar, share >= 1 ? "bar over" : share >= NEAR ? "bar near" : "bar");
  });
}

function job(worker, each, app) {
  const time = h("span", { class: "soft small" });
  const fill = h("i");
  const bar = h("div", { class: "bar" }, fill);
  const element = h(
    "div",
    {},
    h("strong", {}, each.member),
    " ",
    time,
    bar,
    h("div", { class: "small soft" }, `for ${each.who ?? caller(each.client)}`),
    h(
      "div",
      { class: "tools" },
      h("button", { class: "plain", onclick: () => stacks(worker.name) }, "stacks"),
      h("a", { href: `#/logs?request=${encodeURIComponent(each.request)}` }, "log"),
      h("a", { href: `#/trace/${encodeURIComponent(each.request)}` }, "trace"),
      app.control && h("button", { class: "plain", onclick: () => cancel(worker.name, each) }, "cancel"),
    ),
  );
  element.parts = { time, bar, fill };
  return element;
}

export function trouble(place, worker) {
  const error = worker.last_error;
  const told = [worker.state === "READY" ? null : worker.reason, worker.sick, worker.unsafe].filter(Boolean);
  const alarms = (worker.alarms ?? []).filter((each) => each.raised || each.state !== "ok");
  replace(place, [told, error?.text, error?.request, alarms.map((each) => [each.member, each.reason, each.state])], () => [
    ...alarms.map(alarmTold),
    ...told.map((text) => h("div", { class: "warn" }, text)),
    error && h(
      "div",
      { class: "small" },
      error.request ? h("a", { class: "bad", href: `#/logs?request=${encodeURIComponent(error.request)}` }, firstLine(error.text)) : h("span", { class: "bad" }, firstLine(error.text)),
      h("span", { class: "soft when" }),
    ),
  ]);
  const when = place.querySelector(".when");
  if (when) setText(when, ` ${duration(error.age)} ago`);
}

export async function stacks(worker) {
  show(`Stacks of ${worker}`, h("p", { class: "soft" }, "asking…"));
  try {
    const found = await get(`/api/workers/${encodeURIComponent(worker)}/stacks`);
    show(`Stacks of ${worker}`, h("pre", {}, found.stacks));
  } catch (problem) {
    show(`Stacks of ${worker}`, h("p", { class: "bad" }, problem.told));
  }
}

function cancel(worker, each) {
  confirm(`Cancel ${worker}.${each.member}, asked for by ${each.who ?? caller(each.client)}?`, "Cancel it", async () => {
    try {
      const response = await send("POST", `/api/requests/${encodeURIComponent(each.request)}/cancel`, {});
      const found = await response.json();
      const told = { withdrawn: "It was withdrawn before it began.", ended: "It has ended.", runs: "It goes on: its config has no way to cancel it.", unknown: "It had ended already." };
      show(`${worker}.${each.member}`, h("p", {}, told[found.verdict] ?? found.verdict));
    } catch (problem) {
      show(`${worker}.${each.member}`, h("p", { class: "bad" }, problem.told));
    }
  });
}
