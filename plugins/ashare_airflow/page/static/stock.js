/** One security: its bars and its holes; and the search for a security. */

import { html, useEffect, useRef, useState } from './vendor/htm-preact-3.1.1.module.js';
import { usePoll } from './api.js';
import { Chart, priceOption, yearsOption } from './charts.js';
import { open, query, update } from './host.js';
import {
  DayLink, Facts, LimitTag, Problem, Status, StockLink, StTag, Table, TableSection, useReady,
} from './parts.js';
import { say } from './say.js';
import { kindName, num, price, text } from './text.js';

const ADJUSTMENTS = ['none', 'qfq', 'hfq'];

/** @param {{code: string, adjust?: string}} props */
export function StockView({ code, adjust = 'none' }) {
  const t = text();
  const { data: stock, error } = usePoll(`stock/${encodeURIComponent(code)}`);
  const bars = usePoll(`stock/${encodeURIComponent(code)}/bars?${query({ adjust })}`);
  const limit = stock?.newest_limit;
  useReady((stock || error) && (bars.data || bars.error));
  return html`
    <h1 tabindex="-1"><span class="code">${stock?.code ?? code}</span> ${stock?.name}${' '}
      ${stock && html`<span class="tag">${kindName(stock.kind)}</span>`}${' '}
      ${limit?.is_st && html`<${StTag} />`}</h1>
    <${Problem} error=${error} />
    ${!stock && !error && html`<p class="muted">${t.loading}</p>`}
    ${stock && html`
      <${StockHead} stock=${stock} />
      <${Prices} stock=${stock} bars=${bars} adjust=${adjust} />
      <${Years} years=${stock.years} />
      <${Spans} title=${t.holes} rows=${stock.holes} testid="holes" />
      <${Spans} title=${t.suspensions} rows=${stock.suspensions} testid="suspensions" />
      <${ListSpans} title=${t.names} rows=${stock.names} testid="names" columns=${[[t.name, (s) => s.name]]} />
      <${ListSpans} title=${t.memberships} rows=${stock.memberships} testid="memberships" columns=${[
        [t.indexHead, (s) => html`<${StockLink} code=${s.index_code} /> ${s.index_name}`],
      ]} />
      <${ListSpans} title=${t.industries} rows=${stock.industries} testid="industries" columns=${[
        [t.industry, (s) => s.industry ?? html`<span class="muted">${t.blank}</span>`],
        [t.classification, (s) => s.classification],
      ]} />
      ${stock.ex_dates.length > 0 && html`<section class="panel">
        <h2>${t.exDates} <span class="muted">${stock.ex_dates.length}</span></h2>
        <ul class="dates">${stock.ex_dates.map((date) => html`<li key=${date}><${DayLink} date=${date} /></li>`)}</ul>
      </section>`}`}`;
}

function StockHead({ stock }) {
  const t = text();
  const limit = stock.newest_limit;
  const holes = stock.years.reduce((sum, year) => sum + year.holes, 0);
  const [status, sentence] = stock.bars === 0 ? ['pending', t.noBars]
    : holes ? ['failed', t.holesFound(holes)] : ['success', t.noHoles];
  return html`<section class="panel">
    <p class="day-verdict" data-testid="stock-verdict"><${Status} status=${status} label=${sentence} /></p>
    <${Facts} class="facts wide" of=${[
      [t.listed, stock.ipo_date ?? t.unknown],
      [t.firstBar, stock.first_bar],
      [t.delisted, stock.out_date ?? t.stillListed],
      [t.lastBar, stock.last_bar],
      [t.bars, num(stock.bars)],
      [t.limitsOf(limit?.trade_date), limit && html`${limitPrices(limit)}${' '}
        ${limit.at_limit && html`<${LimitTag} side=${limit.at_limit} />`}`],
      [t.firstRecorded, stock.first_recorded],
      [t.revisions, num(stock.revisions)],
    ]} />
  </section>`;
}

const limitPrices = ({ limit_up: up, limit_down: down }) =>
  (up == null ? text().noLimit : `${price(down)} – ${price(up)}`);

function Prices({ stock, bars, adjust }) {
  const t = text();
  const { data, error } = bars;
  const choices = stock.kind === 'index' ? ['none'] : ADJUSTMENTS;
  return html`<section class="panel">
    <div class="row between"><h2>${t.price}</h2>
      <div class="row" role="group" aria-label=${t.adjustLabel}>
        ${choices.map((choice) => html`<button type="button" key=${choice} data-testid="adjust-${choice}"
          aria-pressed=${adjust === choice} onClick=${() => update({ adjust: choice })}>${t.adjust[choice]}</button>`)}
      </div>
    </div>
    ${stock.kind === 'index' && html`<p class="muted">${t.noAdjustment}</p>`}
    <${Problem} error=${error} />
    ${data?.note && html`<p>${say(data.note)}</p>`}
    ${data && data.bars.length > 0 && html`
      <${Chart} testid="stock-chart" height=${420} data=${data} label=${priceSummary(data.bars)}
        option=${() => priceOption(data.bars, stock)} />
      <p class="muted small">${t.marks}</p>`}
    ${data && data.bars.length === 0 && html`<p>${t.noBars}</p>`}
  </section>`;
}

function priceSummary(bars) {
  const of = (column) => bars.map((bar) => bar[column]).filter((value) => value != null);
  const [closes, lows, highs] = [of(2), of(3), of(4)];
  return text().priceSummary(
    bars.length, bars[0][0], bars.at(-1)[0], closes.at(-1), Math.min(...lows), Math.max(...highs),
  );
}

function Years({ years }) {
  const t = text();
  if (!years.length) return null;
  const columns = [
    [t.year, (y) => y.year],
    [t.sessionsHead, (y) => num(y.sessions), 'num'],
    [t.trading, (y) => num(y.trading), 'num'],
    [t.suspended, (y) => num(y.suspended), 'num'],
    [t.explained, (y) => num(y.explained), 'num'],
    [t.holes, (y) => num(y.holes), 'num'],
  ];
  return html`<section class="panel"><h2>${t.byYear}</h2>
    <${Chart} testid="years-chart" height=${220} data=${years} label=${t.byYear} option=${() => yearsOption(years)} />
    <details><summary>${t.asTable}</summary><${Table} label=${t.byYear} columns=${columns} rows=${years} /></details>
  </section>`;
}

function Spans({ title, rows, testid }) {
  const t = text();
  return html`<${TableSection} title=${title} total=${rows.length} rows=${rows} testid=${testid} columns=${[
    [t.from, (s) => html`<${DayLink} date=${s.start_date} />`],
    [t.to, (s) => html`<${DayLink} date=${s.end_date} />`],
    [t.sessionsHead, (s) => num(s.sessions), 'num'],
    [t.reason, (s) => say(s.reason), 'wide'],
  ]} />`;
}

/** What the weekly lists say of the security, from Monday to Monday; the end is exclusive. */
function ListSpans({ title, rows, columns, testid }) {
  const t = text();
  return html`<${TableSection} title=${title} note=${t.asOfMondays} total=${rows.length} rows=${rows} testid=${testid}
    columns=${[
      ...columns,
      [t.from, (s) => s.start_date, 'date'],
      [t.before, (s) => s.end_date ?? html`<span class="muted">${t.inNewestList}</span>`, 'date'],
    ]} />`;
}

/** The server finds so many at most. */
const MOST_FOUND = 20;

/** A combobox that finds securities by code, name or pinyin. */
export function StockSearch() {
  const t = text();
  const [typed, setTyped] = useState('');
  const [asked, setAsked] = useState('');
  const [active, setActive] = useState(0);
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(typed.trim()), 200);
    return () => clearTimeout(timer);
  }, [typed]);
  const { path, data: found, error } = usePoll(asked ? `securities?${query({ q: asked })}` : null);
  const box = useRef();
  const current = asked === typed.trim() && path?.endsWith(query({ q: asked }));
  const options = asked && current ? found ?? [] : [];

  function choose(security) {
    setTyped('');
    setShown(false);
    box.current.blur();
    open({ view: 'stock', code: security.code });
  }
  function keyDown(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && options.length) {
      event.preventDefault();
      setActive((active + step + options.length) % options.length);
    } else if (event.key === 'Escape') {
      setShown(false);
    } else if (event.key === 'Enter' && options[active]) {
      choose(options[active]);
    }
  }
  const answered = shown && asked && current;
  const list = Boolean(answered && options.length);
  return html`<div class="search" role="search">
    <input ref=${box} type="search" role="combobox" autocomplete="off" aria-label=${t.search} placeholder=${t.search}
      aria-expanded=${list} aria-controls="found" aria-autocomplete="list"
      aria-activedescendant=${list ? `found-${active}` : null} value=${typed} data-testid="stock-search"
      onInput=${({ target }) => { setTyped(target.value); setActive(0); setShown(true); }}
      onKeyDown=${keyDown} onFocus=${() => setShown(true)} onBlur=${() => setShown(false)} />
    <div class="found" hidden=${!list}><ul id="found" role="listbox" aria-label=${t.search}>
      ${options.map((security, i) => html`<li role="option" key=${security.code} id="found-${i}"
        aria-selected=${i === active} onMouseDown=${(event) => { event.preventDefault(); choose(security); }}>
        <span class="code">${security.code}</span> ${security.name}${' '}
        <span class="muted">${kindName(security.kind)}${security.former_name && t.formerly(security.former_name)}</span></li>`)}
    </ul>
    ${options.length >= MOST_FOUND && html`<p class="muted small">${t.searchFirst(options.length)}</p>`}</div>
    <span class=${answered && !options.length ? 'none-found' : 'hidden'} role="status">
      ${answered && (say(error?.message) ?? (options.length ? t.searchFound(options.length) : t.searchNone))}</span>
  </div>`;
}
