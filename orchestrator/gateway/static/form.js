// Fields made from data schemas, as Thing Descriptions have them.

import { h } from "./dom.js";

// A field: its element, and what is in it; undefined if nothing is. Throws if it is no such value.
export function field(schema, name, given = schema.default, required = true) {
  const made = plainField(schema, given, required);
  const unit = schema.unit ? ` (${schema.unit})` : "";
  const wide = made.input.tagName === "TEXTAREA" ? "wide" : "";
  const label = name === null ? null : `${name}${required ? "" : " (optional)"}${unit}`;
  const element = h("label", { class: wide, title: schema.description }, label, made.input);
  return { element, read: made.read, set: made.set };
}

function plainField(schema, given, required) {
  if (schema.enum) return choice(schema.enum, given);
  if (schema.type === "boolean") return choice([true, false], given);
  if (schema.type === "number" || schema.type === "integer") return numeric(schema, given, required);
  if (schema.type === "string") return text(given);
  return json(given);
}

function choice(values, given) {
  const input = h("select", {}, values.map((each, at) => h("option", { value: String(at) }, String(each))));
  const set = (value) => { if (values.includes(value)) input.value = String(values.indexOf(value)); };
  set(given);
  return { input, set, read: () => values[Number(input.value)] };
}

function numeric(schema, given, required) {
  const input = h("input", {
    type: "number",
    step: schema.multipleOf ?? (schema.type === "integer" ? 1 : "any"),
    min: schema.minimum,
    max: schema.maximum,
    required,
    placeholder: range(schema),
  });
  const set = (value) => { input.value = value ?? ""; };
  set(given);
  return { input, set, read: () => (input.value === "" ? undefined : Number(input.value)) };
}

function text(given) {
  const input = h("input", { type: "text" });
  let isGiven = given !== undefined;
  input.addEventListener("input", () => { isGiven = true; });
  const set = (value) => { input.value = value ?? ""; };
  set(given);
  return { input, set, read: () => (isGiven || input.value ? input.value : undefined) };
}

function json(given) {
  const input = h("textarea", { rows: 1, placeholder: "JSON, such as [1, 2] or \"text\"", spellcheck: "false" });
  const set = (value) => { input.value = value === undefined ? "" : JSON.stringify(value); };
  set(given);
  return {
    input,
    set,
    read: () => {
      if (!input.value.trim()) return undefined;
      try {
        return JSON.parse(input.value);
      } catch (error) {
        throw new Error(`this is no JSON: ${error.message}; a text stands in "quotes"`);
      }
    },
  };
}

function range(schema) {
  const { minimum, maximum } = schema;
  if (minimum !== undefined && maximum !== undefined) return `${minimum} to ${maximum}`;
  if (minimum !== undefined) return `${minimum} or more`;
  return maximum === undefined ? undefined : `${maximum} or less`;
}
