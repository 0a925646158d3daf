extension ValidationPage {
    /// The page's style sheet: one column on a phone, light or dark as the reader's system asks, ink-saving in print.
    static let style = """
        :root { color-scheme: light dark; --paper: #f6f6f3; --card: #fff; --ink: #1c2026; --soft: #565d68; --line: \
        #dfdfd9; --accent: #0a6570;
          --band: #d5e6e6; --bad: #b3401a; --l0: #9fc6c9; --l1: #5aa0a6; --l2: #1d7580; --l3: #0b3f47; }
        @media (prefers-color-scheme: dark) { :root { --paper: #14161a; --card: #1c1f25; --ink: #e9eaec; --soft: \
        #a7adb8; --line: #31353d; --accent: #66c6cd;
          --band: #24464b; --bad: #ff9068; --l0: #3c6a70; --l1: #4d989f; --l2: #7fd0d6; --l3: #d9f4f5; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, \
        "Segoe UI", Roboto, sans-serif; }
        main { max-width: 1060px; margin: 0 auto; padding: 2rem 1rem 4rem; }
        header p { margin: .2rem 0; color: var(--soft); max-width: 44rem; }
        h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.01em; }
        h2 { font-size: 1.2rem; margin: 2.6rem 0 .3rem; }
        h2 + p, .lead { color: var(--soft); margin: 0 0 1rem; max-width: 46rem; }
        h3 { font-size: .95rem; margin: 0 0 .4rem; font-weight: 600; }
        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .8rem; margin-top: \
        1.4rem; }
        .card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: .9rem 1rem; \
        min-width: 0; }
        .tile b { display: block; font-size: 1.55rem; line-height: 1.25; font-weight: 650; font-variant-numeric: \
        tabular-nums; }
        .tile span { color: var(--soft); font-size: .85rem; display: block; line-height: 1.35; }
        .tile.bad b, .bad { color: var(--bad); }
        .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: .9rem; \
        align-items: start; margin-bottom: .9rem; }
        .ranks { display: grid; grid-template-columns: repeat(auto-fill, minmax(145px, 1fr)); gap: .7rem; \
        margin-bottom: 1.1rem; }
        .ranks .card { padding: .55rem .65rem; display: flex; flex-direction: column; justify-content: space-between; }
        .ranks h4 { font-size: .8rem; margin: 0; font-weight: 600; line-height: 1.3; }
        .ranks p { font-size: .75rem; color: var(--soft); margin: 0 0 .3rem; font-variant-numeric: tabular-nums; }
        .ranks p.bad { color: var(--bad); font-weight: 600; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
        th, td { text-align: right; padding: .34rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
        th:first-child, td:first-child { text-align: left; white-space: normal; padding-left: 0; }
        th { color: var(--soft); font-weight: 600; }
        tr:last-child td { border-bottom: 0; }
        svg { display: block; width: 100%; height: auto; font: 10.5px system-ui, -apple-system, "Segoe UI", Roboto, \
        sans-serif; }
        svg.wide { max-width: 640px; }
        svg text { fill: var(--soft); }
        svg text.title, svg text.label { fill: var(--ink); }
        .bar { fill: var(--accent); } .band { fill: var(--band); } .point { fill: var(--accent); } .cloud { fill: \
        var(--accent); fill-opacity: .35; }
        .level0 { fill: var(--l0); } .level1 { fill: var(--l1); } .level2 { fill: var(--l2); } .level3 { fill: \
        var(--l3); }
        .edge { stroke: var(--soft); stroke-opacity: .55; stroke-width: .8; }
        .axis { stroke: var(--soft); } .grid { stroke: var(--line); } .error { stroke: var(--soft); stroke-opacity: \
        .7; }
        .target { stroke: var(--bad); stroke-dasharray: 4 3; } .curve { fill: none; stroke: var(--accent); \
        stroke-width: 1.6; }
        .key { display: flex; flex-wrap: wrap; gap: .3rem 1rem; font-size: .8rem; color: var(--soft); margin-bottom: \
        .5rem; }
        .key i { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; margin-right: .35rem; }
        .two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); gap: .9rem; }
        .pair > :only-child { max-width: 560px; }
        code { font-size: .82rem; overflow-wrap: anywhere; }
        footer { color: var(--soft); font-size: .85rem; margin-top: 2.5rem; }
        @media (max-width: 480px) { main { padding-top: 1.2rem; } h1 { font-size: 1.55rem; } table { font-size: \
        .78rem; } th, td { padding: .3rem .25rem; white-space: normal; } .card { padding: .75rem .8rem; } }
        @media print { :root { --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #ccc; } body { \
        font-size: 11pt; } main { padding: 0; max-width: none; }
          .card, .pair { break-inside: avoid; } h2 { break-after: avoid; } * { print-color-adjust: exact; \
        -webkit-print-color-adjust: exact; } }
        """
}
