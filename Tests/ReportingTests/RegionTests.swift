import Diffusion
import Foundation
import Inference
import ModelSpace
import Testing
import Volumes

@testable import Reporting

/// Numbers of regions against sums over the archive written out here.
struct RegionTests {
    private func fitted(_ drawCount: Int = 20) throws -> (BundlePhantom, PosteriorArchive, OutputFolder) {
        let phantom = BundlePhantom(BundlePhantom.affines[3].affine, drawCount: drawCount)
        let folder = try OutputFolder("regions")
        return (phantom, try phantom.write(to: folder.path), folder)
    }

    /// Mean and sd of a region's mean are those of independent voxels, and quantiles those of a normal of that mean and
    /// sd, which a sum over 200 voxels is nearly; the share of voxels with n fibres is a sum of coins.
    @Test func meansAndWidths() throws {
        let (_, archive, _) = try fitted(), summary = PosteriorSummary(archive, lambda: 0.5, threads: 2)
        let single = summary.column(.fibreCount(1))
        let inBundle = (0..<summary.count).filter { single[single.startIndex + $0] > 0.5 }
        let chosen = Array(inBundle.prefix(200)).enumerated().map { (voxel: $1, weight: $0 < 50 ? 3.0 : 1.0) }
        // Voxel 0 is not fitted and does not count.
        let regions = [
            VoxelRegion(name: "all", voxels: [(voxel: 0, weight: 5)] + chosen),
            VoxelRegion(name: "none", voxels: [(voxel: 0, weight: 1)]),
        ]
        let result = RegionStatistics(archive, summary, regions: regions, threads: 2)
        let quantities = RegionStatistics.quantities(archive.metadata)
        #expect(result.fitted == [200, 0] && result.values[1].allSatisfy { $0 == nil })
        let total = chosen.reduce(0) { $0 + $1.weight }
        func column(_ c: SummaryColumn, _ v: Int) -> Double {
            let values = summary.column(c)
            return Double(values[values.startIndex + v])
        }
        for (q, quantity) in quantities.enumerated() {
            let mean: (Int) -> Double, variance: (Int) -> Double
            switch quantity {
            case .statistic(let s):
                mean = { column(.statistic(s, .mean), $0) }
                variance = { pow(column(.statistic(s, .sd), $0), 2) }
            case .fibreCount(let n):
                mean = { column(.fibreCount(n), $0) }
                variance = { column(.fibreCount(n), $0) * (1 - column(.fibreCount(n), $0)) }
            default: Issue.record("ball and sticks has no more"); continue
            }
            let value = try #require(result.values[0][q])
            let expected = chosen.reduce(0.0) { $0 + $1.weight * mean($1.voxel) } / total
            let sd = chosen.reduce(0.0) { $0 + $1.weight * $1.weight * variance($1.voxel) }.squareRoot() / total
            #expect(abs(value.mean - expected) <= 1e-9 * abs(expected) + 1e-12, "\(quantity)")
            #expect(abs(value.sd - sd) <= 1e-9 * sd + 1e-12, "\(quantity)")
            // Four standard errors of a quantile of 1000, 1.645 sd out: 4 √(p(1−p)/1000)/φ = 0.27 sd; and the voxels'
            // sd counts one in twenty draws less, 0.04 sd there.
            for (quantile, z) in [(value.q05, -1.645), (value.q50, 0), (value.q95, 1.645)] {
                #expect(abs(quantile - (expected + z * sd)) < 0.35 * sd + 1e-9, "\(quantity) \(z)")
            }
        }
        let twice = RegionStatistics(archive, summary, regions: regions.reversed(), threads: 1)
        #expect(twice.values[1] == result.values[0], "a region's numbers are its own, on any number of threads")
    }

    /// The intervals are right: of regions whose truth is known, drawn from the voxels' own posteriors, as many lie
    /// within 5 and 95 % as should.
    @Test func coverage() throws {
        let (_, archive, _) = try fitted(), summary = PosteriorSummary(archive, lambda: 0.5, threads: 2)
        let fraction = summary.column(.statistic(.fraction1, .mean))
        let there = (0..<summary.count).filter { fraction[fraction.startIndex + $0] > 0.1 }
        // 24 voxels a region; the truth of each is a draw that its posterior does not know to be true.
        let groups = stride(from: 0, to: there.count - 24, by: 24).map { Array(there[$0..<$0 + 24]) }
        let regions = groups.map { VoxelRegion(name: "", voxels: $0.map { (voxel: $0, weight: 1) }) }
        let result = RegionStatistics(archive, summary, regions: regions, threads: 2)
        let q = try #require(RegionStatistics.quantities(archive.metadata).firstIndex(of: .statistic(.snr)))
        var inside = 0, all = 0, random = RandomSource(seed: 9)
        for (group, values) in zip(groups, result.values) {
            let value = try #require(values[q])
            for _ in 0..<20 {
                // SNR of every draw is 25 + N(0, 1).
                let truth = group.reduce(0.0) { sum, _ in sum + 25 + random.normal() } / Double(group.count)
                all += 1
                if truth >= value.q05 && truth <= value.q95 { inside += 1 }
            }
        }
        // The draws' own mean strays by sd/√20 a voxel: the spread of truth − mean is √1.05 times as large.
        let share = Double(inside) / Double(all)
        #expect(all > 500 && abs(share - 0.89) < 0.05, "\(share) of \(all)")
    }

    /// The table has a row for every region and number, n/a where there is none, and reads as what it says.
    @Test func table() throws {
        let (phantom, archive, folder) = try fitted(5), summary = PosteriorSummary(archive, lambda: 0.5, threads: 1)
        let regions = [
            VoxelRegion(name: "a\tb", voxels: [(voxel: 3, weight: 1)]), VoxelRegion(name: "empty", voxels: []),
        ]
        let statistics = RegionStatistics(archive, summary, regions: regions, threads: 1)
        let mask = Mask(geometry: phantom.geometry, indices: summary.voxels)
        let text = try RegionTable.text(
            statistics, regions: regions, summary: summary, mask: mask, folder: folder.path)
        let lines = text.split(separator: "\n").map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
        #expect(text.hasPrefix(RegionTable.head) && lines.allSatisfy { $0.count == 10 })
        #expect(lines.count == 1 + 2 * (4 + 9 + 1) && lines[1][0] == "ab" && lines[1][1] == "1")
        #expect(lines.filter { $0[0] == "empty" }.allSatisfy { $0[4...].allSatisfy { $0 == "n/a" } })
        #expect(Set(lines.map { $0[2] }).isSuperset(of: ["p_fibres0", "p_fibres3", "diffusivity", "vf3", "misfit"]))
    }
}
