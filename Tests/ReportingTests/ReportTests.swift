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
        let archive = try phantom.write(to: folder.path)
        let summary = PosteriorSummary(archive, lambda: 0.5, threads: 2)
        // Swift takes a combining mark, or U+0600 and what follows it, as one character with the sign; a browser does
        // not.
        let bad = [
            "<script>alert(1)</script>", "\"\u{301} onmouseover='x' ", "'><img src=x onerror=alert(2)>", "\u{600}<b>",
            "{{css}}", "\u{202E}gnp",
        ].joined()
        let page = try ReportPage(summary, archive, phantom) {
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
        let archive = try phantom.write(to: folder.path)
        let html = try ReportPage(PosteriorSummary(archive, lambda: 0.5, threads: 2), archive, phantom).html
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
        // 20 bytes a voxel, beside the scripts.
        let count = try ReportPage(html).volume.voxels.count
        #expect(count > 20_000 && html.utf8.count < 160_000 + 20 * count)
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
        let page = try ReportPage(PosteriorSummary(archive, lambda: 0.5, threads: 2), archive, phantom),
            there = PosteriorSummary(archive, lambda: lambda, threads: 2)
        let groups = try #require(page.data["groups"] as? [[String: Any]]),
            k = groups.map { ($0["k"] as! NSNumber).doubleValue }
        #expect(groups.count == 8 && k == [0, 1, 3, 4, 6, 7, 9, 10])
        // Structures 2g and 2g + 1 differ in their noise alone.
        let expected = (0..<8).map { g in
            zip(there.column(.structure(2 * g)), there.column(.structure(2 * g + 1))).map { Double($0 + $1) }
        }
        let ranks = Dictionary(uniqueKeysWithValues: there.voxels.enumerated().map { ($1, $0) })
        var checked = 0
        let volume = try page.volume
        #expect(volume.isFine && volume.steps == [1, 1, 1])
        for (v, voxel) in volume.voxels.enumerated() where v % 41 == 0 {
            let p = volume.probabilities(v, k: k, at: lambda), rank = try #require(ranks[voxel])
            for g in 0..<8 { #expect(abs(p[g] - expected[g][rank]) < 0.002) }
            checked += 1
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

    /// Left is left, front is front, and fibres point where they do, however the image is stored.
    @Test(arguments: 0..<5) func sidesAndDirections(kind: Int) throws {
        let phantom = BundlePhantom(Self.affines[kind], drawCount: 3), folder = try OutputFolder("report-sides")
        let archive = try phantom.write(to: folder.path)
        let summary = PosteriorSummary(archive, lambda: 0.5, threads: 2)
        let volume = try ReportPage(summary, archive, phantom).volume
        let ranks = Dictionary(uniqueKeysWithValues: summary.voxels.enumerated().map { ($1, $0) })
        #expect(Set(volume.voxels) == Set((0..<summary.count).filter(summary.isFitted).map { summary.voxels[$0] }))
        // The display axes grow to the subject's right, front and top.
        let shape = phantom.geometry.spatialShape
        func world(_ p: [Int]) -> SIMD3<Double> {
            let i = volume.index(p)
            return phantom.geometry.affine(
                SIMD3(Double(i % shape[0]), Double(i / shape[0] % shape[1]), Double(i / (shape[0] * shape[1]))))
        }
        for d in 0..<3 {
            var next = [3, 3, 3]
            next[d] += 1
            let way = world(next) - world([3, 3, 3])
            #expect(way[d] > 0.8 * (way * way).sum().squareRoot())
        }
        var fibres = 0
        for (v, voxel) in volume.voxels.enumerated() {
            let rank = try #require(ranks[voxel]), likeliest = summary.column(.likeliestFibreCount)
            let n = Int(likeliest[likeliest.startIndex + rank])
            for (k, fibre) in volume.fibres(v, n).enumerated() {
                let truth = SIMD3(
                    (0..<3).map { a in
                        let column = summary.column(.direction(k, axis: a))
                        return Double(column[column.startIndex + rank])
                    })
                #expect(abs((fibre.axis * truth).sum()) > cos(0.8 * .pi / 180))
                fibres += 1
            }
        }
        #expect(fibres > 800)
    }

    /// Read at other λ the page draws what a summary at that λ has.
    @Test(arguments: [0.3, 0.5, 0.8]) func fibresFollowLambda(lambda: Double) throws {
        let phantom = BundlePhantom(Self.affines[0], drawCount: 12), folder = try OutputFolder("report-fibres")
        let archive = try phantom.write(to: folder.path), there = PosteriorSummary(archive, lambda: lambda, threads: 2)
        let sets = FibreSets(archive, threads: 2), likeliest = there.column(.likeliestFibreCount)
        func value(_ column: SummaryColumn, _ v: Int) -> Float {
            let values = there.column(column)
            return values[values.startIndex + v]
        }
        var checked = 0
        for v in 0..<there.count where there.isFitted(v) {
            let n = Int(likeliest[likeliest.startIndex + v])
            guard n > 0 else { continue }
            let set = Array(sets.fibres(v, given: n))
            #expect(set.count == n)
            // Fibres of nearly equal fractions may stand in either order.
            for fibre in set {
                let near = (0..<n).max { a, b in
                    func cosine(_ k: Int) -> Float {
                        abs((0..<3).reduce(0) { $0 + value(.direction(k, axis: $1), v) * fibre.axis[$1] })
                    }
                    return cosine(a) < cosine(b)
                }!
                let cosine = (0..<3).reduce(Float(0)) { $0 + value(.direction(near, axis: $1), v) * fibre.axis[$1] }
                #expect(
                    abs(cosine) > 0.9995 && abs(value(.statistic(.fraction(near), .mean), v) - fibre.fraction) < 0.02)
            }
            checked += 1
        }
        #expect(checked > 500)
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
        func page() throws -> String {
            let archive = try PosteriorArchive(directory: folder.path)
            return try Report.html(
                PosteriorSummary(archive, lambda: 0.5, threads: 1), archive: archive, geometry: geometry,
                provenance: BundlePhantom(geometry.affine).provenance())
        }
        let volume = try ReportPage(page()).volume
        #expect(volume.shape[2] == 2 && volume.voxels.count == 960)
        // Nor is a fit in which every voxel was skipped any trouble.
        batch.quality = batch.quality.map { _ in VoxelQuality.notFitted.rawValue }
        try PosteriorShard.write(batch.lists(metadata), metadata: metadata, index: 0, first: 0, directory: folder.path)
        #expect(try !hasBadNumber(page()))
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
        // Numbers without pattern, which is the worst case.
        for i in batch.logProbability.indices {
            batch.logProbability[i] = -Float((i &* 2_654_435_761) >> 8 & 1023) / 64
        }
        try PosteriorShard.write(batch.lists(metadata), metadata: metadata, index: 0, first: 0, directory: folder.path)
        let archive = try PosteriorArchive(directory: folder.path), clock = ContinuousClock()
        let summary = PosteriorSummary(archive, lambda: 0.5, threads: 2)
        var html = ""
        let time = try clock.measure {
            html = try Report.html(
                summary, archive: archive, geometry: geometry, provenance: BundlePhantom(geometry.affine).provenance(),
                threads: 2)
        }
        print("whole brain: \(voxels.count) voxels, page of \(html.utf8.count) bytes in \(time)")
        #expect(voxels.count > 230_000 && html.utf8.count < 5_000_000)
        // In one byte a probability is still what it was.
        let page = try ReportPage(html), volume = try page.volume
        #expect(!volume.isFine && volume.steps == [1, 1, 1])
        let k = (page.data["groups"] as! [[String: Any]]).map { ($0["k"] as! NSNumber).doubleValue }
        let ranks = Dictionary(uniqueKeysWithValues: summary.voxels.enumerated().map { ($1, $0) })
        for v in stride(from: 0, to: volume.voxels.count, by: 997) {
            let p = volume.probabilities(v, k: k, at: 0.5), rank = ranks[volume.voxels[v]]!
            for g in 0..<8 {
                let a = summary.column(.structure(2 * g)), b = summary.column(.structure(2 * g + 1))
                #expect(abs(p[g] - Double(a[a.startIndex + rank] + b[b.startIndex + rank])) < 0.05)
            }
        }
    }
}
