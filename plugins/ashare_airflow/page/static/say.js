/** The server's sentences in the page's language: a reply brings codes with values, the catalogue has the words. */

import { language } from './host.js';

const MARKS = { '. ': '。', '; ': '；', ', ': '，', '.': '。', '.\n': '。\n' };
const AT_AN_END = /^(?:; |, )|(?:; |\. |, |\.\n)$/g;
const known = new Map();
let templates = null;

/** Takes the catalogue's Chinese templates, by code. */
export function setTemplates(given) {
  templates = given ?? templates;
}

/** Takes a reply's `said`: each sentence as parts. */
export function learn(said) {
  Object.entries(said ?? {}).forEach(([sentence, parts]) => known.set(sentence, parts));
}

/** A sentence of the server in the page's language. What the catalogue does not have stays as it is. */
export const say = (sentence) =>
  (language() === 'zh' && templates && known.has(sentence) ? worded(known.get(sentence)) : sentence);

const worded = (parts) =>
  parts.map((part) => (Array.isArray(part) ? filled(...part) : punctuated(part))).join('');

const punctuated = (text) => MARKS[text] ?? text.replace(AT_AN_END, (mark) => MARKS[mark]);

const filled = (code, values) =>
  (templates[code] ?? code).replace(/\{(\w+)\}/g, (_, name) =>
    (Array.isArray(values[name]) ? worded(values[name]) : values[name] ?? ''));
