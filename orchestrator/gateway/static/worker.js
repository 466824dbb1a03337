// One worker: its properties, actions and events, with controls made from its description.

import { get, member, picture, send } from "./api.js";
import { confirm, h, setClass, setText, show } from "./dom.js";
import { field } from "./form.js";
import { clock, duration, firstLine, value as shown } from "./format.js";
import { leased, running, stacks, trouble, twinMark } from "./overview.js";
import { Trend } from "./trend.js";

const LONG = 24; // characters of a value that is shown large

export function workerPage(app, name) {
  const page = new WorkerPage(app, name);
  page.load();
  return page;
}

class WorkerPage {
  constructor(app, name) {
    Object.assign(this, { app, name, life: null, events: [], properties: new Map(), eventCards: new Map() });
    this.state = h("span");
    this.twin = twinMark();
    this.facts = h("span", { class: "soft small" });
    this.runs = h("div", { class: "runs" });
    this.error = h("div");
    this.lease = h("div");
    this.members = h("div", {}, h("p", { class: "soft" }, "Its members aren't known yet."));
    const order = (verb, risky) => h("button", { class: risky ? "risky" : "", onclick: () => this.order(verb, risky) }, verb);
    this.orders = app.control ? { restart: order("restart", true), stop: order("stop", true), start: order("start", false) } : {};
    this.element = h(
      "div",
      {},
      h("h1", {}, name, this.state, " ", this.twin, this.facts),
      h(
        "div",
        { class: "tools" },
        h("button", { onclick: () => stacks(name) }, "stacks"),
        h("a", { class: "button", href: `#/logs?log-worker=${encodeURIComponent(name)}` }, "log"),
        Object.values(this.orders),
      ),
      h("div", { class: "facts live" }, this.lease, this.runs, this.error),
      this.members,
    );
  }

  get query() {
    const asked = new URLSearchParams({ worker: this.name });
    for (const event of this.events) asked.append("event", event);
    return asked.toString();
  }

  status(found) {
    const worker = found.workers.find((each) => each.name === this.name);
    if (!worker) {
      setText(this.facts, "there is no such worker now");
      return;
    }
    setClass(this.state, `state ${worker.state}`);
    setText(this.state, worker.state);
    this.twin.hidden = !worker.simulated;
    const waits = worker.queue ? `, ${worker.queue} waiting` : "";
    setText(this.facts, `${worker.driver ?? ""}${worker.uptime === null ? "" : `, up ${duration(worker.uptime)}`}${waits}`);
    const ends = ["STOPPED", "FAILED"].includes(worker.state);
    if (this.app.control) {
      this.orders.start.hidden = !ends && worker.state !== "BACKOFF";
      this.orders.stop.hidden = worker.state === "STOPPED";
      this.orders.restart.hidden = ends;
    }
    leased(this.lease, worker);
    running(this.runs, worker, this.app);
    trouble(this.error, worker);
    if (worker.life !== this.life && worker.state === "READY") {
      const isNew = this.life !== null;
      this.life = worker.life;
      if (isNew) this.load(); // its members may be others now
    }
  }

  async load() {
    try {
      const thing = await get(`/things/${encodeURIComponent(this.name)}`);
      let trends = {};
      let missing = "";
      try {
        trends = await get(`/api/trends/${encodeURIComponent(this.name)}`);
      } catch (problem) {
        missing = `What its trends began with can't be had: ${problem.told}`; // they go on from here
      }
      this.build(thing, trends);
      if (missing) this.members.prepend(h("p", { class: "warn" }, missing));
    } catch (problem) {
      this.members.replaceChildren(h("p", { class: "warn" }, problem.told ?? problem.message), h("button", { onclick: () => this.load() }, "ask again"));
    }
  }

  build(thing, trends) {
    const section = (title, cards) => (cards.length ? [h("h2", {}, title), h("div", { class: "cards" }, cards)] : []);
    this.properties.clear();
    this.eventCards.clear();
    for (const [name, each] of Object.entries(thing.properties ?? {})) {
      this.properties.set(name, new PropertyCard(this, name, each, trends[name] ?? []));
    }
    for (const [name, each] of Object.entries(thing.events ?? {})) {
      this.eventCards.set(name, new EventCard(this, name, each));
    }
    const actions = Object.entries(thing.actions ?? {}).filter(([name]) => name !== "ping");
    const readable = [...this.properties.values()].filter((card) => card.isReadable && !card.every);
    this.members.replaceChildren(
      thing.description ? h("details", {}, h("summary", {}, firstLine(thing.description)), h("p", { class: "soft small" }, h("pre", {}, thing.description))) : "",
      ...section("Properties", [...this.properties.values()].map((card) => card.element)),
      readable.length > 1 ? h("p", {}, h("button", { onclick: () => readAll(readable) }, "read all")) : "",
      ...section("Actions", actions.map(([name, each]) => actionCard(this, name, each, name === thing["orch:closesWith"]))),
      ...section("Events", [...this.eventCards.values()].map((card) => card.element)),
    );
    this.events = [...this.eventCards.keys()];
    for (const [name, card] of this.properties) if (card.isObservable && !card.every) this.events.push(name);
    this.app.reopen();
  }

  values(found) {
    for (const [name, told] of Object.entries(found)) this.properties.get(name)?.polled(told);
  }

  event(name, told) {
    if (this.eventCards.has(name)) this.eventCards.get(name).told(told);
    else if (!told.error) this.properties.get(name)?.set(told.value, told.time);
  }

  tick() {
    for (const card of this.properties.values()) card.tick();
  }

  order(verb, risky) {
    const act = async () => {
      try {
        const answer = await (await send("POST", `/api/workers/${encodeURIComponent(this.name)}/${verb}`, {})).json();
        if (verb !== "stop" && answer.state !== "READY") show(this.name, h("p", { class: "warn" }, `It is ${answer.state} now.`));
      } catch (problem) {
        show(this.name, h("p", { class: "bad" }, problem.told));
      }
    };
    if (risky) confirm(`${verb} ${this.name}? What it runs is ended.`, verb, act);
    else act();
  }
}

async function readAll(cards) {
  for (const card of cards) await card.read();
}

class PropertyCard {
  constructor(page, name, described, points) {
    Object.assign(this, { page, name, described, at: null, fault: "" });
    this.every = described["orch:poll"] ?? 0;
    this.isReadable = !described.writeOnly;
    this.isObservable = described.observable === true;
    this.value = h("div", { class: "value" });
    this.age = h("span", { class: "small soft" });
    this.problem = h("p", { class: "small bad", hidden: true });
    this.trend = this.every && ["number", "integer"].includes(described.type) ? new Trend(this.every) : null;
    this.trend?.begin(points);
    const canWrite = page.app.control && !described.readOnly;
    this.input = canWrite ? field(described, null) : null;
    this.element = h(
      "div",
      { class: "card live" },
      h("div", { class: "top", title: described.description }, h("span", { class: "name" }, described.title ?? name), this.age),
      this.value,
      this.trend?.element,
      h(
        "form",
        { onsubmit: (event) => { event.preventDefault(); this.write(); } },
        this.input?.element,
        canWrite && h("button", {}, "write"),
        this.isReadable && !this.every && h("button", { type: "button", onclick: () => this.read() }, "read"),
      ),
      described.description ? h("p", { class: "small soft" }, firstLine(described.description)) : "",
      this.problem,
    );
    this.tell("");
  }

  set(value, time) {
    this.at = time;
    const text = shown(value);
    const unit = this.described.unit && text ? h("span", { class: "unit" }, ` ${this.described.unit}`) : null;
    this.value.replaceChildren(...[text, unit].filter(Boolean));
    this.value.classList.toggle("long", text.length > LONG);
    this.tell("");
    this.tick();
  }

  polled(told) {
    if ("value" in told) {
      this.set(told.value, told.time);
      if (!told.error) this.trend?.add(told.time, typeof told.value === "number" ? told.value : null);
    }
    if (told.error) {
      this.trend?.add(Date.now() / 1000, null);
      this.tell(told.error);
      this.tick();
    }
  }

  tell(problem) {
    this.fault = problem;
    setText(this.problem, problem);
    this.problem.hidden = !problem;
  }

  tick() {
    if (this.at === null) {
      setText(this.age, this.isReadable ? "not read yet" : "");
      return;
    }
    const age = Math.max(0, this.page.app.now() - this.at);
    setText(this.age, age < 1.5 ? "now" : `${duration(age)} ago`);
    const isOld = this.fault !== "" || (this.every > 0 && age > 3 * this.every + 2);
    this.element.classList.toggle("old", isOld);
  }

  async read() {
    try {
      const value = await get(member(this.page.name, "properties", this.name));
      this.set(value, this.page.app.now());
      this.input?.set(value);
    } catch (problem) {
      this.tell(problem.told);
      this.tick();
    }
  }

  async write() {
    try {
      const value = this.input.read();
      if (value === undefined) throw new Error("there is nothing to write");
      await send("PUT", member(this.page.name, "properties", this.name), value);
      this.tell("");
      if (this.isReadable && !this.every) await this.read();
    } catch (problem) {
      this.tell(problem.told ?? problem.message);
    }
  }
}

// An action with its arguments; one that closes the driver asks first.
function actionCard(page, name, described, closes) {
  const schema = described.input ?? {};
  const required = schema.required ?? [];
  const parameters = Object.entries(schema.properties ?? {});
  const fields = parameters.map(([key, each]) => [key, field(each, key, each.default, required.includes(key))]);
  const others = schema.additionalProperties || !schema.type && !parameters.length && described["orch:signature"] === "(...)" ? field({}, "arguments as JSON", undefined, false) : null;
  const result = h("div");
  const button = h("button", { class: closes ? "risky" : "main" }, "call");
  const begin = () => {
    if (closes) confirm(`${name} closes the driver of ${page.name}, which runs on without its device.`, `call ${name}`, call);
    else call();
  };
  const call = async () => {
    button.disabled = true;
    const began = performance.now();
    result.replaceChildren(h("p", { class: "soft small" }, "runs…"));
    try {
      const given = Object.fromEntries(fields.map(([key, each]) => [key, each.read()]).filter(([, value]) => value !== undefined));
      const asked = others?.read() ?? given;
      const response = await send("POST", member(page.name, "actions", name), asked, { accept: "application/json, image/png" });
      const took = h("p", { class: "soft small" }, `done in ${duration((performance.now() - began) / 1000)}`);
      result.replaceChildren(await content(response), took);
    } catch (problem) {
      result.replaceChildren(
        h("p", { class: "bad small" }, problem.told ?? problem.message),
        problem.traceback ? h("details", {}, h("summary", {}, "traceback"), h("pre", {}, problem.traceback)) : "",
      );
    } finally {
      button.disabled = false;
    }
  };
  return h(
    "div",
    { class: "card" },
    h("div", { class: "top", title: described.description }, h("span", { class: "name" }, name), h("span", { class: "small soft mono" }, described["orch:concurrent"] ? "beside others" : "")),
    described.description ? h("p", { class: "small soft" }, firstLine(described.description)) : "",
    page.app.control ? h("form", { onsubmit: (event) => { event.preventDefault(); begin(); } }, fields.map(([, each]) => each.element), others?.element, button) : h("p", { class: "small soft mono" }, described["orch:signature"] ?? ""),
    result,
  );
}

async function content(response) {
  if (response.headers.get("content-type") === "image/png") {
    const image = h("img", { alt: response.headers.get("x-array") ?? "" });
    place(image, await response.blob());
    return h("div", {}, image, h("p", { class: "soft small" }, response.headers.get("x-array") ?? ""));
  }
  const text = await response.text();
  return text === "null" ? h("span") : h("pre", {}, text);
}

function place(image, blob) {
  const before = image.src;
  image.src = URL.createObjectURL(blob);
  if (before) URL.revokeObjectURL(before);
}

// An event: its newest value. A picture is fetched one at a time, always the newest, while it is seen.
class EventCard {
  constructor(page, name, described) {
    Object.assign(this, { page, name, wanted: null, isFetching: false });
    this.time = h("span", { class: "small soft" }, "none yet");
    this.value = h("div", { class: "value" });
    this.image = h("img", { alt: `newest ${name}`, hidden: true });
    this.element = h(
      "div",
      { class: "card live" },
      h("div", { class: "top", title: described.description }, h("span", { class: "name" }, name), this.time),
      described.description ? h("p", { class: "small soft" }, firstLine(described.description)) : "",
      this.value,
      this.image,
    );
  }

  told(event) {
    if (event.error) {
      setText(this.time, event.error);
      return;
    }
    setText(this.time, `${clock(event.time)}, no. ${event.sequence}`);
    const text = shown(event.value);
    setText(this.value, text);
    this.value.classList.toggle("long", text.length > LONG || event.picture);
    if (event.picture) {
      this.wanted = event.sequence;
      this.fetch();
    }
  }

  async fetch() {
    if (this.isFetching) return;
    this.isFetching = true;
    try {
      while (this.wanted !== null && this.element.isConnected && !document.hidden) {
        this.wanted = null;
        place(this.image, await picture(member(this.page.name, "newest", this.name)));
        await this.image.decode();
        this.image.hidden = false;
      }
    } catch (problem) {
      setText(this.time, problem.told ?? problem.message);
    } finally {
      this.isFetching = false;
    }
  }
}
