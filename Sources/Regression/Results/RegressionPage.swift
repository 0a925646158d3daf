import Foundation

/// A fit as one HTML page that opens without a network: the data with the curve's band, the formulas and the terms'
/// probabilities, at a λ that is chosen there.
public enum RegressionPage {
    public static func html(_ fit: RegressionFit, lambda: Double, title: String) throws -> String {
        let family = RegressionFamily(terms: fit.terms), lambdas = stride(from: 0.0, through: 4, by: 0.25).map { $0 }
        // A fifth of the range more beyond the last: what the formulas say where nothing was observed.
        let series = fit.file.series, low = series.x.first!, high = series.x.last!, width = high - low
        let places = (0...100).map { low + width * 1.2 * Double($0) / 100 }
        let band = CurveBand(fit, family, at: places, lambdas: lambdas + [lambda])
        struct Shown: Encodable { var f: String, l: Double, k: Int, z: [Int], n: Int, m: [Double]?, v: [Double]? }
        /// A structure that is not listed: its k, how often the sampler visited it, its terms and noise.
        struct Other: Encodable { var k: Int, c: Int, z: [Int], n: Int }
        struct Data: Encodable {
            var lambda: Double, x: [Double], y: [Double], grid: [Double], terms: [String], noises: [String]
            var entries: [Shown], names: [String], listed: [[Int]], others: [Other], at: Double
        }
        let f = fit.file, top = fit.entries.map(\.logEvidence).max()!
        func round(_ v: Double) -> Double { Double(String(format: "%.6g", v)) ?? 0 }
        func place(_ x: Double) -> Double { round(f.x0 + f.xUnit * x / 10) }
        let shown = fit.entries.indices.map { i -> Shown in
            let e = fit.entries[i], j = band.entries.firstIndex(of: i)
            return Shown(
                f: fit.formula(family, e), l: round(e.logEvidence - top), k: e.parameters,
                z: family.active(e.structure),
                n: family.noiseIndex(e.structure), m: j.map { band.means[$0].map { round(f.y0 + f.yUnit * $0) } },
                v: j.map { band.variances[$0].map { round(f.yUnit * f.yUnit * $0) } })
        }
        let data = Data(
            lambda: lambda, x: f.x.map(round), y: f.y.map(round), grid: places.map(place),
            terms: family.terms.map { "\($0.name): \($0.general)" },
            noises: family.noises.map { "noise \($0.words)" }, entries: shown, names: [f.names.x, f.names.y],
            listed: (fit.coverage?.listed ?? [:]).sorted { $0.key < $1.key }.map { [$0.key, $0.value] },
            others: (fit.coverage?.others ?? []).map {
                Other(
                    k: $0.parameters, c: $0.count, z: family.active($0.structure),
                    n: family.noiseIndex($0.structure))
            }, at: fit.coverage?.lambda ?? fit.searchLambda)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        // Nothing of the data can end the script.
        let json = String(decoding: try encoder.encode(data), as: UTF8.self).replacingOccurrences(
            of: "<", with: "\\u003c")
        let scale =
            "x′ = 10 (\(f.names.x) − \(number(f.x0))) / \(number(f.xUnit)), "
            + "y′ = (\(f.names.y) − \(number(f.y0))) / \(number(f.yUnit))"
        return template.replacingOccurrences(of: "@TITLE@", with: escape(title))
            .replacingOccurrences(of: "@SCALE@", with: escape(scale)).replacingOccurrences(of: "@DATA@", with: json)
    }

    static func number(_ x: Double) -> String { String(format: "%.6g", x) }

    static func escape(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: ">", with: "&gt;").replacingOccurrences(of: "\"", with: "&quot;")
    }

    private static let template = #"""
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><title>@TITLE@</title>
        <style>
        body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
        table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.15rem .5rem;vertical-align:top}
        td.n,th.n{text-align:right;white-space:nowrap}tr:nth-child(even){background:#f4f4f4}
        code{font-size:13px}svg{width:100%;height:auto}.bar{background:#4477aa;height:.7rem;display:inline-block}
        input{width:20rem;max-width:60%}
        </style></head><body>
        <h1>@TITLE@</h1>
        <p><label>λ = <output id="value"></output> <input id="lambda" type="range" min="0" max="4" step="0.05"></label>
        nats a parameter: larger means plainer formulas.</p>
        <svg id="plot" viewBox="0 0 800 382" role="img" aria-label="data and predicted curve"></svg>
        <p>Points: data. Line and band: mean of the curve over formulas and their numbers, ± 1.64 standard deviations
        (without the scatter of single observations); right of the data, what the formulas say beyond them.</p>
        <h2>Formulas</h2><p>In x′ and y′: <code>@SCALE@</code>. <span id="share"></span></p>
        <table id="formulas"></table>
        <h2>Terms</h2><table id="terms"></table>
        <script id="data" type="application/json">@DATA@</script>
        <script>
        const d=JSON.parse(document.getElementById("data").textContent),$=i=>document.getElementById(i);
        const text=s=>{const e=document.createElement("span");e.textContent=s;return e.innerHTML};
        function draw(){
          const l=+$("lambda").value;$("value").textContent=l.toFixed(2);
          const logs=d.entries.map(e=>e.l-l*e.k),top=Math.max(...logs),w=logs.map(v=>Math.exp(v-top));
          const sum=w.reduce((a,b)=>a+b,0),more=k=>Math.exp((d.at-l)*k);
          const inside=d.listed.reduce((a,v)=>a+v[1]*more(v[0]),0),outside=d.others.reduce((a,o)=>a+o.c*more(o.k),0);
          const visits=d.listed.reduce((a,v)=>a+v[1],0)+d.others.reduce((a,o)=>a+o.c,0);
          const share=!visits?1:inside?inside/(inside+outside):.5/visits,p=w.map(v=>v/sum*share);
          $("share").textContent=visits?"Those listed hold "+(100*share).toFixed(0)+" % of the probability at this λ, "+
            "by the visits of a sampler; terms count the rest too.":"";
          const order=p.map((v,i)=>i).sort((a,b)=>p[b]-p[a]);
          $("formulas").innerHTML="<tr><th class=n>probability<th>y′ =<th>noise<th class=n>k</tr>"+
            order.slice(0,20).map(i=>
            "<tr><td class=n>"+p[i].toFixed(3)+"<td><code>"+text(d.entries[i].f)+
            "</code><td>"+text(d.noises[d.entries[i].n])+
            "<td class=n>"+d.entries[i].k+"</tr>").join("");
          const t=d.terms.map(()=>0),n=d.noises.map(()=>0);
          d.entries.forEach((e,i)=>{e.z.forEach(j=>t[j]+=p[i]);n[e.n]+=p[i]});
          d.others.forEach(o=>{const q=(1-share)*o.c*more(o.k)/outside;o.z.forEach(j=>t[j]+=q);n[o.n]+=q});
          const rows=t.map((v,j)=>[v,d.terms[j]]).sort((a,b)=>b[0]-a[0]).concat(n.map((v,j)=>[v,d.noises[j]]));
          $("terms").innerHTML=rows.filter(r=>r[0]>=.005).map(r=>"<tr><td class=n>"+r[0].toFixed(3)+
            "<td style='width:30%'><span class=bar style='width:"+(100*r[0]).toFixed(1)+"%'></span><td>"+
            text(r[1])+"</tr>").join("");
          let m=d.grid.map(()=>0),q=d.grid.map(()=>0),all=0;
          d.entries.forEach((e,i)=>{if(e.m){all+=p[i];e.m.forEach((v,j)=>{m[j]+=p[i]*v;q[j]+=p[i]*(e.v[j]+v*v)})}});
          m=m.map(v=>v/all);const s=q.map((v,j)=>Math.sqrt(Math.max(0,v/all-m[j]*m[j])));
          const lo=m.map((v,j)=>v-1.645*s[j]),hi=m.map((v,j)=>v+1.645*s[j]);
          const span=Math.max(...d.y)-Math.min(...d.y)||1;
          const y0=Math.max(Math.min(...d.y,...lo),Math.min(...d.y)-span)-.03*span;
          const y1=Math.min(Math.max(...d.y,...hi),Math.max(...d.y)+span)+.03*span;
          const x0=d.grid[0],x1=d.grid[d.grid.length-1];
          const X=v=>64+716*(v-x0)/(x1-x0),Y=v=>340-320*(Math.min(y1,Math.max(y0,v))-y0)/(y1-y0);
          const path=(a,g)=>g.map((v,j)=>(j?"L":"M")+X(v).toFixed(1)+" "+Y(a[j]).toFixed(1)).join("");
          const back=d.grid.slice().reverse();
          let svg="<path fill='#88bbdd' fill-opacity='.5' d='"+path(hi,d.grid)+
            path(lo.slice().reverse(),back).replace("M","L")+"Z'/>"+
            "<path fill=none stroke='#225588' stroke-width=2 d='"+path(m,d.grid)+"'/>"+
            d.x.map((v,i)=>"<circle cx="+X(v).toFixed(1)+" cy="+Y(d.y[i]).toFixed(1)+
            " r=3 fill='#222' fill-opacity='.7'/>").join("")+
            "<path fill=none stroke='#666' d='M60 10V340H785'/>";
          // Round numbers, a seventh of the range apart or more.
          const ticks=(a,b)=>{const raw=(b-a)/7,unit=10**Math.floor(Math.log10(raw)),
            step=unit*[1,2,5,10].find(f=>f*unit>=raw),list=[];
            for(let v=Math.ceil(a/step);v<=Math.floor(b/step+1e-9);v++)list.push(+(v*step).toPrecision(12));
            return list};
          for(const x of ticks(x0,x1))
            svg+="<path stroke='#666' d='M"+X(x).toFixed(1)+" 340v4'/><text font-size=12 text-anchor=middle x="+
            X(x).toFixed(1)+" y=358>"+x+"</text>";
          for(const y of ticks(y0,y1))
            svg+="<path stroke='#666' d='M56 "+Y(y).toFixed(1)+"h4'/><text font-size=12 text-anchor=end x=53 y="+
            (Y(y)+4).toFixed(1)+">"+y+"</text>";
          svg+="<text font-size=13 text-anchor=middle x=420 y=376>"+text(d.names[0])+
            "</text><text font-size=13 text-anchor=middle transform='translate(12 180) rotate(-90)'>"+
            text(d.names[1])+"</text>";
          $("plot").innerHTML=svg;
        }
        $("lambda").value=d.lambda;$("lambda").addEventListener("input",draw);draw();
        </script></body></html>

        """#
}
