// Requests to this server, which serves this page too; none goes elsewhere.

export class Problem extends Error {
  constructor(body, status) {
    super(body.detail ?? `status ${status}`);
    this.title = body.title ?? "";
    this.outcome = body.outcome ?? "";
    this.traceback = body.traceback ?? "";
    this.status = status;
  }

  get told() {
    const done = { "not started": "nothing was done", unknown: "whether it was done isn't known", done: "it was done" };
    return `${this.title}: ${this.message}` + (done[this.outcome] ? ` (${done[this.outcome]})` : "");
  }
}

async function answered(response) {
  if (response.ok) return response;
  let body = {};
  try {
    body = await response.json();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new Problem(body, response.status);
}

async function ask(path, options = {}) {
  try {
    return await answered(await fetch(path, options));
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem({ title: "Away", detail: "this page's server doesn't answer" }, 0);
  }
}

export const get = async (path) => (await ask(path)).json();

export const send = (method, path, given, headers = {}) =>
  ask(path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body: given === undefined ? "" : JSON.stringify(given),
  });

export async function picture(path) {
  return (await ask(path, { headers: { accept: "image/png" } })).blob();
}

export const member = (worker, kind, name) =>
  `/things/${encodeURIComponent(worker)}/${kind}/${encodeURIComponent(name)}`;

export const about = get("/api/about");
