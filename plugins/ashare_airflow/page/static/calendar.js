/** The heat map of all days: shows each day's coverage, and selects a range of dates. */

import { html, useEffect, useLayoutEffect, useRef, useState } from './vendor/htm-preact-3.1.1.module.js';
import { colour, escapeHtml, tooltipLook, useChart } from './charts.js';
import { language, open, theme, update } from './host.js';
import { GLYPHS } from './parts.js';
import { addDays, num, text, weekdayOf } from './text.js';

const STATES = Object.keys(GLYPHS);
const WEEKS = 54; // maximum number of week columns in a year
const LEFT = 34;
const HEAD = 28; // height of a year's head: the year and its months
const SMALLEST = 14;
const LARGEST = 20;

/** The positions of days: one calendar per year, newest first; one column per week, Monday on top. */
class Layout {
  constructor(width, years) {
    this.years = years;
    this.cell = Math.max(SMALLEST, Math.min(LARGEST, Math.floor((width - LEFT - 4) / WEEKS)));
    this.width = LEFT + WEEKS * this.cell + 4;
    this.height = years.length * (HEAD + 7 * this.cell) + 4;
  }

  top(year) {
    return this.years.indexOf(year) * (HEAD + 7 * this.cell) + HEAD;
  }

  firstMonday(year) {
    return addDays(`${year}-01-01`, -weekdayOf(`${year}-01-01`));
  }

  leftOf(date) {
    const days = (Date.parse(date) - Date.parse(this.firstMonday(Number(date.slice(0, 4))))) / 86_400_000;
    return LEFT + Math.floor(days / 7) * this.cell;
  }

  topOf(date) {
    return this.top(Number(date.slice(0, 4))) + weekdayOf(date) * this.cell;
  }

  /** The day under a point, or null. */
  dayAt(x, y) {
    const year = this.years[Math.floor(y / (HEAD + 7 * this.cell))];
    const row = Math.floor((y - this.top(year)) / this.cell);
    const column = Math.floor((x - LEFT) / this.cell);
    if (!year || row < 0 || column < 0) return null;
    const day = addDays(this.firstMonday(year), column * 7 + row);
    return day.startsWith(String(year)) ? day : null;
  }
}

/** A day in words: date, coverage, figures. */
function partsOf([date, coverage, expected, loaded, missing, rejected, revised]) {
  const t = text();
  const f = t.dayFigures;
  const figures = [
    expected == null ? null : `${t.of(loaded ?? 0, expected)} ${f.loaded}`,
    missing ? `${num(missing)} ${f.missing}` : null,
    rejected ? `${num(rejected)} ${f.rejected}` : null,
    revised ? `${num(revised)} ${f.revised}` : null,
  ];
  return [`${date} ${t.weekdays[weekdayOf(date)]}`, t.coverage[coverage], ...figures.filter(Boolean)];
}

const inWords = (day) => partsOf(day).join(language() === 'zh' ? '，' : ', ');

function heatOption(layout, days, today) {
  const t = text();
  const look = Object.fromEntries(STATES.map((state) => [state, [colour(state), colour(`${state}-ink`)]]));
  const label = { color: colour('muted'), fontSize: 11 };
  const item = (day) => ({
    value: [day[0], STATES.indexOf(day[1])],
    day,
    label: { show: GLYPHS[day[1]] !== '', formatter: GLYPHS[day[1]], color: look[day[1]][1] },
  });
  return {
    tooltip: {
      ...tooltipLook(),
      formatter: ({ data }) => data.day && partsOf(data.day).map(escapeHtml).join('<br>'),
    },
    visualMap: {
      type: 'piecewise', show: false, dimension: 1,
      pieces: STATES.map((state, value) => ({ value, color: look[state][0] })),
    },
    title: layout.years.map((year) => ({
      text: String(year), left: 0, top: layout.top(year) - 20, padding: 0,
      textStyle: { fontSize: 13, fontWeight: 600, color: colour('ink') },
    })),
    calendar: layout.years.map((year) => ({
      id: `calendar-${year}`, left: LEFT, top: layout.top(year), cellSize: [layout.cell, layout.cell],
      range: [`${year}-01-01`, today.startsWith(String(year)) ? today : `${year}-12-31`],
      itemStyle: { color: 'transparent', borderColor: colour('panel'), borderWidth: 1 },
      splitLine: { lineStyle: { color: colour('muted'), width: 1 } },
      dayLabel: { firstDay: 1, nameMap: [t.weekdaysShort[6], ...t.weekdaysShort.slice(0, 6)], ...label },
      monthLabel: { nameMap: t.months, ...label },
      yearLabel: { show: false },
    })),
    series: layout.years.map((year, calendarIndex) => ({
      id: `days-${year}`, type: 'heatmap', coordinateSystem: 'calendar', calendarIndex,
      label: { fontSize: Math.round(layout.cell * 0.62), fontWeight: 600 },
      itemStyle: { borderColor: colour('panel'), borderWidth: 1.5, borderRadius: 3 },
      data: days.filter(([date]) => date.startsWith(String(year))).map(item),
    })),
  };
}

/** Frames around the chosen days and the cursor: an SVG above the chart, so that the chart is not drawn again. */
function Marks({ layout, days, range, cursor }) {
  const frame = (date, look) => html`<rect key=${date + look} class=${look} rx="3"
    x=${layout.leftOf(date)} y=${layout.topOf(date)} width=${layout.cell} height=${layout.cell} />`;
  const isShown = (date) => layout.years.includes(Number(date.slice(0, 4)));
  const chosen = range ? days.map(([date]) => date).filter((date) => date >= range[0] && date <= range[1]) : [];
  return html`<svg class="marks" width=${layout.width} height=${layout.height} aria-hidden="true">
    ${chosen.filter(isShown).map((date) => frame(date, 'chosen'))}
    ${cursor && isShown(cursor) && frame(cursor, 'cursor')}
  </svg>`;
}

/**
 * @param {{days: Array, years: number[], today: string, from?: string, to?: string}} props
 *   days: [date, coverage, expected, loaded, missing, rejected, revised], oldest first
 */
export function Calendar({ days, years, today, from, to, canGoBack }) {
  const t = text();
  const scroller = useRef();
  const anchor = useRef(null);
  const [width, setWidth] = useState(0);
  const [cursor, setCursor] = useState(null);
  const [focused, setFocused] = useState(false);
  // The range while it is being selected, not yet in the URL. A ref: the selection may end before the next render.
  const draft = useRef(null);
  const [, showDraft] = useState(null);
  const { element, chart, draw } = useChart();
  const range = draft.current ?? (from && to ? [from, to] : null);
  const layout = new Layout(width, years);
  const first = `${years.at(-1)}-01-01`;
  const at = cursor ?? (to >= first && to <= today ? to : today);
  const dayOf = (date) => days.find(([each]) => each === date);

  useLayoutEffect(() => {
    const measure = () => setWidth(scroller.current.clientWidth);
    const observer = new ResizeObserver(measure);
    observer.observe(scroller.current);
    measure();
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    scroller.current.chart = chart.current; // for tests and the browser's console
  }, []);
  useEffect(() => {
    if (!width) return;
    chart.current.resize();
    draw(heatOption(layout, days, today));
  }, [days, years.length, width, language(), theme()]);
  useEffect(() => reveal(at), [width, at]);

  function reveal(date) {
    const x = layout.leftOf(date);
    const box = scroller.current;
    if (x < box.scrollLeft + LEFT || x + layout.cell > box.scrollLeft + box.clientWidth) {
      box.scrollLeft = x - box.clientWidth / 2;
    }
  }
  const span = (a, b) => (a < b ? [a, b] : [b, a]);
  function setDraft(value) {
    draft.current = value;
    showDraft(value);
  }
  function commit() {
    const drawn = draft.current;
    setDraft(null);
    if (drawn) update({ from: drawn[0], to: drawn[1] });
  }
  function dayUnder(event) {
    const box = element.current.getBoundingClientRect();
    const day = layout.dayAt(event.clientX - box.left, event.clientY - box.top);
    return day && day <= today ? day : null;
  }

  function pointerDown(event) {
    const day = event.button === 0 && dayUnder(event);
    if (!day) return;
    anchor.current = day;
    setCursor(day);
    setDraft([day, day]);
    // The mouse only: a finger scrolls. A tap selects its day without capture.
    if (event.pointerType === 'mouse') scroller.current.setPointerCapture(event.pointerId);
  }
  function pointerMove(event) {
    const day = draft.current && event.pointerType === 'mouse' && event.buttons === 1 && dayUnder(event);
    if (!day) return;
    setCursor(day);
    setDraft(span(anchor.current, day));
  }
  function keyDown(event) {
    const days = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -7, ArrowRight: 7 }[event.key];
    if (!days && event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    if (event.key === 'Enter') return open({ view: 'day', date: at });
    if (event.key === ' ') return setDraft([(anchor.current = at), at]);
    const next = addDays(at, days);
    if (next < first || next > today) return;
    if (!event.shiftKey) anchor.current = null;
    else setDraft(span((anchor.current ??= at), next));
    setCursor(next);
  }

  const tally = STATES.map((state) => [state, days.filter(([, coverage]) => coverage === state).length]);
  const summary = t.calendarSummary(tally.filter(([, n]) => n).map(([state, n]) => `${num(n)} ${t.coverage[state]}`));
  const chosenDays = range && (Date.parse(range[1]) - Date.parse(range[0])) / 86_400_000 + 1;
  return html`<section class="panel calendar">
    <div class="row"><h2>${t.calendar}</h2>
      ${canGoBack && html`<button type="button" onClick=${() => update({ years: years.length + 3 })}>
        ${t.earlierYears}</button>`}
    </div>
    <div class="heatmap" data-testid="heatmap" ref=${scroller} tabindex="0" role="application"
      aria-label=${t.calendarLabel(first, today)} aria-describedby="calendar-help calendar-summary"
      onPointerDown=${pointerDown} onPointerMove=${pointerMove} onPointerUp=${commit}
      onPointerCancel=${() => setDraft(null)}
      onDblClick=${(event) => { const day = dayUnder(event); if (day) open({ view: 'day', date: day }); }}
      onKeyDown=${keyDown} onKeyUp=${commit}
      onFocus=${() => setFocused(true)} onBlur=${() => { setFocused(false); commit(); }}>
      <div ref=${element} style="width:${layout.width}px;height:${layout.height}px"></div>
      <${Marks} layout=${layout} days=${days} range=${range} cursor=${focused ? at : null} />
    </div>
    <p class="hidden" id="calendar-summary">${summary}</p>
    <ul class="legend">
      ${tally.map(([state]) => html`<li key=${state}>
        <span class="glyph ${state}" aria-hidden="true">${GLYPHS[state]}</span>${t.coverage[state]}</li>`)}
    </ul>
    <p class="chosen"><span aria-live="polite">${dayOf(at) ? inWords(dayOf(at)) : at}</span></p>
    ${range && html`<div class="row chosen">
      <b>${t.chosen(range[0], range[1], chosenDays)}</b>
      <button type="button" onClick=${() => update({ start_date: range[0], end_date: range[1], page: null })}>
        ${t.showInList}</button>
      ${range[0] === range[1] && html`<button type="button" onClick=${() => open({ view: 'day', date: range[0] })}>
        ${t.openDay}</button>`}
      <button type="button" onClick=${() => update({ from: null, to: null })}>${t.clear}</button>
    </div>`}
    <p class="muted small" id="calendar-help">${t.calendarHelp}</p>
  </section>`;
}
