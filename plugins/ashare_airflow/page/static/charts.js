/** Apache ECharts, dressed in the page's own colours. */

import { html, useEffect, useRef } from './vendor/htm-preact-3.1.1.module.js';
import { language, theme } from './host.js';
import { num, text } from './text.js';

const { echarts } = window;

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const FONT = 'system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif';

/** Escapes HTML: ECharts inserts the result of a tooltip's formatter into the page as HTML. */
export const escapeHtml = (value) => String(value).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

export const tooltipLook = () => ({
  confine: true,
  backgroundColor: colour('panel'),
  borderColor: colour('line'),
  textStyle: { color: colour('ink'), fontSize: 12 },
});

const baseOption = () => ({ animation: false, textStyle: { fontFamily: FONT, color: colour('ink') } });

/** A chart that follows its element's size. Returns the refs of the element and the chart, and draw(option). */
export function useChart() {
  const element = useRef();
  const chart = useRef();
  useEffect(() => {
    chart.current = echarts.init(element.current);
    const observer = new ResizeObserver(() => chart.current.resize());
    observer.observe(element.current);
    return () => {
      observer.disconnect();
      chart.current.dispose();
    };
  }, []);
  const draw = (option) => chart.current.setOption({ ...baseOption(), ...option }, { notMerge: true });
  return { element, chart, draw };
}

/**
 * A chart of an option. It is drawn again only when `data`, the language or the theme changes. Drawing on each
 * render would reset the reader's zoom.
 */
export function Chart({ option, data, height, label, testid }) {
  const { element, draw } = useChart();
  useEffect(() => draw(option()), [data, language(), theme()]);
  return html`<div role="img" aria-label=${label} data-testid=${testid}>
    <div ref=${element} style="height:${height}px"></div>
  </div>`;
}

const axisLook = () => ({
  axisLabel: { color: colour('muted') },
  axisLine: { lineStyle: { color: colour('line') } },
  splitLine: { lineStyle: { color: colour('line') } },
});

/** @param {object[]} years StockYear */
export function yearsOption(years) {
  const t = text();
  const bars = [
    [t.trading, 'trading', 'complete'],
    [t.suspended, 'suspended', 'suspended'],
    [t.explained, 'explained', 'running'],
    [t.holes, 'holes', 'failed'],
  ];
  return {
    grid: { left: 44, right: 8, top: 34, bottom: 24 },
    legend: { type: 'scroll', top: 0, left: 0, textStyle: { color: colour('ink') } },
    tooltip: { trigger: 'axis', axisPointer: { type: 'shadow' }, ...tooltipLook() },
    xAxis: { type: 'category', data: years.map(({ year }) => String(year)), ...axisLook() },
    yAxis: { type: 'value', ...axisLook() },
    series: bars.map(([name, field, tone]) => ({
      name, type: 'bar', stack: 'sessions', barMaxWidth: 40, itemStyle: { color: colour(tone) },
      data: years.map((year) => year[field]),
    })),
  };
}

const NO_CANDLE = ['-', '-', '-', '-'];

/** The first of the sorted dates on or after `date`; the last one if all are earlier. */
const nearest = (dates, date) => dates.find((each) => each >= date) ?? dates.at(-1);

/**
 * Candles and volume over the bars' dates. A suspended session's bar has no price of its own: it is drawn as a gap.
 * @param {Array} bars [date, open, close, low, high, volume, is_trading]
 */
export function priceOption(bars, stock) {
  const t = text();
  const dates = bars.map(([date]) => date);
  const shown = Math.min(250, bars.length);
  const bands = stock.suspensions
    .filter(({ start_date: start, end_date: end }) => end >= dates[0] && start <= dates.at(-1))
    .map(({ start_date: start, end_date: end }) => [
      { xAxis: nearest(dates, start) },
      { xAxis: dates.findLast((each) => each <= end) ?? dates[0] },
    ]);
  // The axis has no place for a hole: the hole's line stands at the next bar.
  const holes = stock.holes
    .filter(({ start_date: start, end_date: end }) => end >= dates[0] && start <= dates.at(-1))
    .map(({ start_date: start }) => ({ xAxis: nearest(dates, start) }));
  const exDates = stock.ex_dates
    .filter((date) => date >= dates[0] && date <= dates.at(-1))
    .map((date) => dates.indexOf(nearest(dates, date)))
    .map((i) => ({ coord: [dates[i], bars[i][3] ?? bars[i][2]] }));
  const zoom = { xAxisIndex: [0, 1], start: 100 - (100 * shown) / bars.length, end: 100 };
  return {
    grid: [
      { left: 56, right: 36, top: 12, height: '58%', outerBoundsMode: 'none' },
      { left: 56, right: 36, top: '72%', height: '14%', outerBoundsMode: 'none' },
    ],
    axisPointer: { link: [{ xAxisIndex: 'all' }] },
    tooltip: {
      trigger: 'axis', axisPointer: { type: 'cross' }, ...tooltipLook(),
      formatter: (points) => priceTooltip(bars[points[0].dataIndex]),
    },
    xAxis: [
      { type: 'category', data: dates, ...axisLook(), splitLine: { show: false } },
      {
        type: 'category', data: dates, gridIndex: 1, ...axisLook(), splitLine: { show: false },
        axisLabel: { show: false }, axisPointer: { label: { show: false } },
      },
    ],
    yAxis: [
      { scale: true, ...axisLook() },
      { gridIndex: 1, ...axisLook(), splitNumber: 2, axisLabel: { show: false }, splitLine: { show: false } },
    ],
    dataZoom: [
      { type: 'inside', ...zoom, zoomOnMouseWheel: 'ctrl' },
      {
        type: 'slider', ...zoom, bottom: 4, height: 22, borderColor: colour('line'),
        textStyle: { color: colour('muted') },
      },
    ],
    series: [
      {
        type: 'candlestick', name: t.price,
        // The Chinese convention: red is up, green is down.
        itemStyle: {
          color: colour('up'), borderColor: colour('up'), color0: colour('down'), borderColor0: colour('down'),
        },
        data: bars.map(([, open, close, low, high, , trading]) => (trading ? [open, close, low, high] : NO_CANDLE)),
        markArea: { silent: true, itemStyle: { color: colour('band') }, data: bands },
        markLine: {
          silent: true, symbol: 'none', label: { show: false }, data: holes,
          lineStyle: { color: colour('failed'), type: 'dashed' },
        },
        markPoint: {
          silent: true, symbol: 'triangle', symbolSize: 8, symbolOffset: [0, 10], label: { show: false }, data: exDates,
          itemStyle: { color: colour('accent') },
        },
      },
      {
        type: 'bar', name: t.volume, xAxisIndex: 1, yAxisIndex: 1,
        data: bars.map(([, open, close, , , volume]) => ({
          value: volume ?? 0, itemStyle: { color: colour(close >= open ? 'up' : 'down') },
        })),
      },
    ],
  };
}

function priceTooltip([date, open, close, low, high, volume, trading]) {
  const t = text();
  const lines = trading
    ? [[t.open, open], [t.high, high], [t.low, low], [t.closePrice, close], [t.volume, num(volume)]]
    : [[t.suspended, '']];
  return [date, ...lines.map(([name, value]) => `${name} ${value ?? t.blank}`)].map(escapeHtml).join('<br>');
}
