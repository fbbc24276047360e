"""How the page looks: no font and no picture comes from elsewhere."""

STYLE = """
:root{color-scheme:light dark;--soft:light-dark(#f5f6f8,#23262b);--line:light-dark(#d9dce1,#3b4048);
--faint:light-dark(#5d6673,#9aa4b2);--green:#2e9e5b;--yellow:#c98a00;--red:#cf3a3a;--cyan:#1f8fa6;--grey:#8a93a0}
body{font:14px/1.5 system-ui,sans-serif;max-width:1000px;margin:0 auto;padding:24px 16px}
h1{font-size:22px;margin:0 0 8px}h2{font-size:17px;margin:32px 0 8px;border-bottom:1px solid var(--line)}
h3{font-size:14px;margin:20px 0 2px}small,footer,.why,.note{color:var(--faint);font-size:13px;font-weight:normal}
p{margin:2px 0 6px}footer{margin-top:40px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0}dt{color:var(--faint)}dd{margin:0}
pre{font:12.5px/1.45 ui-monospace,monospace;margin:4px 0;padding:8px 10px;overflow-x:auto;white-space:pre-wrap;
overflow-wrap:anywhere;max-height:420px;overflow-y:auto}
.code{background:var(--soft);border-left:3px solid var(--line)}.stderr{color:var(--red)}
.bar{height:3px;background:var(--yellow);margin:0 0 4px}
table{border-collapse:collapse;font-size:13px;margin:4px 0}th{text-align:left;color:var(--faint);font-weight:normal}
td,th{padding:2px 14px 2px 0;vertical-align:top;overflow-wrap:anywhere}
.part>table{display:block;overflow-x:auto}
details{margin:4px 0;font-size:13px}summary{cursor:pointer;color:var(--faint)}
iframe{border:1px solid var(--line);width:100%;resize:vertical;overflow:auto;background:#fff;color-scheme:light}
img{max-width:100%;background:#fff}
.badge{font-size:12px;border-radius:3px;padding:1px 6px;color:#fff;background:var(--grey)}
.badge.restored,.badge.done{background:var(--green)}.badge.executed{background:var(--yellow)}
.badge.failed{background:var(--red)}.badge.rebuilt{background:var(--cyan)}
svg{max-width:100%;height:auto;font:12px ui-monospace,monospace}svg text{fill:currentColor}
.arc{fill:none;stroke:var(--grey);stroke-width:1.2;opacity:.55}.arc:hover{stroke:var(--red);opacity:1;stroke-width:2}
.dot{fill:var(--grey)}.dot.restored{fill:var(--green)}.dot.executed{fill:var(--yellow)}.dot.failed{fill:var(--red)}
.dot.rebuilt{fill:var(--cyan)}a{color:inherit;text-decoration:none}
"""
