/** The server's sentences in the page's language: a reply brings codes with values, the catalogue has the words. */

import { language } from './host.js';

const MARKS = {
  '. ': '。', '; ': '；', '.; ': '；', ', ': '，', ': ': '：', '.': '。', '.\n': '。\n', ' ': '',
};
/** A mark beside words of others. */
const AT_AN_END = /^(?:; |, |: |\.\n)|(?:\.?; |\. |, |: |\.\n)$/g;
/** Where a Chinese character and a Latin letter or a digit meet: a space stands between them. */
const BETWEEN_SCRIPTS = /^(?:[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff])$/;
const MOST_KNOWN = 5000;
const known = new Map();
let templates = null;

/** Takes the catalogue's Chinese templates, by code. */
export function setTemplates(given) {
  templates = given ?? templates;
}

/** Takes a reply's sentences, each as parts. */
export function learn(sentences) {
  if (known.size > MOST_KNOWN) known.clear(); // the next replies bring what is shown
  Object.entries(sentences ?? {}).forEach(([sentence, parts]) => known.set(sentence, parts));
}

/** A sentence of the server in the page's language. What the catalogue does not have stays as it is. */
export const say = (sentence) =>
  (language() === 'zh' && templates && known.has(sentence) ? worded(known.get(sentence)) : sentence);

/** A word of a list, as "stocks, indices": a sentence without values. */
const isWord = (part) => Array.isArray(part) && Object.keys(part[1]).length === 0;

const worded = (parts) =>
  parts.map((part, at) => {
    if (Array.isArray(part)) return filled(...part);
    if (part === ', ' && isWord(parts[at - 1]) && isWord(parts[at + 1])) return '、';
    return MARKS[part] ?? part.replace(AT_AN_END, (mark) => MARKS[mark]);
  }).join('');

const filled = (code, values) =>
  (templates[code] ?? code).split(/\{(\w+)\}/).reduce((words, text, at) => {
    const value = values[text] ?? '';
    const next = at % 2 === 0 ? text : Array.isArray(value) ? worded(value) : value;
    return words + (BETWEEN_SCRIPTS.test(words.slice(-1) + next.slice(0, 1)) ? ' ' : '') + next;
  }, '');
