import Diffusion
import Foundation
import Inference
import Reporting
import TestFixtures
import Testing
import Volumes

/// The page's scripts, run by a browser: what stands there after them.
@Suite struct ReportBrowserTests {
    @Test(.enabled(if: Browser.path != nil, "no chromium on this machine: the page's scripts are not run"))
    func browser() throws {
        let phantom = BundlePhantom(ReportTests.affines[4], drawCount: 3), folder = try OutputFolder("report-browser"),
            lambda = 1.5
        let archive = try phantom.write(to: folder.path)
        let here = PosteriorSummary(archive, lambda: 0.5, threads: 2),
            there = PosteriorSummary(archive, lambda: lambda, threads: 2)
        // Signals that are what they are expected to be, but for one volume.
        let directions = (0..<13).map { i in SIMD3(cos(Double(i)), sin(Double(i)), 0.3 * Double(i % 3)) }
        let acquisition = try Acquisition(
            bValues: [0] + Array(repeating: 1000, count: 12),
            directions: directions.map { $0 / ($0 * $0).sum().squareRoot() })
        let signals = (0..<archive.voxelCount).flatMap { _ in (0..<13).map { $0 == 5 ? Float(900) : Float(500) } }
        let survey = try #require(
            FitResiduals(
                archive.shards, lambda: 0.5, mask: here.voxels, signals: signals, acquisition: acquisition, threads: 2
            ).volumes)
        try Report.write(
            here, archive: archive, geometry: phantom.geometry, provenance: phantom.provenance(), survey: survey,
            to: folder.path + "/report.html", threads: 2)
        let voxel = here.voxels[Int(survey.voxels.count) / 2], grid = phantom.geometry.spatialShape
        let place = "\(voxel % grid[0]),\(voxel / grid[0] % grid[1]),\(voxel / (grid[0] * grid[1]))"
        let (dom, console) = try Browser.dump(
            "file://\(folder.path)/report.html#lambda=\(lambda)&voxel=\(place)", folder: folder.path)
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
        // A picture's words tell what it shows, for whoever does not see it.
        let means = try matches(
            "aria-label=\"([A-Z][a-z]+) slice at [^\"]*λ = 1.50: probability of 2 fibres, mean ([0-9.]+)\"")
        #expect(means.map { $0[0] } == ["Axial", "Coronal", "Sagittal"])
        let two = there.column(.fibreCount(2)),
            all = try ReportPage(
                String(contentsOfFile: folder.path + "/report.html", encoding: .utf8)
            ).volume
        let ranks = Dictionary(uniqueKeysWithValues: there.voxels.enumerated().map { ($1, $0) })
        let cursor = try #require(all.places.indices.first { all.voxels[$0] == voxel }.map { all.places[$0] })
        for (words, normal) in zip(means, [2, 1, 0]) {
            let inSlice = all.places.indices.filter { all.places[$0][normal] == cursor[normal] }
            let sum = inSlice.reduce(0.0) { $0 + Double(two[two.startIndex + ranks[all.voxels[$1]]!]) }
            #expect(abs(Double(words[1])! - sum / Double(inSlice.count)) < 0.001)
        }
        #expect(dom.contains("id=\"lambda-value\" for=\"lambda\">1.50<"))
        // The voxel asked for, its data against the model, and the volume that stands out.
        #expect(dom.contains("voxel \(place.replacingOccurrences(of: ",", with: ", ")) ·"))
        #expect(dom.contains("outside the band") && dom.contains("Parameters") && dom.contains("Structures, λ = 1.50"))
        #expect(try matches("counted from 0\\): 5 \\(([0-9.]+) σ\\)").count == 1)
        #expect(dom.contains("body class=\"ready\"") || dom.contains("class=\"ready\""))
    }
}
