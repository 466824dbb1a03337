// Elements from code: all text is text, so nothing that a driver wrote becomes markup.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Only what differs is touched: a selection, or a link under the pointer, outlives a look at the rig.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element, name) {
  if (element.className !== name) element.className = name;
}

// Put in place of what is there, unless it is the same already.
export function replace(element, key, make) {
  const told = JSON.stringify(key);
  if (element.dataset.key === told) return;
  element.dataset.key = told;
  element.replaceChildren(...[make()].flat().filter(Boolean));
}

const dialog = document.getElementById("dialog");

export function show(title, ...content) {
  dialog.replaceChildren(
    h("h1", {}, title),
    ...content,
    h("div", { class: "tools" }, h("button", { onclick: () => dialog.close(), autofocus: true }, "Close")),
  );
  if (!dialog.open) dialog.showModal();
}

export function confirm(question, verb, act) {
  dialog.replaceChildren(
    h("p", {}, question),
    h(
      "div",
      { class: "tools" },
      h("button", { onclick: () => dialog.close(), autofocus: true }, "Cancel"),
      h("button", { class: "risky", onclick: () => { dialog.close(); act(); } }, verb),
    ),
  );
  if (!dialog.open) dialog.showModal();
}
