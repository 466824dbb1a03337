// Records as they come, or as they were; a bounded number of them is kept here.

import { get } from "./api.js";
import { h } from "./dom.js";
import { clock } from "./format.js";

const MOST = 2000;
const LEVELS = ["debug", "info", "warning", "error"];
const TEXTS = { grep: "text or expression", since: "such as 10 min ago, today", request: "its id" };

export function logsPage(app, asked) {
  const list = h("div", { class: "log", tabindex: "0" });
  const follows = !asked.has("since") && !asked.has("request");
  const filter = (name, input) => h("label", {}, name, input);
  const select = (name, options) =>
    h("select", { name }, options.map((each) => h("option", { value: each, selected: asked.get(name) === each }, each || "all")));
  const workers = select("log-worker", ["", ...(asked.get("log-worker") ? [asked.get("log-worker")] : [])]);
  const form = h(
    "form",
    {
      class: "filter",
      onsubmit: (event) => {
        event.preventDefault();
        const given = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
        location.hash = given.size ? `#/logs?${given}` : "#/logs";
      },
      onchange: () => form.requestSubmit(),
    },
    filter("level", select("level", ["", ...LEVELS])),
    filter("worker", workers),
    ...Object.entries(TEXTS).map(([name, placeholder]) => filter(name, h("input", { type: "text", name, placeholder, value: asked.get(name) }))),
    h("button", {}, "show"),
  );
  const page = {
    element: h("div", {}, form, list),
    query: follows ? `logs=1&${asked}` : "",
    opened() {
      if (!follows) return;
      list.coming?.splice(0);
      list.replaceChildren(); // the stream begins with the last records
    },
    status(found) {
      for (const name of [...found.workers.map((worker) => worker.name), found.rig]) {
        if (![...workers.options].some((option) => option.value === name)) workers.append(h("option", { value: name }, name));
      }
    },
    log(entry) {
      add(list, record(entry));
    },
    gap(count) {
      add(list, h("div", { class: "gap" }, `${count} records left out: this page or its line lags; orch logs has all`));
    },
  };
  if (!follows) past(list, asked);
  return page;
}

async function past(list, asked) {
  try {
    const found = await get(`/api/logs?last=${MOST}&${asked}`);
    list.replaceChildren(...found.map(record));
    if (!found.length) list.append(h("div", { class: "gap" }, "no records"));
    list.scrollTop = list.scrollHeight;
  } catch (problem) {
    list.replaceChildren(h("div", { class: "gap" }, problem.told));
  }
}

// What has come since the last frame is put there at once: to measure the list for each of many
// records would hold up the page.
function add(list, element) {
  if (!list.coming?.length) {
    list.coming = [];
    requestAnimationFrame(() => settle(list));
  }
  list.coming.push(element);
}

function settle(list) {
  const isAtEnd = list.scrollTop + list.clientHeight > list.scrollHeight - 20;
  list.append(...list.coming.splice(0).slice(-MOST));
  while (list.childElementCount > MOST) list.firstElementChild.remove();
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}

function record(entry) {
  const fields = Object.entries(entry.fields ?? {}).map(([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return h(
    "div",
    { class: entry.level, title: new Date(entry.time * 1000).toString() },
    h("span", { class: "soft" }, clock(entry.time)),
    h("span", { class: "level" }, entry.stream === "record" ? entry.level : entry.stream),
    h("span", { class: "who", title: entry.worker }, entry.worker),
    h(
      "span",
      { class: "text" },
      entry.event,
      h("span", { class: "soft" }, ...fields),
      entry.request ? [" ", h("a", { href: `#/trace/${encodeURIComponent(entry.request)}` }, "trace")] : null,
      entry.exception ? h("details", {}, h("summary", {}, "traceback"), entry.exception) : null,
    ),
  );
}
