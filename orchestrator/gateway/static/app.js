// The page: which view is shown, and the one stream that tells it what is new.

import { about } from "./api.js";
import { setText } from "./dom.js";
import { duration } from "./format.js";
import { logsPage } from "./logs.js";
import { overview } from "./overview.js";
import { tracePage } from "./trace.js";
import { workerPage } from "./worker.js";

const STALE = 5; // more than two looks of the server: seconds without a word of the rig, after which what is shown is grey
const MOST_NAMED = 3; // alarms that are named at the top
const AGAIN = 2000; // milliseconds until a stream that was refused is asked for again

const part = (id) => document.getElementById(id);
const app = {
  control: false,
  status: null,
  heard: null, // when the last status came, in milliseconds of the page
  offset: 0, // seconds of the server's clock before the browser's
  lost: "",
  view: null,
  stream: null,
  query: null,
  now: () => Date.now() / 1000 + app.offset,
  reopen: () => open(),
};

function show() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?");
  const [, kind = "", name = ""] = path.split("/").map(decodeURIComponent);
  const asked = new URLSearchParams(query);
  if (kind === "worker") app.view = workerPage(app, name);
  else if (kind === "logs") app.view = logsPage(app, asked);
  else if (kind === "trace") app.view = tracePage(app, name);
  else app.view = overview(app);
  part("main").replaceChildren(app.view.element);
  for (const link of document.querySelectorAll("nav a")) {
    const isHere = link.getAttribute("href") === (kind === "logs" ? "#/logs" : "#/");
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  if (app.status) app.view.status?.(app.status);
  open();
}

// One stream for all: browsers open few connections to one server, over all their tabs. So one
// that isn't seen has none.
function open() {
  if (document.hidden) {
    app.stream?.close();
    app.query = null;
    return;
  }
  const query = app.view.query;
  if (app.query === query && app.stream.readyState !== EventSource.CLOSED) return;
  app.stream?.close();
  app.query = query;
  const stream = new EventSource(`/api/stream?${query}`);
  app.stream = stream;
  const on = (name, act) => stream.addEventListener(name, (event) => act(JSON.parse(event.data)));
  stream.addEventListener("open", () => app.view.opened?.());
  stream.addEventListener("error", () => {
    setLost("this page's server doesn't answer");
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => app.stream === stream && open(), AGAIN);
  });
  on("status", heard);
  on("lost", (told) => setLost(told ? told.text : ""));
  on("values", (told) => app.view.values?.(told));
  on("log", (told) => app.view.log?.(told));
  on("gap", (told) => app.view.gap?.(told));
  for (const name of new URLSearchParams(query).getAll("event")) on(`event:${name}`, (told) => app.view.event?.(name, told));
}

function heard(found) {
  app.status = found;
  app.heard = performance.now();
  app.offset = found.time - Date.now() / 1000;
  setLost("");
  const ready = found.workers.filter((worker) => worker.state === "READY").length;
  document.title = `${ready}/${found.workers.length} ${found.rig}`;
  setText(part("rig"), found.rig);
  const changed = found.config_changed ? ", its config has changed since it was read" : "";
  const raised = found.workers.flatMap((worker) => (worker.alarms ?? []).filter((alarm) => alarm.raised).map((alarm) => `${worker.name}.${alarm.member}`));
  const more = raised.length > MOST_NAMED ? ` and ${raised.length - MOST_NAMED} more` : "";
  const alarms = raised.length ? `, ${raised.length} alarm${raised.length > 1 ? "s" : ""}: ${raised.slice(0, MOST_NAMED).join(", ")}${more}` : "";
  setText(part("summary"), `${ready} of ${found.workers.length} ready${alarms}, up ${duration(found.uptime)}${changed}`);
  part("summary").classList.toggle("bad", raised.length > 0);
  app.view.status?.(found);
  tick();
}

function setLost(text) {
  app.lost = text;
  tick();
}

function tick() {
  const age = app.heard === null ? null : (performance.now() - app.heard) / 1000;
  const isStale = app.lost !== "" || age === null || age > STALE;
  document.body.classList.toggle("is-stale", isStale);
  setText(part("age"), age === null ? "waiting" : age < 3 ? "live" : `${duration(age)} old`);
  const notice = part("notice");
  notice.hidden = app.lost === "";
  setText(notice, age === null ? app.lost : `${app.lost}; shown is how it was`);
  if (!isStale && app.status && age >= 0.5) app.view?.status?.(later(app.status, age));
  app.view?.tick?.();
}

// A status as it is some seconds later, while nothing else is heard: what runs has run for longer.
function later(found, seconds) {
  const runs = (each) => ({ ...each, seconds: each.seconds + seconds });
  const grown = (worker) => ({
    ...worker,
    running: worker.running.map(runs),
    uptime: worker.uptime === null ? null : worker.uptime + seconds,
    lease: worker.lease && { ...worker.lease, seconds: worker.lease.seconds + seconds, left: worker.lease.left - seconds },
    last_error: worker.last_error && { ...worker.last_error, age: worker.last_error.age + seconds },
  });
  return { ...found, workers: found.workers.map(grown) };
}

app.control = (await about).control;
addEventListener("hashchange", show);
document.addEventListener("visibilitychange", open);
show();
setInterval(tick, 1000);
