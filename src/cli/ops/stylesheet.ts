/** The page's only stylesheet. Colours are chosen to be read in light and dark alike; no status is told by colour alone. */
export const STYLESHEET = `:root{color-scheme:light dark;--text:#1b1b1b;--soft:#555;--back:#fff;--card:#f6f6f4;--line:#8886;--link:#0b4f9e;--good:#176b34;--bad:#a3161d;--warn:#7a4a00;--plain:#4a4a55;--plan:#33658a}
@media (prefers-color-scheme:dark){:root{--text:#e9e9e6;--soft:#b3b3b0;--back:#161616;--card:#222224;--line:#8886;--link:#8ec2ff;--good:#7fd49a;--bad:#ff9a9a;--warn:#ffc46b;--plain:#c3c3d0;--plan:#8fc1e3}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:78rem;padding:0 1rem 3rem;color:var(--text);background:var(--back)}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
main:focus{outline:none}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--back);padding:.5rem;z-index:1}
header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;justify-content:space-between;align-items:baseline;border-bottom:1px solid var(--line);padding:.5rem 0}
header ul,.choices ul,.tiles,.timeline,.flow{list-style:none;margin:0;padding:0}
header ul,.choices ul{display:flex;flex-wrap:wrap;gap:.25rem .9rem}
header a,.choices a{display:inline-block;padding:.3rem 0}
[aria-current]{font-weight:700;text-decoration:none;border-bottom:3px solid currentColor;color:var(--text)}
.who{margin:0}.who form{display:inline}
h1{font-size:1.45rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:1.2rem 0 .3rem}
.choices{margin:.5rem 0 1rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(10rem,1fr));gap:.6rem}
.tiles li{background:var(--card);border:1px solid var(--line);border-left-width:6px;border-radius:6px;padding:.6rem .8rem}
.tiles strong{display:block;font-size:1.6rem;line-height:1.2}.tiles .warn{border-left-color:var(--warn)}.tiles .calm{border-left-color:var(--good)}
.columns{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:0 2rem}
dl{margin:.3rem 0}dd{margin:0;overflow-wrap:anywhere}dt{color:var(--soft)}
.counts div{display:flex;justify-content:space-between;gap:1rem;border-bottom:1px solid var(--line);padding:.25rem 0}
.facts div{display:grid;grid-template-columns:minmax(8rem,14rem) 1fr;gap:0 1rem;border-bottom:1px solid var(--line);padding:.25rem 0}.facts ul{margin:0;padding-left:1.1rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0}caption{text-align:left;color:var(--soft);padding:.25rem 0}
th,td{text-align:left;padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
time{font-variant-numeric:tabular-nums}
.badge{display:inline-block;border:1px solid currentColor;border-radius:4px;padding:0 .35rem;font-size:.85em;font-weight:600}
.badge.good,.good>.badge{color:var(--good)}.badge.bad{color:var(--bad)}.badge.warn{color:var(--warn)}.badge.plain{color:var(--plain)}
.notice{border:1px solid currentColor;border-left-width:6px;border-radius:4px;padding:.5rem .8rem;overflow-wrap:anywhere}.notice.good{color:var(--good)}.notice.bad{color:var(--bad)}
.empty,.hint,.fresh{color:var(--soft)}
pre{background:var(--card);border:1px solid var(--line);border-radius:4px;padding:.6rem;overflow:auto;max-height:32rem;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}
figure{margin:.75rem 0}
.chart svg{display:block;width:100%;height:5.6rem}.axis{stroke:var(--soft);stroke-width:1}
.bar.begun{fill:var(--plan)}.bar.success{fill:var(--good)}.bar.pending{fill:var(--plain)}.bar.fail{fill:var(--bad)}.bar.unknown{fill:var(--warn)}
.legend .key{margin-right:1rem;padding-left:.5rem;border-left:.9rem solid var(--plain)}.legend .success{border-color:var(--good)}.legend .fail{border-color:var(--bad)}.legend .unknown{border-color:var(--warn)}
.sides{display:grid;grid-template-columns:1fr 1fr;gap:0 2rem}.sides>section{min-width:0}
.sides .facts div{grid-template-columns:minmax(6rem,9rem) 1fr}
.phases svg{display:block;width:100%;max-width:16rem;height:.6rem}.track{fill:var(--line)}.phase.connect{fill:var(--plain)}.phase.write{fill:var(--plan)}.phase.headers{fill:var(--warn)}.phase.body{fill:var(--good)}
.lanes{display:block;width:100%;max-height:11rem}.lanes text{fill:var(--soft);font-size:9px}.lanes circle.good{fill:var(--plan)}.lanes circle.bad{fill:var(--bad)}
.timeline li{border-left:4px solid var(--plan);padding:.3rem 0 .3rem .8rem;display:grid;grid-template-columns:13.5rem 7.5rem 1fr;gap:0 .8rem}.timeline li.bad{border-left-color:var(--bad)}
.timeline .lane{color:var(--soft)}.timeline .what{overflow-wrap:anywhere;min-width:0}
.flow{display:flex;flex-wrap:wrap;gap:.8rem 0}.flow li{border:1px solid var(--line);border-radius:6px;background:var(--card);padding:.5rem .7rem;margin-right:2.2rem;position:relative}
.flow li:not(:last-child)::after{content:"\\2192";position:absolute;right:-1.7rem;top:.5rem;color:var(--soft)}.flow .work{margin-top:.3rem}.flow .here{outline:3px solid var(--warn);outline-offset:2px}
form p{margin:.5rem 0}label{display:inline-block;margin-right:.4rem}
input,select,textarea,button{font:inherit;color:inherit;background:var(--back);border:1px solid var(--soft);border-radius:4px;padding:.35rem .5rem;max-width:100%}
textarea,input[name=by],input[name=q],input[type=password]{display:block;width:100%;max-width:38rem}
button{background:var(--card);cursor:pointer;font-weight:600}button.plain{background:none;border:0;padding:0;color:var(--link);text-decoration:underline;font-weight:400}
details{border:1px solid var(--line);border-radius:6px;padding:.4rem .8rem;margin:.5rem 0}summary{cursor:pointer;font-weight:600;padding:.2rem 0}
fieldset{border:1px solid var(--line);border-radius:6px}
@media (max-width:44rem){.sides{grid-template-columns:1fr}.facts div,.sides .facts div{grid-template-columns:1fr}.timeline li{grid-template-columns:1fr}
thead{position:absolute;left:-99rem}table,tbody,tr,td,caption{display:block}tr{border:1px solid var(--line);border-radius:6px;padding:.3rem .6rem;margin:.6rem 0}
td{border:0;padding:.15rem 0}td::before{content:attr(data-label) ": ";color:var(--soft)}
.flow{flex-direction:column}.flow li{margin-right:0}.flow li:not(:last-child)::after{content:"\\2193";right:auto;left:1rem;top:auto;bottom:-1.3rem}}
@media (prefers-reduced-motion:no-preference){a,button{transition:outline-offset .1s}}
`;

/** The page's only script: reads a page that says so again while somebody looks at it. Everything works without it. */
export const SCRIPT = `'use strict';
(() => {
  const everyMs = Number(document.querySelector('main')?.dataset.refreshMs);
  const place = () => document.getElementById('refresh');
  if (!(everyMs >= 1000) || place() === null) return;
  let isPaused = false;
  const button = document.createElement('button');
  button.type = 'button';
  const label = () => { button.textContent = isPaused ? 'Refresh by itself' : 'Stop refreshing'; };
  button.addEventListener('click', () => { isPaused = !isPaused; label(); });
  label();
  place().append(button);
  const refresh = async () => {
    if (isPaused || document.hidden) return;
    const answer = await fetch(location.href, { credentials: 'same-origin', redirect: 'error' });
    if (!answer.ok) return;
    const read = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const fresh = read.querySelector('main');
    const active = document.activeElement;
    const hadButton = active === button;
    const href = active instanceof HTMLAnchorElement && active.closest('main') ? active.getAttribute('href') : null;
    if (isPaused || fresh === null) return;
    document.querySelector('main').replaceChildren(...fresh.childNodes);
    place()?.append(button);
    if (hadButton) button.focus();
    else if (href !== null) [...document.querySelectorAll('main a')].find((one) => one.getAttribute('href') === href)?.focus();
  };
  setInterval(() => { refresh().catch(() => {}); }, everyMs);
})();
`;
