"""How the page looks, on a screen and on paper."""

STYLE = """
:root { color: #1d2733; background: #f3f5f7; font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
* { box-sizing: border-box; } body { margin: 0; }
main { max-width: 1060px; margin: 0 auto; padding: 28px 20px 60px; }
header h1 { font-size: 27px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -.01em; } header p { margin: 0; color: #55606d; }
.badges { display: flex; flex-wrap: wrap; gap: 8px; margin: 14px 0 0; padding: 0; list-style: none; }
.badges li { padding: 3px 11px; border-radius: 99px; font-size: 13px; font-weight: 600; background: #e2e7ec; }
.badges .good { background: #d5eee4; color: #06553d; } .badges .bad { background: #fbdcc8; color: #7d2f00; }
section { background: #fff; border: 1px solid #dfe4e9; border-radius: 10px; padding: 18px 20px 16px; margin-top: 18px;
  break-inside: avoid; }
h2 { font-size: 16px; margin: 0 0 8px; } h2 small { font-weight: 400; color: #64707d; margin-left: 8px; font-size: 13px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-top: 18px; }
.facts div { background: #fff; border: 1px solid #dfe4e9; border-radius: 10px; padding: 12px 14px; break-inside: avoid; }
.facts dt { color: #55606d; font-size: 13px; } .facts dd { margin: 0; font-size: 25px; font-weight: 650;
  font-variant-numeric: tabular-nums; letter-spacing: -.01em; } .facts p { margin: 2px 0 0; color: #64707d; font-size: 12.5px; line-height: 1.35; }
ul.remarks { margin: 0; padding-left: 20px; } ul.remarks li { margin: 3px 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { text-align: right; padding: 5px 9px; border-bottom: 1px solid #e6e9ed; white-space: nowrap; }
th { color: #55606d; font-weight: 600; font-size: 13px; } thead th { white-space: normal; vertical-align: bottom; line-height: 1.3; } th:first-child, td:first-child, th.words, td.words { text-align: left; }
tr.baseline td { color: #55606d; } tr:last-child td { border-bottom: 0; } .scroll { overflow-x: auto; }
table.months td { text-align: center; padding: 5px 3px; border: 2px solid #fff; border-radius: 4px; font-size: 13px; } table.months th { text-align: center; }
table.months td.year, table.months th:first-child { font-weight: 650; }
svg { display: block; width: 100%; height: auto; font: 11.5px system-ui, sans-serif; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 6px; padding: 0; list-style: none; font-size: 13px; }
.legend i { display: inline-block; width: 18px; height: 3px; border-radius: 2px; vertical-align: middle; margin-right: 7px; }
.boxes i { height: 11px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 18px; } .empty { color: #64707d; margin: 6px 0 2px; }
details summary { cursor: pointer; font-weight: 600; } pre { overflow-x: auto; font-size: 12.5px; line-height: 1.45;
  background: #f6f8fa; border-radius: 8px; padding: 12px; margin: 10px 0 0; }
dl.glossary { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; font-size: 14px; }
.glossary dt { font-weight: 600; } .glossary dd { margin: 0; color: #55606d; }
footer { color: #64707d; font-size: 13px; margin-top: 18px; }
@media (max-width: 720px) { .pair, dl.glossary { grid-template-columns: 1fr; } .glossary dd { margin-bottom: 6px; }
  main { padding: 18px 12px 40px; } header h1 { font-size: 22px; } section { padding: 14px 13px 12px; overflow-x: auto; }
  h2 small { display: block; margin-left: 0; } section > svg { width: 520px; font-size: 15px; }
  .pair section > svg { width: 100%; } thead th { white-space: nowrap; }
  .facts { grid-template-columns: 1fr 1fr; } }
.legend b { margin-right: 6px; font-size: 12px; }
.legend i, .legend b, .badges li, table.months td { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
@media (max-width: 720px) { .scroll :is(th, td):first-child { position: sticky; left: 0; background: #fff; } }
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; color: #e3e8ee; background: #11161c; } pre { background: #11161c; }
  section, .facts div, .scroll :is(th, td):first-child { background: #191f27; border-color: #2a333e; } th, td { border-color: #262f39; }
  header p, .facts dt, th, .glossary dd, tr.baseline td { color: #a9b4c0; } h2 small, .facts p, .empty, footer { color: #93a0ad; }
  .badges li { background: #2a333e; } .badges .good { background: #123b2f; color: #7fdcbc; } .badges .bad { background: #47260f; color: #ffb989; }
  table.months td { border-color: #191f27; }
  svg [fill="#fff"] { fill: #191f27; } svg [stroke="#fff"] { stroke: #191f27; } svg [fill="#64707d"] { fill: #93a0ad; }
  svg [stroke="#e6e9ed"] { stroke: #262f39; } svg [stroke="#c9d0d8"] { stroke: #3a4552; } svg [stroke="#64707d"] { stroke: #93a0ad; }
  svg [stroke="#0072b2"] { stroke: #3d9bdc; } svg [fill="#0072b2"] { fill: #3d9bdc; } svg [fill="#cfe5f2"] { fill: #173a52; }
  svg [fill="#f8dcc6"] { fill: #4a2c17; } svg [stroke="#0f4c75"] { stroke: #c9e6fa; } svg [fill="#0f4c75"] { fill: #c9e6fa; }
  svg [fill="#004d38"] { fill: #8ee8cc; } svg [fill="#c04a94"] { fill: #d96bab; }
  .legend [style*="#0072b2"] { background: #3d9bdc !important; } .legend [style*="#0f4c75"] { background: #c9e6fa !important; }
  .legend [style*="#cfe5f2"] { background: #173a52 !important; }
  .legend [style*="#004d38"] { color: #8ee8cc !important; } .legend [style*="#c04a94"] { color: #d96bab !important; } }
@media print { :root { background: #fff; font-size: 12px; } main { max-width: none; padding: 0; }
  section, .facts div { border-color: #c9d0d8; } section { margin-top: 12px; padding: 12px 14px; }
  section:has(tr:nth-child(16)) { break-inside: auto; } tr { break-inside: avoid; } h2 { break-after: avoid; }
  .facts { grid-template-columns: repeat(3, 1fr); } .facts dd { font-size: 20px; } .scroll { overflow: visible; }
  table, table.months td { font-size: 10.5px; } th { font-size: 10px; } th, td { padding: 3px 5px; } td.words { white-space: normal; }
  dl.glossary { font-size: 11px; } details[open] pre { white-space: pre-wrap; } }
@page { margin: 12mm; }
"""
