'use strict';
// The pages are whole without this script. It draws the charts, and keeps the first page up to date.
document.documentElement.classList.add('scripted');

const color = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const charts = [];

function dateOrTime(date, step) {
  const two = number => String(number).padStart(2, '0');
  return step >= 86400 || date.getHours() + date.getMinutes() === 0 ? `${two(date.getMonth() + 1)}-${two(date.getDate())}` : `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** For the first bar and the last, which stand in the middle of their places; and ten minutes at least, because the axis names minutes. */
const roomBeside = (x, label) => Math.max((x.at(-1) - x[0]) / (x.length - 1) / 2 || 1, label ? 0 : (600 - x.at(-1) + x[0]) / 2);

function draw(element) {
  // With a label x are numbers of that, otherwise seconds since 1970.
  const { label, x, series } = JSON.parse(element.dataset.chart);
  const units = [...new Set(series.map(s => s.unit))];
  const axis = { stroke: color('quiet'), grid: { stroke: color('grid'), width: 1 }, ticks: { stroke: color('grid'), width: 1 } };
  const lines = { line: {}, bars: { paths: uPlot.paths.bars({ size: [0.6, 24] }), points: { show: false } } };
  element.replaceChildren();
  return new uPlot({
    width: element.clientWidth,
    height: 220,
    scales: { x: { time: !label, range: (_, low, high) => [low - roomBeside(x, label), high + roomBeside(x, label)] }, ...Object.fromEntries(units.map(unit => [unit, { range: (_, low, high) => unit === '%' ? [0, 100] : [0, high > 0 ? high * 1.05 : 1] }])) },
    series: [label ? { label, value: (_, v) => v ?? '–' } : { label: 'Time', value: '{YYYY}-{MM}-{DD} {HH}:{mm}' }, ...series.map(s => ({
      label: s.label, scale: s.unit, stroke: color(s.color), width: 2, spanGaps: true, ...lines[s.kind],
      fill: s.kind === 'bars' ? color(s.color) + '66' : undefined, value: (_, v) => v == null ? '–' : `${+v.toFixed(2)} ${s.unit}`
    }))],
    axes: [label ? { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 1000, 10000] } : { ...axis, values: (_, ticks, __, ___, step) => ticks.map(tick => dateOrTime(new Date(tick * 1000), step)) }, ...units.map((unit, i) => ({ ...axis, scale: unit, side: i === 0 ? 3 : 1, grid: i === 0 ? axis.grid : { show: false }, values: (_, ticks) => ticks.map(t => `${t} ${unit}`), size: 64 }))]
  }, [x, ...series.map(s => s.values)], element);
}

function drawAll() {
  charts.splice(0).forEach(chart => chart.destroy());
  document.querySelectorAll('[data-chart]').forEach(element => charts.push(draw(element)));
}
drawAll();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
addEventListener('resize', () => charts.forEach(chart => chart.setSize({ width: chart.root.parentElement.clientWidth, height: 220 })));

const MOST_LINES = 2000;
let shown = document.querySelector('main').dataset.shown;

/** Finds an element again in the page that is shown next. */
function place(element) {
  if (element.id) { return `#${element.id}`; }
  return element.hasAttribute('href') ? `[href="${element.getAttribute('href')}"]` : element.localName;
}

/** Shows the page as the server makes it now, and leaves the focus, and what is folded away, where it was. */
async function renew() {
  const answer = await fetch(location.href, { credentials: 'same-origin' });
  if (!answer.ok || answer.redirected) { location.reload(); return; }
  const main = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main');
  const before = document.querySelector('main');
  const focused = before.contains(document.activeElement) ? place(document.activeElement) : undefined;
  if (before.querySelector('details:not([open])')) { main.querySelectorAll('details').forEach(details => { details.open = false; }); }
  before.replaceWith(document.adoptNode(main));
  if (focused) { main.querySelector(focused)?.focus({ preventScroll: true }); }
  toEnd(document.getElementById('log'));
  toEnd(document.getElementById('trail'));
}

function toEnd(element) {
  if (element) { element.scrollTop = element.scrollHeight; }
}

function follow() {
  const events = new EventSource('/api/events');
  events.addEventListener('changed', event => {
    // The first one mostly says what is on the page already.
    if (shown !== event.data) { renew(); }
    shown = event.data;
  });
  events.addEventListener('progress', event => {
    const line = JSON.parse(event.data);
    const progress = document.getElementById('progress');
    const trail = document.getElementById('trail');
    if (progress) { progress.textContent = line; }
    if (trail) {
      trail.append(Object.assign(document.createElement('li'), { textContent: line }));
      if (trail.childElementCount > 100) { trail.firstElementChild.remove(); }
      toEnd(trail);
    }
  });
  events.addEventListener('log', event => {
    const part = JSON.parse(event.data);
    const log = document.getElementById('log');
    if (!log || log.dataset.release !== part.release) { return; }
    // What the server sent with the page came to its own end; from the first part on the events tell all of it.
    if (log.dataset.from === undefined) { log.textContent = ''; }
    log.dataset.from = part.from;
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 20;
    log.append(part.text);
    if (log.childNodes.length > MOST_LINES) { log.firstChild.remove(); }
    if (atEnd) { toEnd(log); }
  });
}

if (shown !== undefined) { follow(); }
