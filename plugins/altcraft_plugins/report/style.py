"""The report's style sheet."""

from __future__ import annotations

from typing import Final

__all__ = ["STYLE"]

STYLE: Final = """
:root{color-scheme:light dark;--paper:#fff;--card:#fff;--text:#1c2024;--soft:#5b636c;--rule:#d9dde2;--line:#1f5fbf;
--alarm:#b3261e;--tint:#f6f8fa;--shade:#fdf0ef}
@media(prefers-color-scheme:dark){:root{--paper:#14171a;--card:#1b1f24;--text:#e8eaed;--soft:#a3abb5;--rule:#363c44;
--line:#86b4ff;--alarm:#ff9b93;--tint:#20252b;--shade:#331d1c}}
@media(forced-colors:active){:root{--line:LinkText;--rule:GrayText;--alarm:CanvasText;--text:CanvasText;
--soft:CanvasText;--paper:Canvas;--card:Canvas}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--text);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
header,main,footer,nav{max-width:88rem;margin:auto;padding:0 1rem}
header{padding-top:1.5rem}
main nav{padding:0}
.alarms{padding-left:1.25rem}
.alarms li{padding:.1rem 0}
h1{font-size:1.6rem;line-height:1.2;margin:0}
h2{font-size:1.25rem;margin:2.5rem 0 .5rem}
h3{font-size:1.1rem;margin:1.25rem 0 .25rem}
article>h3{margin:0}
h4{font-size:1rem;margin:0}
p{margin:.25rem 0}
a{color:var(--line)}
a:focus-visible,summary:focus-visible,[tabindex]:focus-visible{outline:3px solid var(--line);outline-offset:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.5rem}
.soft,time{color:var(--soft)}
.soft{font-size:.9rem}
.alarm{color:var(--alarm);font-weight:600}
.facts{display:flex;flex-wrap:wrap;gap:.75rem;list-style:none;padding:0;margin:1rem 0}
.facts li{background:var(--tint);border:1px solid var(--rule);border-radius:.5rem;padding:.4rem .9rem}
.facts b{font-size:1.4rem;margin-right:.35rem}
.facts .alarm{background:var(--shade)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{text-align:right;padding:.25rem .6rem;border-bottom:1px solid var(--rule);vertical-align:top;white-space:nowrap}
th{font-weight:600}
th:first-child{text-align:left}
.moves th:first-child{white-space:normal;min-width:9rem}
tbody th{font-weight:400}
thead th{position:sticky;top:0;background:var(--card)}
details th:first-child{position:sticky;left:0;background:var(--card)}
details thead th:first-child{z-index:1}
.moves{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,34rem),1fr));gap:0 2rem}
.moves>div{min-width:0}
.names{columns:20rem;column-gap:2rem;padding-left:2.5rem}
.names li{break-inside:avoid;padding-bottom:.2rem}
article{border-top:1px solid var(--rule);padding-top:1.25rem;margin-top:1.75rem}
.many article{content-visibility:auto;contain-intrinsic-size:auto 40rem}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));gap:1rem;margin-top:.75rem;
align-items:start}
.card{background:var(--card);border:1px solid var(--rule);border-radius:.5rem;padding:.75rem .9rem;min-width:0}
figure{position:relative;margin:.5rem 0 0}
svg{position:absolute;inset:0;width:100%;height:100%;overflow:visible}
svg path{fill:none;stroke:var(--line);stroke-width:2;stroke-linejoin:round;stroke-linecap:round;
vector-effect:non-scaling-stroke}
svg .g{stroke:var(--rule);stroke-width:1}
svg .e{stroke-width:6}
svg .a,svg .a+.e{stroke:var(--alarm)}
.lanes{list-style:none;margin:0;padding:0}
.lanes li{height:56px;display:flex;gap:.45rem;align-items:baseline;position:relative;line-height:22px;font-size:.85rem;
white-space:nowrap;font-variant-numeric:tabular-nums}
.lanes span:first-child{flex:1;overflow:hidden;text-overflow:ellipsis}
.lanes small{color:var(--soft);font-size:.75rem}
.lanes b{min-width:2.6rem;text-align:right}
.lanes i{font-style:normal;min-width:3.2rem;text-align:right}
.lanes .still{color:var(--soft)}
.card{container-type:inline-size}
@container(max-width:24rem){.long small{display:none}}
.axis{display:flex;justify-content:space-between;color:var(--soft);font-size:.8rem}
details{margin-top:.5rem}
summary{cursor:pointer;color:var(--line);padding:.15rem 0}
details .wide{max-height:24rem;overflow:auto;margin-top:.25rem}
footer{margin-top:2.5rem;padding-bottom:2rem;border-top:1px solid var(--rule);padding-top:1rem}
@media(max-width:30rem){th,td{padding:.25rem .3rem}
.moves th:first-child{min-width:0}.lanes li{gap:.4rem}}
@media print{:root{--paper:#fff;--card:#fff;--text:#000;--soft:#444;--rule:#bbb;--line:#124a9c;--alarm:#8c1d18;
--tint:#fff;--shade:#fff}html{font-size:10pt}.skip,nav,details{display:none}.many article{content-visibility:visible}
.card,li,tr,.alarms li{break-inside:avoid}h2,h3,h4{break-after:avoid}a{color:inherit;text-decoration:none}
.cards{grid-template-columns:repeat(2,minmax(0,1fr))}thead th,details th:first-child{position:static}}
""".strip()
