"""How the page of a run looks, by day and by night; colours that differ in lightness, not in hue alone."""

from __future__ import annotations

STYLE = """
:root { --back: #ffffff; --text: #1d2330; --quiet: #667085; --line: #e4e7ec; --first: #1f6feb;
  --second: #e07b00; --good: #12805c; --bad: #c6291c; --rgb: 31, 111, 235; }
@media (prefers-color-scheme: dark) { :root { --back: #11151d; --text: #e6e9ef; --quiet: #98a2b3;
  --line: #2b3240; --first: #6ea8fe; --second: #f0a04b; --good: #4cc38a; --bad: #ff7b72;
  --rgb: 110, 168, 254; } }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 24px; font-weight: 400; margin: 0 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 36px 0 8px; border-bottom: 1px solid var(--line); padding-bottom: 4px; }
p { margin: 4px 0; overflow-wrap: anywhere; }
.quiet, footer, dt { color: var(--quiet); font-size: 13px; }
footer { margin-top: 40px; }
.pill { border-radius: 10px; padding: 1px 10px; color: var(--back); font-size: 13px; }
.pill.good { background: var(--good); } .pill.bad { background: var(--bad); }
.figures { display: flex; flex-wrap: wrap; gap: 10px; margin: 20px 0 0; }
.figures div { border: 1px solid var(--line); border-radius: 8px; padding: 8px 14px; min-width: 96px; }
dd { margin: 0; font-size: 20px; } dt { overflow-wrap: anywhere; }
svg { width: 100%; height: auto; display: block; overflow: visible; } rect { shape-rendering: crispEdges; }
.axis { font-size: 12px; fill: var(--quiet); } .end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: var(--line); } .frame { fill: none; stroke: var(--line); }
.curve { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.curve.bytes { stroke: var(--first); } .curve.hosts { stroke: var(--second); stroke-dasharray: 7 4; }
.stage, .upload.seeders { fill: var(--second); } .upload.peers, .stage { fill: var(--first); }
.mark { display: inline-block; width: 11px; height: 11px; border-radius: 2px; background: var(--line); }
.mark.bytes, .mark.peers { background: var(--first); }
.mark.hosts, .mark.seeders { background: var(--second); }
.heat0 { fill: var(--line); fill-opacity: .5; }
.is { fill: var(--line); } .is.verified, .mark.verified { fill: var(--first); background: var(--first); }
.is.switched, .mark.switched { fill: var(--good); background: var(--good); }
.is.failed, .is.unreachable { fill: var(--bad); background: var(--bad); }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; padding: 3px 10px 3px 0; border-bottom: 1px solid var(--line); }
td { overflow-wrap: anywhere; vertical-align: top; } td:first-child { color: var(--quiet); }
""" + "".join(
    f".heat{step} {{ fill: rgba(var(--rgb), {0.1 + 0.09 * step:.2f}); }}\n" for step in range(1, 11)
)
