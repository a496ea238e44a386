/** What the page asks the server over HTTP. */

/** @typedef {{name: string, value: string}} Choice */
/** @typedef {{ok: boolean, [service: string]: boolean}} Health */
/** @typedef {{ready: boolean, code: string, reasons: string[], retryAfterS: number}} Readiness */

const RETRY_AFTER_S = 10;

export class KeyNeeded extends Error {}

/**
 * @param {string} path
 * @param {string} [key]
 */
function ask(path, key) {
  const headers = key ? { Authorization: `Bearer ${key}` } : undefined;
  return fetch(new URL(path, location.href), { cache: "no-store", ...(headers && { headers }) });
}

/** @returns {Promise<Health>} */
export async function health() {
  return (await ask("v1/health")).json();
}

/** @returns {Promise<Readiness>} */
export async function readiness() {
  const answer = await ask("v1/health/ready");
  const { ready, reasons, error } = await answer.json();
  const retryAfterS = Number(answer.headers.get("Retry-After")) || RETRY_AFTER_S;
  return { ready, reasons, retryAfterS, code: error?.code ?? "" };
}

/**
 * Return the list at a path; KeyNeeded where the server wants a key, or another one.
 * @param {string} path
 * @param {string} key
 */
async function list(path, key) {
  const answer = await ask(path, key);
  if (answer.status === 401) throw new KeyNeeded();
  return answer.ok ? answer.json() : [];
}

/**
 * @param {string} key
 * @returns {Promise<Choice[]>}
 */
export async function voices(key) {
  const found = await list("v1/voices", key);
  return found.map((/** @type {any} */ voice) => {
    const value = voice.source.path_on_server;
    return { name: voice.name ?? value, value };
  });
}

/**
 * The pipelines of a server that has several; a client names one as its model.
 * @param {string} key
 * @returns {Promise<Choice[]>}
 */
export async function pipelines(key) {
  const { data = [] } = await list("v1/models", key);
  const names = data.map((/** @type {any} */ model) => model.id);
  return names.length > 1 ? names.map((/** @type {string} */ id) => ({ name: titled(id), value: id })) : [];
}

/**
 * The characters, with their instructions.
 * @param {string} key
 * @returns {Promise<Choice[]>}
 */
export async function characters(key) {
  const found = await list("v1/characters", key);
  return found.map((/** @type {any} */ one) => ({ name: titled(one.name), value: one.instructions }));
}

/** @param {string} name */
function titled(name) {
  return name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");
}

/** Return whether the server still has the page that is shown: not after an update. */
export async function isCurrent() {
  const shown = document.querySelector("meta[name=page-version]")?.getAttribute("content");
  const answer = await fetch(location.href, { method: "HEAD", cache: "no-store" });
  const tag = answer.headers.get("ETag");
  return !answer.ok || tag === null || tag.includes(shown ?? "");
}
