// How numbers, times and values look.

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 0.0995) return `${(seconds * 1000).toPrecision(2)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "";
  const mebibytes = bytes / 1048576;
  return mebibytes < 1024 ? `${Math.round(mebibytes)} MiB` : `${(mebibytes / 1024).toFixed(1)} GiB`;
}

export function number(value) {
  if (!Number.isFinite(value)) return String(value);
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(7)));
}

export function value(given) {
  if (given === undefined) return "";
  if (typeof given === "number") return number(given);
  if (typeof given === "string") return given;
  return JSON.stringify(given);
}

export function clock(seconds) {
  const time = new Date(seconds * 1000);
  const two = (part) => String(part).padStart(2, "0");
  const milliseconds = String(time.getMilliseconds()).padStart(3, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${milliseconds}`;
}

export const caller = (client) => client.split("~")[0];
export const firstLine = (text) => (text ?? "").split("\n")[0];
