import Foundation
import Inference
import Reporting
import Testing

/// Scans side by side: robust scores by hand, and what is called an outlier.
struct CohortTests {
    /// Fits that differ in their share of fitted voxels alone.
    private func table(_ fitted: [Int]) throws -> CohortTable {
        let folder = try OutputFolder("cohort"), phantom = BundlePhantom(BundlePhantom.affines[0].affine, drawCount: 10)
        return CohortTable(
            try fitted.enumerated().map { i, count in
                var provenance = phantom.provenance()
                provenance.counts.voxels = 1000
                provenance.counts.fitted = count
                provenance.warnings = i == 0 ? ["<b>odd</b>"] : []
                try FileManager.default.createDirectory(
                    atPath: folder.path + "/fits/sub-0\(i)_run-1", withIntermediateDirectories: true)
                try provenance.write(to: folder.path + "/fits/sub-0\(i)_run-1/fit.json")
                return try CohortRow(
                    root: folder.path, fit: "fits/sub-0\(i)_run-1", maps: "sub-0\(i)/dwi", name: "sub-0\(i)_run-1")
            })
    }

    @Test func theScanThatIsUnlikeTheOthersStandsOut() throws {
        let table = try table([980, 981, 979, 982, 900])
        let column = try #require(CohortTable.columns.firstIndex { $0.name == "fitted" })
        // Median 0.980; deviations 0, 1, 1, 2, 80 thousandths: their median is 1.
        #expect(table.outliers.map(\.count) == [0, 0, 0, 0, 1] && table.outliers[4] == [column])
        let score = try #require(table.scores[4][column])
        #expect(abs(score - -0.08 / (1.4826 * 0.001)) < 1e-6)
        let lines = table.tsv.split(separator: "\n").map { $0.split(separator: "\t").map(String.init) }
        #expect(lines.count == 6 && lines.allSatisfy { $0.count == CohortTable.columns.count + 3 })
        #expect(lines[5].last == "fitted" && lines[1].last == "n/a" && lines[1][lines[1].count - 2] == "1")
        let page = CohortPage.html(table, title: "All", version: "1")
        #expect(page.components(separatedBy: "class=\"bad\"").count == 2)
        #expect(page.contains("&lt;b&gt;odd&lt;/b&gt;") && !page.contains("<b>odd"))
        let own = CohortPage.html(table, title: "sub-04", shown: "sub-04", version: "1")
        #expect(own.contains("sub-04_run-1") && !own.contains("sub-03_run-1") && own.contains("class=\"bad\""))
    }

    @Test func fewScansOrEqualOnesHaveNoOutliers() throws {
        #expect(try table([980, 981, 979, 100]).outliers.allSatisfy(\.isEmpty))
        #expect(try table([980, 980, 980, 980, 100]).outliers.allSatisfy(\.isEmpty))
    }
}
