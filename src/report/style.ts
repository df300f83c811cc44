import { type Html, literal } from './html.js'

export const stylesheet: Html = literal`
:root {
  color-scheme: light dark;
  --page: light-dark(#fcfcfa, #15181b);
  --panel: light-dark(#ffffff, #1b1f23);
  --ink: light-dark(#1b2126, #e4e7ea);
  --soft: light-dark(#59636c, #9ca7b1);
  --line: light-dark(#e2e3de, #2e353b);
  --strong-line: light-dark(#b9bdb9, #4a545c);
  --link: light-dark(#0a5f73, #6cc5d8);
  --good: light-dark(#1c7043, #66c992);
  --caution: light-dark(#8a5300, #e6b65a);
  --bad: light-dark(#b3261e, #ff9488);
  --caution-wash: light-dark(#fdf6e7, #262116);
  --bad-wash: light-dark(#fdf1ef, #2b1b1b);
  --mono: ui-monospace, 'SF Mono', 'Cascadia Mono', 'JetBrains Mono', Menlo, Consolas, 'Liberation Mono', monospace;
}
:root[data-theme='light'] { color-scheme: light }
:root[data-theme='dark'] { color-scheme: dark }
* { box-sizing: border-box }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100% }
body {
  margin: 0 auto; max-width: 1280px; padding: 1.5rem clamp(1rem, 3vw, 2.5rem) 4rem; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; overflow-wrap: anywhere;
}
h1, h2, h3, p, figure, dl, dd { margin: 0 }
h1 { font-size: clamp(1.45rem, 1rem + 2vw, 2.1rem); line-height: 1.22; font-weight: 650; letter-spacing: -.015em; max-width: 34em; text-wrap: balance }
h2 { font-size: 1.2rem; font-weight: 650; letter-spacing: -.005em; margin-bottom: .75rem }
h3 { font-size: 1rem; font-weight: 600 }
a { color: var(--link); text-underline-offset: .18em; text-decoration-thickness: 1px }
a:not(:hover) { text-decoration-color: color-mix(in srgb, currentColor 40%, transparent) }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px }
code, .name { font-family: var(--mono); font-size: .9em }
code, td, th, dd { unicode-bidi: isolate }
section { margin-top: 3rem }
.skip { position: absolute; left: -99rem }
.skip:focus { left: 1rem; top: .5rem; background: var(--panel); padding: .3rem .6rem }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
.facts, .note, .unit, .null, .reason { color: var(--soft) }
.facts, .note { font-size: .92em }
.facts { font-variant-numeric: tabular-nums }
.null { font-style: italic }

.masthead { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; padding-bottom: .75rem; border-bottom: 1px solid var(--line) }
.masthead strong { margin-right: .5rem }
button { font: inherit; font-size: .87em; color: var(--soft); background: none; border: 1px solid var(--strong-line); border-radius: 99px; padding: .1rem .8rem; cursor: pointer; white-space: nowrap; flex: none }
button:hover { color: var(--ink) }
.verdict { margin-top: 2rem; margin-bottom: .35rem }
.detail { margin-top: .6rem; font-size: 1.05rem; color: var(--soft); max-width: 60em }
.synthetic { margin-top: .75rem; font-size: .92em }
nav { margin-top: 1.5rem; display: flex; flex-wrap: wrap; gap: .3rem 1.25rem; font-size: .92em }

.mark { font-weight: 600; white-space: nowrap }
.good { color: var(--good); fill: var(--good) }
.caution { color: var(--caution); fill: var(--caution) }
.bad { color: var(--bad); fill: var(--bad) }
.quiet { color: var(--soft); fill: var(--soft) }
.tag { display: inline-block; font: 600 .72rem/1.5 system-ui, sans-serif; color: var(--soft); border: 1px solid var(--strong-line); border-radius: 4px; padding: 0 .4em; white-space: nowrap }

.finding { color: var(--ink); border: 1px solid var(--line); border-left: 4px solid var(--soft); border-radius: 5px; background: var(--panel); padding: .8rem 1.1rem .9rem; margin-top: .9rem }
.finding.bad { border-left-color: var(--bad); background: var(--bad-wash) }
.finding.caution { border-left-color: var(--caution); background: var(--caution-wash) }
.finding h3 { display: flex; flex-wrap: wrap; gap: .1rem .7rem; align-items: baseline }
.finding p { margin-top: .35rem; max-width: 60em }
.finding p strong { font-weight: 600 }
.finding ul { margin: .2rem 0 0; padding: 0; list-style: none }
.finding li { margin-top: .6rem }
.finding li p { margin-top: .1rem }
section > .note { margin-top: .6rem }
.explain { display: flex; flex-wrap: wrap; gap: .2rem .6rem; align-items: baseline }
.explain code { background: var(--panel); border: 1px solid var(--line); border-radius: 4px; padding: .1rem .5rem; user-select: all }

details { margin-top: .6rem }
summary { cursor: pointer; width: fit-content; max-width: 100% }
summary > h3 { display: inline; font-family: var(--mono); font-size: .95rem }
details > summary { color: var(--ink) }
details.dataset { margin: 0; border-top: 1px solid var(--line); padding: .6rem 0 }
details.dataset:last-of-type { border-bottom: 1px solid var(--line) }
.dataset-body { padding: .25rem 0 .75rem; scroll-margin-top: 3.5rem }
.dataset-body > p { max-width: 60em }

.scroll { position: relative; overflow-x: auto; margin-top: .6rem; padding-bottom: 2px }
table { border-collapse: collapse; width: 100%; font-size: .87rem; line-height: 1.45; overflow-wrap: normal }
caption { text-align: left; color: var(--soft); padding-bottom: .4rem; font-size: .95em }
th, td { text-align: left; vertical-align: top; padding: .38rem .9rem .38rem 0; border-bottom: 1px solid var(--line); font-weight: 400; white-space: nowrap }
thead th { color: var(--soft); font-weight: 600; border-bottom-color: var(--strong-line); vertical-align: bottom }
tbody tr:last-child > * { border-bottom: 0 }
.number { text-align: right; font-variant-numeric: tabular-nums }
th:last-child, td:last-child { padding-right: 0 }
.prose { white-space: normal; min-width: 18rem; max-width: 44rem }
.path { white-space: normal; min-width: 14rem; overflow-wrap: anywhere }
table:has(.value) { width: auto }
.value { font-family: var(--mono); font-size: .95em; white-space: pre }
.long { display: block; white-space: pre-wrap; overflow-wrap: anywhere; width: 24rem }
th.value:not(:last-child), td.value:not(:last-child) { padding-right: 2rem }
.reason { display: block; font-size: .94em; white-space: normal; max-width: 26rem; overflow-wrap: anywhere }
th .reason { font-weight: 400 }
.lead { min-width: 15rem; width: 27% }
.timeline { min-width: 8rem; width: 16% }
.axis { display: flex; justify-content: space-between; font-weight: 400; font-variant-numeric: tabular-nums }

svg { display: block }
svg text { font: 12px/1 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; fill: var(--soft) }
.span { margin-top: 3px }
.span line, .histogram line, .bars line { stroke: var(--line) }
.histogram path { fill: var(--link); opacity: .75 }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1.25rem 2.5rem }
figcaption { margin-bottom: .5rem }
.bars { overflow: visible }
.bars rect { opacity: .45 }
.bars rect.current { opacity: 1 }
.bars text { text-anchor: middle }
.bars text.bad { fill: var(--bad) }
.bars text.caution { fill: var(--caution) }

.past { margin-top: 1.1rem }
.past h3, .detector h3 { margin-bottom: .5rem }
.detector + .detector { margin-top: 2rem; padding-top: 1.5rem; border-top: 1px solid var(--line) }
.detector > p { max-width: 60em }
.detector figure { margin-top: 1rem; max-width: 52rem }
.detector table { width: auto }
.detector figure .note { margin-top: .5rem }
.distribution line { stroke: var(--line); vector-effect: non-scaling-stroke }
.distribution .all { fill: var(--link); opacity: .4 }
.distribution .odd { fill: var(--bad) }
.key { display: inline-block; width: .7em; height: .7em; margin-left: .7rem }
.key.all { background: var(--link); opacity: .4 }
.key.odd { background: var(--bad); width: .35em }

.over-time { overflow: visible }
.over-time line { stroke: var(--line); vector-effect: non-scaling-stroke }
.over-time path { fill: none; stroke: var(--link); stroke-width: 1.5; vector-effect: non-scaling-stroke }
.over-time.happens path { stroke-width: 5; stroke-linecap: round; opacity: .8 }
.plot { display: grid; grid-template-columns: minmax(4rem, auto) 1fr; column-gap: .6rem; font-size: .82rem; line-height: 1; color: var(--soft); font-variant-numeric: tabular-nums }
.plot .levels { display: flex; flex-direction: column; justify-content: space-between; text-align: right }
.plot .axis { grid-column: 2; margin-top: .35rem }
.small { width: 11rem; min-width: 8rem }
.share { min-width: 6rem }
.share svg line { stroke: var(--line) }
.share svg rect { fill: var(--link); opacity: .75 }

.lineage .layer { font-weight: 600; font-size: 12px }
.lineage .edge { fill: none; stroke: var(--strong-line); stroke-width: 1.4 }
.lineage marker path { fill: var(--strong-line) }
.lineage .box { fill: var(--panel); stroke: var(--strong-line) }
.lineage .source rect { fill: none; stroke: var(--strong-line); stroke-dasharray: 4 3 }
.lineage .name, .lineage .source text { font-family: var(--mono); font-size: 12px }
.lineage .name { font-weight: 600; fill: var(--ink) }
.lineage .state { font-weight: 600 }
.lineage .state.good { fill: var(--good) }
.lineage .state.caution { fill: var(--caution) }
.lineage .state.bad { fill: var(--bad) }
.lineage a:hover .box, .lineage a:focus-visible .box { stroke: var(--link); stroke-width: 2 }

dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: .7rem 2rem }
dt { color: var(--soft); font-size: .87em }
#run h3 { margin: 1.25rem 0 .5rem }
footer { margin-top: 3.5rem; padding-top: .75rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .87em }

@media (max-width: 600px) {
  section { margin-top: 2.25rem }
  .finding { padding: .7rem .8rem }
  th, td { padding-right: .7rem }
}
@media print {
  :root, :root[data-theme='dark'] { color-scheme: light }
  body { max-width: none; padding: 0; font-size: 10pt }
  nav, button, .skip { display: none }
  .scroll { overflow: visible }
  .lineage { max-width: 100%; height: auto }
  .finding, figure, tr { break-inside: avoid }
  details::details-content { content-visibility: visible; block-size: auto }
  th, td { white-space: normal }
  a { color: inherit; text-decoration: none }
}
`

/** Without it the page follows the system's theme and is complete; with it the reader may choose, and print unfolds what is folded. */
export const themeScript: Html = literal`
(() => {
  const root = document.documentElement
  const stored = (theme) => { try { return theme ? localStorage.setItem('sluice-theme', theme) : localStorage.getItem('sluice-theme') } catch { return null } }
  const choose = (theme) => { if (theme === 'light' || theme === 'dark') root.dataset.theme = theme }
  const isDark = () => (root.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark'
  choose(stored())
  addEventListener('DOMContentLoaded', () => {
    const button = document.getElementById('theme')
    const name = () => { button.textContent = isDark() ? 'Light theme' : 'Dark theme' }
    button.addEventListener('click', () => { const theme = isDark() ? 'light' : 'dark'; choose(theme); stored(theme); name() })
    button.hidden = false
    name()
  })
  let unfolded = []
  addEventListener('beforeprint', () => { unfolded = [...document.querySelectorAll('details:not([open])')]; for (const each of unfolded) each.open = true })
  addEventListener('afterprint', () => { for (const each of unfolded) each.open = false })
})()
`
