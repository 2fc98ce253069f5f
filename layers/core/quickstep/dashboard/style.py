"""Colours and layout, for both themes. The contrast of every pair that is used is tested."""

from __future__ import annotations

from enum import StrEnum


class Theme(StrEnum):
    """What the colours are for; AUTO is as the viewer's system has it."""

    LIGHT = "light"
    DARK = "dark"
    AUTO = "auto"


PALETTES = {
    Theme.LIGHT: {
        "ground": "#ffffff",
        "raised": "#f5f7fa",
        "rule": "#dfe5ec",
        "text": "#16202c",
        "muted": "#526070",
        "accent": "#0b62c4",
        "load": "#0b62c4",
        "area": "#dbe9f9",
        "breach": "#fdeceb",
        "threshold": "#b3261e",
        "desired": "#16202c",
        "running": "#7d8b9b",
        "fill": "#dde4ec",
        "out": "#0a7a45",
        "in": "#7a3db8",
        "dry": "#0b62c4",
        "recovered": "#96540a",
        "held": "#6a5a12",
        "ignored": "#5d6b7a",
        "failed": "#b3261e",
    },
    Theme.DARK: {
        "ground": "#10161d",
        "raised": "#19212b",
        "rule": "#2c3846",
        "text": "#e9eef4",
        "muted": "#a0aebd",
        "accent": "#6db3ff",
        "load": "#6db3ff",
        "area": "#17324f",
        "breach": "#3a1f22",
        "threshold": "#ff8d85",
        "desired": "#e9eef4",
        "running": "#7f8fa1",
        "fill": "#2a3644",
        "out": "#4cd295",
        "in": "#cba0ff",
        "dry": "#6db3ff",
        "recovered": "#f2ab5c",
        "held": "#dcc66a",
        "ignored": "#a0aebd",
        "failed": "#ff8d85",
    },
}
"""Text and lines are read on `ground` and `raised`; `area`, `breach` and `fill` lie behind them."""


def _variables(theme: Theme) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in PALETTES[theme].items())


def stylesheet(theme: Theme) -> str:
    """Return the style sheet; constants only, nothing of it comes from outside."""
    if theme is not Theme.AUTO:
        return f".qs{{{_variables(theme)}color-scheme:{theme}}}{_RULES}"
    dark = f"@media(prefers-color-scheme:dark){{.qs{{{_variables(Theme.DARK)}}}}}"
    return f".qs{{{_variables(Theme.LIGHT)}color-scheme:light dark}}{dark}{_RULES}"


_RULES = """
.qs{background:var(--ground);color:var(--text);font:14px/1.5 system-ui,-apple-system,"Segoe UI",
Roboto,"Noto Sans","Noto Sans CJK KR",sans-serif;font-variant-numeric:tabular-nums;
box-sizing:border-box;padding:20px;overflow-wrap:anywhere}
.qs *{box-sizing:border-box}
.qs h1{font-size:20px;line-height:1.3;margin:0;font-weight:650;letter-spacing:-.01em}
.qs h2{font-size:15px;margin:0;font-weight:650}
.qs p{margin:0}
.qs a{color:var(--accent)}
.qs .muted{color:var(--muted)}
.qs header{display:flex;flex-wrap:wrap;gap:4px 16px;align-items:baseline;justify-content:space-between}
.qs .live{color:var(--out);font-weight:600}
.qs .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:10px;margin:16px 0}
.qs .figure{background:var(--raised);border:1px solid var(--rule);border-radius:8px;padding:10px 12px}
.qs .figure dt{color:var(--muted);font-size:12px;margin:0}
.qs .figure dd{margin:0;font-size:22px;line-height:1.25;font-weight:600}
.qs .figure dd small{font-size:12px;font-weight:400;color:var(--muted);margin-left:6px}
.qs .chart{border:1px solid var(--rule);border-radius:8px;padding:12px 0 6px;overflow:hidden}
.qs svg{display:block;max-width:100%;height:auto;font-size:11px}
.qs svg text{fill:var(--muted)}
.qs svg .quiet{fill:var(--muted);font-weight:400}
.qs svg .strong{fill:var(--text);font-size:12px;font-weight:600}
.qs svg .halo{paint-order:stroke;stroke:var(--ground);stroke-width:3px;stroke-linejoin:round}
.qs svg .rule{stroke:var(--rule);stroke-width:1}
.qs svg .load{fill:none;stroke:var(--load);stroke-width:2;stroke-linejoin:round}
.qs svg .load.other{stroke-dasharray:1 4;stroke-linecap:round}
.qs svg .dot{fill:var(--load)}
.qs svg .area{fill:var(--area);opacity:.7}
.qs svg .breach{fill:var(--breach)}
.qs svg .threshold{stroke:var(--threshold);stroke-width:1.5;stroke-dasharray:6 4}
.qs svg .threshold-text{fill:var(--threshold);font-weight:600}
.qs svg .desired{fill:none;stroke:var(--desired);stroke-width:2}
.qs svg .running{fill:var(--fill);stroke:var(--running);stroke-width:1}
.qs svg .guide{stroke-width:1;opacity:.55}
.qs .out{fill:var(--out);stroke:none}.qs .in{fill:var(--in);stroke:none}
.qs .dry{fill:var(--dry)}.qs .recovered{fill:var(--recovered)}.qs .held{fill:var(--held)}
.qs .ignored{fill:var(--ignored)}.qs .failed{fill:var(--failed)}
.qs svg .guide.out{stroke:var(--out)}.qs svg .guide.in{stroke:var(--in)}
.qs svg .guide.dry{stroke:var(--dry)}.qs svg .guide.recovered{stroke:var(--recovered)}
.qs svg .guide.failed{stroke:var(--failed)}
.qs svg .delta{font-weight:700}
.qs svg text.out{fill:var(--out)}.qs svg text.in{fill:var(--in)}.qs svg text.dry{fill:var(--dry)}
.qs svg text.recovered{fill:var(--recovered)}
.qs .notes{list-style:none;margin:12px 0 0;padding:0}
.qs .notes li{border-left:3px solid var(--threshold);background:var(--raised);padding:6px 10px;margin:6px 0}
.qs .decisions-head{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:baseline;margin:22px 0 8px}
.qs .filters{display:flex;flex-wrap:wrap;gap:6px;margin:0 0 10px;padding:0;list-style:none}
.qs .filters a,.qs .filters .chip,.qs .pager a,.qs .pager .chip{display:inline-flex;align-items:center;
gap:6px;border:1px solid var(--rule);border-radius:999px;padding:4px 11px;min-height:30px;
color:var(--text);background:var(--ground);text-decoration:none;font-size:13px;cursor:pointer}
.qs .filters .chip,.qs .pager .chip{cursor:default}
.qs .filters a:hover,.qs .pager a:hover{border-color:var(--accent)}
.qs .filters a[aria-current]{border-color:var(--accent);box-shadow:inset 0 0 0 1px var(--accent);font-weight:600}
.qs :focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.qs .icon{width:14px;height:14px;flex:none}
.qs .rows{border:1px solid var(--rule);border-radius:8px;overflow:hidden}
.qs details+details{border-top:1px solid var(--rule)}
.qs summary{display:grid;grid-template-columns:76px 224px 74px minmax(0,1fr);gap:4px 12px;align-items:baseline;
padding:9px 14px;cursor:pointer;list-style:none}
.qs summary::-webkit-details-marker{display:none}
.qs summary:hover,.qs details[open]>summary{background:var(--raised)}
.qs summary:focus-visible{outline-offset:-2px}
.qs .outcome{display:inline-flex;gap:8px;align-items:baseline;font-weight:600}
.qs .outcome .icon{align-self:center}
.qs .change{font-weight:600;white-space:nowrap}
.qs .reason{unicode-bidi:isolate}
.qs .trail{padding:4px 14px 16px;display:grid;gap:14px;background:var(--raised)}
.qs .trail h3{font-size:12px;margin:0 0 4px;color:var(--muted);font-weight:600}
.qs .facts{display:flex;flex-wrap:wrap;gap:2px 18px;margin:0;padding:0;list-style:none}
.qs .scroll{overflow-x:auto}
.qs table{border-collapse:collapse;width:100%;font-size:13px}
.qs th{text-align:left;color:var(--muted);font-weight:500;font-size:12px}
.qs th,.qs td{padding:4px 18px 4px 0;border-bottom:1px solid var(--rule);vertical-align:top;
white-space:nowrap;background:none}
.qs td{color:var(--text)}.qs tr:last-child td{border-bottom:0}
.qs td.why{unicode-bidi:isolate;white-space:normal;width:100%;min-width:180px}
.qs .pager{display:flex;gap:10px;align-items:center;margin-top:12px}
.qs .empty{padding:22px 14px;color:var(--muted)}
.qs form{display:flex;flex-wrap:wrap;gap:8px;align-items:center;margin:0 0 12px}
.qs input{font:inherit;color:inherit;background:var(--ground);border:1px solid var(--muted);border-radius:6px;padding:4px 8px}
.qs .hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media(max-width:640px){.qs{padding:14px}
.qs summary{grid-template-columns:auto 1fr auto}.qs summary .reason{grid-column:1/-1}
.qs .figure dd{font-size:19px}.qs .figures{grid-template-columns:1fr 1fr}}
"""
