import Diffusion
import Foundation
import Inference
import Reporting
import TestFixtures
import Testing
import Volumes

/// Whether a number of the page's text is none.
private func hasBadNumber(_ html: String) -> Bool {
    let text = html.components(separatedBy: "id=\"data\">")[0]
    return text.range(of: "(^|[\\s>:(−-])(nan|inf)\\b", options: .regularExpression) != nil
}

struct ReportTests {
    /// The usual four affines and one whose axes are permuted: i upwards, j to the left, k to the front.
    static let affines =
        BundlePhantom.affines.map(\.affine) + [Affine(rows: [0, -2.2, 0, 36, 0, 0, 2.5, -31, 2, 0, 0, -35])]

    @Test func hostileTextIsHarmless() throws {
        let phantom = BundlePhantom(BundlePhantom.affines[0].affine, drawCount: 3),
            folder = try OutputFolder("report-hostile")
        let summary = PosteriorSummary(try phantom.write(to: folder.path), lambda: 0.5, threads: 2)
        // Swift takes a combining mark, or U+0600 and what follows it, as one character with the sign; a browser does
        // not.
        let bad = [
            "<script>alert(1)</script>", "\"\u{301} onmouseover='x' ", "'><img src=x onerror=alert(2)>", "\u{600}<b>",
            "{{css}}", "\u{202E}gnp",
        ].joined()
        let page = try ReportPage(summary, phantom) {
            ($0.commandLine, $0.sourceStem, $0.warnings, $0.inputs) = (["prism-dmri", bad], bad, [bad], ["dwi": bad])
            ($0.networkName, $0.version, $0.startedAt, $0.family, $0.timings) = (bad, bad, bad, bad, [bad: 1])
            ($0.counts.flagged, $0.sources, $0.networkSHA256) = ([bad: 2], [bad], bad)
        }
        let scalars = Array(page.html.unicodeScalars)
        func count(_ text: String) -> Int {
            let wanted = Array(text.unicodeScalars)
            return scalars.indices.count {
                $0 + wanted.count <= scalars.count && scalars[$0] == wanted[0]
                    && Array(scalars[$0..<($0 + wanted.count)]) == wanted
            }
        }
        #expect(count("<script") == 2 && count("</script") == 2, "the data and the script, nothing else")
        for text in ["<img", "<b>\u{fffd}", "\u{600}<b", "\" onmouse", "\"\u{301}", "\u{202E}"] {
            #expect(count(text) == 0, "\(text)")
        }
        #expect(count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 8 && count("{{css}}") >= 5)
    }

    @Test func pageStandsAlone() throws {
        let phantom = BundlePhantom(BundlePhantom.affines[0].affine, drawCount: 3),
            folder = try OutputFolder("report-alone")
        let summary = PosteriorSummary(try phantom.write(to: folder.path), lambda: 0.5, threads: 2),
            html = try ReportPage(summary, phantom).html
        #expect(html.contains("default-src 'none'"))
        for load in [
            "<link", "<iframe", "<object", "<embed", "@import", "url(", "fetch(", "XMLHttpRequest", "import(",
            "WebSocket", "sendBeacon", " src=", "srcset=",
        ] {
            #expect(!html.contains(load), "\(load)")
        }
        // Addresses stand in links to cited works and in the name of SVG, which is no place to load from.
        let bare = html.replacingOccurrences(
            of: "<a href=\"[^\"]*\"[^>]*>[^<]*</a>", with: "", options: .regularExpression
        )
        .replacingOccurrences(of: "\"http://www.w3.org/2000/svg\"", with: "")
        #expect(!bare.contains("http:") && !bare.contains("https:"))
        let page = try ReportPage(html), places = page.slices.reduce(0) { $0 + $1.int("columns") * $1.int("rows") }
        let fixed = try #require(html.range(of: "id=\"data\">")).lowerBound
        let bytes = html[fixed...].utf8.count
        // 50 bytes a place: 2 MB for the three slices of a head of 128 × 128 × 78 voxels.
        #expect(bytes - 60_000 < 50 * places && html.utf8.count < 1_000_000)
        for words in ["Gloeckler", "Behrens", "Jbabdi", "λ = 0.5", "a &quot;quoted&quot; name.nii.gz"] {
            #expect(html.contains(words), "\(words)")
        }
        #expect(!html.contains("{{") && !html.contains("Optional(") && !hasBadNumber(html))
    }

    /// What the slider computes is what the summary says at that λ.
    @Test(arguments: [0, 0.5, 1.5, 3]) func sliderArithmetic(lambda: Double) throws {
        let phantom = BundlePhantom(BundlePhantom.affines[3].affine, drawCount: 3),
            folder = try OutputFolder("report-slider")
        let archive = try phantom.write(to: folder.path)
        let page = try ReportPage(PosteriorSummary(archive, lambda: 0.5, threads: 2), phantom),
            there = PosteriorSummary(archive, lambda: lambda, threads: 2)
        let groups = try #require(page.data["groups"] as? [[String: Any]]),
            k = groups.map { ($0["k"] as! NSNumber).doubleValue }
        let step = try #require(page.data["logStep"] as? Double)
        #expect(groups.count == 8 && k == [0, 1, 3, 4, 6, 7, 9, 10])
        // Structures 2g and 2g + 1 differ in their noise alone.
        let expected = (0..<8).map { g in
            zip(there.column(.structure(2 * g)), there.column(.structure(2 * g + 1))).map { Double($0 + $1) }
        }
        let ranks = Dictionary(uniqueKeysWithValues: there.voxels.enumerated().map { ($1, $0) })
        var checked = 0
        for slice in page.slices {
            for (v, voxel) in slice.voxels(phantom.geometry.spatialShape).enumerated() where v % 7 == 0 {
                let p = slice.probabilities(v, k: k, step: step, shift: lambda - 0.5), rank = try #require(ranks[voxel])
                for g in 0..<8 { #expect(abs(p[g] - expected[g][rank]) < 0.002) }
                checked += 1
            }
        }
        #expect(checked > 300)
        let sweep = try #require(page.data["sweep"] as? [[String: Any]])
        let at = try #require(sweep.first { abs(($0["lambda"] as! NSNumber).doubleValue - lambda) < 1e-9 })
        let mean = (at["mean"] as! [NSNumber]).map(\.doubleValue),
            called = (at["fibres"] as! [NSNumber]).map(\.doubleValue)
        let fitted = (0..<there.count).filter(there.isFitted), likeliest = there.column(.likeliestFibreCount)
        for g in 0..<8 {
            #expect(abs(mean[g] - fitted.reduce(0) { $0 + expected[g][$1] } / Double(fitted.count)) < 1e-4)
        }
        for n in 0...3 {
            #expect(
                abs(
                    called[n] - Double(fitted.count { Int(likeliest[likeliest.startIndex + $0]) == n })
                        / Double(fitted.count)) < 1e-4)
        }
    }

    /// Left is left, front is front, and sticks point where the fibres do, however the image is stored.
    @Test(arguments: 0..<5) func sidesAndDirections(kind: Int) throws {
        let phantom = BundlePhantom(Self.affines[kind], drawCount: 3), folder = try OutputFolder("report-sides"),
            shape = phantom.geometry.spatialShape
        let summary = PosteriorSummary(try phantom.write(to: folder.path), lambda: 0.5, threads: 2),
            page = try ReportPage(summary, phantom)
        #expect(page.slices.map { $0.fields["plane"] as? String } == ["Axial", "Coronal", "Sagittal"])
        let ranks = Dictionary(uniqueKeysWithValues: summary.voxels.enumerated().map { ($1, $0) }),
            turn = page.numbers("toScanner")
        let letters: [String: (axis: Int, sign: Double)] = [
            "L": (0, -1), "R": (0, 1), "P": (1, -1), "A": (1, 1), "I": (2, -1), "S": (2, 1),
        ]
        var sticks = 0
        for slice in page.slices {
            let step = { (key: String) in
                (0..<3).reduce(SIMD3<Double>()) {
                    $0 + phantom.geometry.affine.column($1) * Double(slice.ints(key)[$1])
                }
            }
            let across = step("acrossStep"), down = step("downStep"), labels = slice.labels
            for (label, way) in [(labels[1], across), (labels[0], -across), (labels[3], down), (labels[2], -down)] {
                let (axis, sign) = try #require(letters[label]), length = (way * way).sum().squareRoot()
                #expect(way[axis] * sign > 0.8 * length, "\(label)")
            }
            let voxels = slice.voxels(shape), bytes = slice.bytes("sticks")
            for (v, voxel) in voxels.enumerated() {
                let rank = try #require(ranks[voxel])
                for fibre in 0..<2 {
                    let b = (fibre * voxels.count + v) * 4
                    guard bytes[b + 3] > 0 else { continue }
                    let d = (0..<3).map { Double(Int8(bitPattern: bytes[b + $0])) / 127 }
                    let world = SIMD3(
                        (0..<3).map { turn[3 * $0] * d[0] + turn[3 * $0 + 1] * d[1] + turn[3 * $0 + 2] * d[2] })
                    let truth = SIMD3(
                        (0..<3).map { a in
                            let column = summary.column(.direction(fibre, axis: a))
                            return Double(column[column.startIndex + rank])
                        })
                    // Components to 1/254 each: 0.4° at most.
                    #expect(abs((world * truth).sum()) / (world * world).sum().squareRoot() > 0.9999)
                    sticks += 1
                }
            }
        }
        #expect(sticks > 20)
    }

    @Test func thinVolumesShowTheirWidePlane() throws {
        let folder = try OutputFolder("report-thin"), shape = [20, 24, 2]
        let geometry = VolumeGeometry(shape: shape, affine: Affine(rows: [-2, 0, 0, 20, 0, 2, 0, -20, 0, 0, 3, 0]))
        let metadata = PosteriorMetadata(
            family: BallSticks.family, drawLambda: 0.5, referenceLambda: 0.5, drawCount: 2, grid: shape, seed: 1,
            shardCount: 1, voxelCount: 960)
        var batch = DenseBatch(voxels: (0..<960).map(Int32.init), drawCount: 2)
        batch.quality = batch.quality.map { _ in 0 }
        try PosteriorShard.write(batch.lists(metadata), metadata: metadata, index: 0, first: 0, directory: folder.path)
        let summary = PosteriorSummary(try PosteriorArchive(directory: folder.path), lambda: 0.5, threads: 1)
        let html = try Report.html(summary, geometry: geometry, provenance: BundlePhantom(geometry.affine).provenance())
        #expect(try ReportPage(html).slices.map { $0.fields["plane"] as? String } == ["Axial", "Axial"])
        // Nor is a fit in which every voxel was skipped any trouble.
        batch.quality = batch.quality.map { _ in VoxelQuality.notFitted.rawValue }
        try PosteriorShard.write(batch.lists(metadata), metadata: metadata, index: 0, first: 0, directory: folder.path)
        let nothing = PosteriorSummary(try PosteriorArchive(directory: folder.path), lambda: 0.5, threads: 1)
        #expect(
            try !hasBadNumber(
                Report.html(nothing, geometry: geometry, provenance: BundlePhantom(geometry.affine).provenance())))
    }

    @Test func wholeBrainStaysSmall() throws {
        let folder = try OutputFolder("report-brain"), shape = [128, 128, 78]
        let geometry = VolumeGeometry(
            shape: shape, affine: Affine(rows: [-1.8, 0, 0, 115, 0, 1.8, 0, -115, 0, 0, 1.8, -70]))
        let voxels = (0..<geometry.voxelsPerVolume).filter { v in
            let x = Double(v % 128) - 63.5, y = Double(v / 128 % 128) - 63.5, z = Double(v / 16384) - 38.5
            return x * x / (38 * 38) + y * y / (47 * 47) + z * z / (31.5 * 31.5) < 1
        }
        let metadata = PosteriorMetadata(
            family: BallSticks.family, drawLambda: 0.5, referenceLambda: 0.5, drawCount: 1, grid: shape, seed: 1,
            shardCount: 1,
            voxelCount: voxels.count)
        var batch = DenseBatch(voxels: voxels.map(Int32.init), drawCount: 1)
        batch.quality = batch.quality.map { _ in 0 }
        // Numbers without pattern, which is the worst case; but nothing here is compressed anyway.
        for i in batch.logProbability.indices {
            batch.logProbability[i] = -Float((i &* 2_654_435_761) >> 8 & 1023) / 64
        }
        try PosteriorShard.write(batch.lists(metadata), metadata: metadata, index: 0, first: 0, directory: folder.path)
        let summary = PosteriorSummary(try PosteriorArchive(directory: folder.path), lambda: 0.5, threads: 2),
            clock = ContinuousClock()
        var html = ""
        let time = try clock.measure {
            html = try Report.html(
                summary, geometry: geometry, provenance: BundlePhantom(geometry.affine).provenance(), threads: 2)
        }
        print("whole brain: \(voxels.count) voxels, page of \(html.utf8.count) bytes in \(time)")
        #expect(voxels.count > 230_000 && html.utf8.count < 2_500_000)
    }

    @Test(.enabled(if: Browser.path != nil, "no chromium on this machine: the page's scripts are not run"))
    func browser() throws {
        let phantom = BundlePhantom(Self.affines[4], drawCount: 3), folder = try OutputFolder("report-browser"),
            lambda = 1.5
        let archive = try phantom.write(to: folder.path)
        let here = PosteriorSummary(archive, lambda: 0.5, threads: 2),
            there = PosteriorSummary(archive, lambda: lambda, threads: 2)
        try Report.write(
            here, geometry: phantom.geometry, provenance: phantom.provenance(), to: folder.path + "/report.html",
            threads: 2)
        let (dom, console) = try Browser.dump("file://\(folder.path)/report.html#lambda=\(lambda)", folder: folder.path)
        #expect(console.isEmpty, "\(console)")
        func matches(_ pattern: String) throws -> [[String]] {
            let expression = try NSRegularExpression(pattern: pattern)
            return expression.matches(in: dom, range: NSRange(dom.startIndex..., in: dom)).map { match in
                (1..<match.numberOfRanges).map { String(dom[Range(match.range(at: $0), in: dom)!]) }
            }
        }
        let cells = try matches("<td class=\"n mean\"[^>]*>(?:&lt; )?([0-9.]+)&nbsp;%</td>").map {
            Double($0[0])! / 100
        }
        let fitted = (0..<there.count).filter(there.isFitted)
        #expect(cells.count == 8)
        for (g, value) in cells.enumerated() {
            let a = there.column(.structure(2 * g)), b = there.column(.structure(2 * g + 1))
            let mean =
                fitted.reduce(0.0) { $0 + Double(a[a.startIndex + $1] + b[b.startIndex + $1]) } / Double(fitted.count)
            #expect(abs(value - mean) < 0.0055)
        }
        // A picture's words tell the mean of what it shows.
        let page = try ReportPage(String(contentsOfFile: folder.path + "/report.html", encoding: .utf8))
        let means = try matches(
            "aria-label=\"([A-Z][a-z]+) slice at [^\"]*λ = 1.50: probability of 2 fibres, mean ([0-9.]+)\"")
        #expect(means.count == page.slices.count)
        let ranks = Dictionary(uniqueKeysWithValues: there.voxels.enumerated().map { ($1, $0) }),
            two = there.column(.fibreCount(2))
        for (slice, words) in zip(page.slices, means) {
            let voxels = slice.voxels(phantom.geometry.spatialShape)
            let mean = voxels.reduce(0.0) { $0 + Double(two[two.startIndex + ranks[$1]!]) } / Double(voxels.count)
            #expect(words[0] == slice.fields["plane"] as? String && abs(Double(words[1])! - mean) < 0.001)
        }
        #expect(dom.contains("id=\"lambda-value\" for=\"lambda\">1.50<"))
    }
}
