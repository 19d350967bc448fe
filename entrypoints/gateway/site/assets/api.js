// The REST interface, and event streams. Streams are read with fetch: so the token travels in a
// header and never in an address.

const BASE = "api/v1";
const KEY = "holodeck-token";

export class Problem extends Error {
  constructor(status, body) {
    super(body && (body.detail || body.error) ? String(body.detail || body.error) : "status " + status);
    this.status = status;
    this.code = body && body.code ? String(body.code) : "";
  }
}

export const auth = {
  get token() { return sessionStorage.getItem(KEY) || ""; },
  set token(value) { if (value) sessionStorage.setItem(KEY, value); else sessionStorage.removeItem(KEY); },
  /** Called where the interface wants to know who it is. */
  needed: () => {},
};

function headers(more) {
  const made = new Headers(more);
  if (auth.token) made.set("authorization", "Bearer " + auth.token);
  return made;
}

async function call(method, path, { query, body, signal, key, patient } = {}) {
  const address = new URL(BASE + path, document.baseURI);
  for (const [name, value] of Object.entries(query || {})) {
    if (value !== null && value !== undefined && value !== "") address.searchParams.set(name, value);
  }
  const more = {};
  if (body !== undefined) more["content-type"] = "application/json";
  if (method !== "GET") more["idempotency-key"] = key || crypto.randomUUID();
  const response = await fetch(address, {
    method, headers: headers(more), signal, cache: "no-store",
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 204) return null;
  const told = await response.json().catch(() => null);
  if (response.ok) return told;
  if (response.status === 429 && method === "GET" && !patient) {
    // The door counts calls; a look is worth waiting for.
    await new Promise((done) => setTimeout(done, 1000 * Math.min(10, Number(response.headers.get("retry-after")) || 1)));
    return call(method, path, { query, signal, patient: true });
  }
  if (response.status === 401) auth.needed(told);
  throw new Problem(response.status, told);
}

export const api = {
  get: (path, query, signal) => call("GET", path, { query, signal }),
  post: (path, body) => call("POST", path, { body }),
  put: (path, body) => call("PUT", path, { body }),
  remove: (path) => call("DELETE", path),
};

/**
 * Follows an event stream for ever, and begins again where it broke.
 * Returns a function that ends it. `changed` is told whether it is connected.
 */
export function stream(path, heard, changed = () => {}) {
  const ending = new AbortController();
  let last = "";
  (async () => {
    let wait = 500;
    while (!ending.signal.aborted) {
      try {
        const more = { accept: "text/event-stream" };
        if (last) more["last-event-id"] = last;
        const response = await fetch(new URL(BASE + path, document.baseURI), {
          headers: headers(more), signal: ending.signal, cache: "no-store",
        });
        if (response.status === 401) { auth.needed(await response.json().catch(() => null)); changed(false, 401); return; }
        if (response.status === 404 || response.status === 403) { changed(false, response.status); return; }
        if (!response.ok || !response.body) throw new Error("status " + response.status);
        wait = 500;
        let first = true;
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let rest = "";
        for (;;) {
          const { value, done } = await reader.read();
          if (done) break;
          // The first words say that it listens, the headers do not yet.
          if (first) { first = false; changed(true); }
          rest += value;
          let end;
          while ((end = rest.indexOf("\n\n")) >= 0) {
            const lines = rest.slice(0, end).split("\n");
            rest = rest.slice(end + 2);
            let name = "message";
            const data = [];
            for (const line of lines) {
              if (line.startsWith("event:")) name = line.slice(6).trim();
              else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
              else if (line.startsWith("id:")) last = line.slice(3).trim();
            }
            if (data.length) heard(name, data.join("\n"));
          }
        }
      } catch (error) {
        if (ending.signal.aborted) return;
      }
      changed(false);
      await new Promise((done) => setTimeout(done, wait));
      wait = Math.min(wait * 2, 5000);
    }
  })();
  return () => ending.abort();
}
