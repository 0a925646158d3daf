import Diffusion
import Foundation
import Inference
import TestFixtures
import Testing
import Volumes

@testable import Reporting

/// What trackers read as "no direction, stop" must not be written where a voxel has one: probtrackx2 stops at th = 0 or
/// ph = 0.
struct SampleDirectionTests {
    private typealias Axis = SIMD3<Float>
    /// One draw: its fibres' fractions and axes, or only a direction without a fibre.
    private struct Draw {
        var sticks: [(fraction: Float, axis: Axis)] = []
        var bare: Axis?
    }
    /// Ten draws of one voxel, and the probability of each number of fibres.
    private struct Voxel {
        var draws: [Draw], probability: [Float]
    }

    private static func unit(_ x: Float, _ y: Float, _ z: Float) -> Axis {
        Axis(x, y, z) / (x * x + y * y + z * z).squareRoot()
    }
    /// Ten directions about (1, 1, 1).
    private static let fan = (0..<10).map { unit(1 + 0.02 * Float($0), 1, 1) }
    private static let along: [Axis] = [
        Axis(0, 0, 1), Axis(0, 0, -1), Axis(1, 0, 0), Axis(-1, 0, 0), Axis(0, 1, 0), unit(1, 0, 1), unit(-1, 0, -1),
    ]

    private static let voxels: [Voxel] = {
        func draws(_ draw: (Int) -> Draw) -> [Draw] { (0..<10).map(draw) }
        func one(_ fraction: Float, _ axis: Axis) -> Draw { Draw(sticks: [(fraction: fraction, axis: axis)]) }
        let second = unit(1, -1, 0.2), third = unit(-1, -1, 1.9)
        var all: [Voxel] = []
        // 0: half the draws lack the fibre.
        all.append(Voxel(draws: draws { $0 < 5 ? Draw() : one(0.4, fan[$0]) }, probability: [0.5, 0.5, 0, 0]))
        // 1: a draw in ten has it: nine take its direction.
        all.append(Voxel(draws: draws { $0 < 9 ? Draw() : one(0.2, fan[0]) }, probability: [0.9, 0.1, 0, 0]))
        // 2: only stored draws that count for nothing have it.
        all.append(Voxel(draws: draws { $0 < 7 ? Draw() : one(0.1, fan[$0]) }, probability: [1 - 1e-6, 1e-6, 0, 0]))
        // 3: no draw has a fibre; all hold a direction (the tensor's).
        all.append(Voxel(draws: draws { _ in Draw(bare: fan[3]) }, probability: [1, 0, 0, 0]))
        // 4: some hold one (the chain), others have the fibre.
        all.append(
            Voxel(draws: draws { $0 < 5 ? Draw(bare: fan[$0]) : one(0.06, fan[$0]) }, probability: [0.5, 0.5, 0, 0]))
        // 5: a second fibre in three draws, a third in one.
        all.append(
            Voxel(
                draws: draws { d in
                    var draw = one(0.4, fan[d])
                    if d >= 7 { draw.sticks.append((fraction: 0.25, axis: second)) }
                    if d >= 9 { draw.sticks.append((fraction: 0.12, axis: third)) }
                    return draw
                }, probability: [0, 0.7, 0.2, 0.1]))
        // 6: an older fit, which knows no direction.
        all.append(Voxel(draws: draws { _ in Draw() }, probability: [1, 0, 0, 0]))
        for axis in along { all.append(Voxel(draws: draws { _ in one(0.5, axis) }, probability: [0, 1, 0, 0])) }
        return all
    }()

    private static let grid = VolumeGeometry(shape: [voxels.count, 1, 1])

    private func archive(_ folder: String) throws -> PosteriorArchive {
        let n = Self.voxels.count, d = 10
        let metadata = PosteriorMetadata(
            family: BallSticks.family, drawLambda: 0, referenceLambda: 0, drawCount: d,
            grid: [n, 1, 1], seed: 1, shardCount: 1, voxelCount: n)
        var batch = DenseBatch(voxels: (0..<n).map(Int32.init), drawCount: d)
        for (v, voxel) in Self.voxels.enumerated() {
            batch.quality[v] = 0
            batch.meanB0[v] = 100
            for z in 0..<16 {
                batch.logProbability[v * 16 + z] = z % 4 == 0 ? log(voxel.probability[z / 4]) : -.infinity
            }
            for (i, draw) in voxel.draws.enumerated() {
                batch.drawStructures[v * d + i] = UInt8(4 * draw.sticks.count)
                let row = (v * d + i) * DrawColumn.count
                for (j, stick) in draw.sticks.enumerated() {
                    batch.draws[row + DrawColumn.fraction + j] = Float16(stick.fraction)
                    for a in 0..<3 { batch.draws[row + DrawColumn.direction + 3 * j + a] = Float16(stick.axis[a]) }
                }
                guard let bare = draw.bare else { continue }
                for a in 0..<3 { batch.draws[row + DrawColumn.direction + a] = Float16(bare[a]) }
            }
        }
        try PosteriorShard.write(batch.lists(metadata), metadata: metadata, index: 0, first: 0, directory: folder)
        return try PosteriorArchive(directory: folder)
    }

    /// The files of a fit of the voxels above: `value(name, voxel, volume)`.
    private func written(_ formats: FitOutputs.Formats, _ name: String) throws -> (String, Int, Int) throws -> Float {
        let folder = try OutputFolder(name)
        let phantom = BundlePhantom(BundlePhantom.affines[0].affine)
        let (_, provenance) = try FitOutputs.write(
            archive: archive(folder.path), lambda: 0, geometry: Self.grid, directory: folder.path,
            provenance: phantom.provenance(), formats: formats, threads: 2)
        // Voxel 6, where FSL's files are written.
        let isSaid = provenance.warnings.contains { $0.hasPrefix("1 of \(Self.voxels.count) voxels have no fibre") }
        #expect(isSaid == formats.contains(.fsl))
        var images: [String: [Float]] = [:]
        return { name, v, t in
            if images[name] == nil { images[name] = try readAll(folder.path + "/" + name).values }
            return images[name]![t * Self.voxels.count + v]
        }
    }

    /// The identity affine has determinant 1: FSL's x runs the other way.
    private func axis(_ th: Float, _ ph: Float) -> Axis { Axis(-sin(th) * cos(ph), sin(th) * sin(ph), cos(th)) }
    private func near(_ a: Axis, _ b: Axis) -> Bool { abs((a * b).sum()) > 0.9999 }

    @Test func directionsAreNeverEmptyWhereTheVoxelHasOne() throws {
        let value = try written(.fsl, "sample-directions")
        func sample(_ v: Int, _ s: Int, _ k: Int) throws -> (axis: Axis?, f: Float) {
            let th = try value("fsl.bedpostX/merged_th\(k)samples.nii.gz", v, s)
            let ph = try value("fsl.bedpostX/merged_ph\(k)samples.nii.gz", v, s)
            // One zero angle is no direction either.
            #expect((th == 0) == (ph == 0), "voxel \(v), draw \(s), fibre \(k)")
            return (th == 0 ? nil : axis(th, ph), try value("fsl.bedpostX/merged_f\(k)samples.nii.gz", v, s))
        }
        for (v, voxel) in Self.voxels.enumerated() {
            for k in 1...3 {
                let holders = voxel.draws.filter { $0.sticks.count >= k }
                let isKnown = !holders.isEmpty || (k == 1 && voxel.draws[0].bare != nil)
                let found = try (0..<10).map { try sample(v, $0, k) }
                #expect(found.allSatisfy { ($0.axis != nil) == isKnown }, "voxel \(v), fibre \(k)")
                // Every direction is one that the archive holds for the fibre.
                let held = holders.map { $0.sticks[k - 1].axis } + (k == 1 ? voxel.draws.compactMap { $0.bare } : [])
                for case let axis? in found.map({ $0.axis }) {
                    #expect(held.contains { near($0, axis) }, "voxel \(v), fibre \(k)")
                }
                let mean = found.map { $0.f }.reduce(0, +) / 10
                #expect(abs(mean - (try value("fsl.bedpostX/mean_f\(k)samples.nii.gz", v, 0))) < 1e-3)
            }
        }
        // Five draws have it, and five lack it: each direction twice, the lacking with f = 0.
        let half = try (0..<10).map { try sample(0, $0, 1) }
        for d in 5..<10 { #expect(half.count { angle($0.axis!, Self.fan[d]) < 0.2 } == 2) }
        #expect(half.count { $0.f == 0 } == 5)
        // All draws chosen are empty in these; directions of stored draws are used evenly.
        let unlikely = try (0..<10).map { try sample(2, $0, 1) }
        #expect(unlikely.allSatisfy { $0.f == 0 })
        for d in 7..<10 { #expect((3...4).contains(unlikely.count { angle($0.axis!, Self.fan[d]) < 0.2 })) }
        // The chain's own direction comes before that of another draw.
        for d in 0..<10 { #expect(angle(try sample(4, d, 1).axis!, Self.fan[d]) < 0.2) }
        // Along the axes.
        for (i, truth) in Self.along.enumerated() { #expect(angle(try sample(7 + i, 0, 1).axis!, truth) < 0.1) }
    }

    /// Degrees.
    private func angle(_ a: Axis, _ b: Axis) -> Float {
        acos(min(1, abs((a * b).sum() / ((a * a).sum() * (b * b).sum()).squareRoot()))) * 180 / .pi
    }

    /// Peaks are twice the fraction, so that tckgen's default cutoff of 0.1 is the smallest fraction; draws of a voxel
    /// that has a peak have one.
    @Test func peaksPassTckgensCutoff() throws {
        let value = try written([.mrtrix, .bids, .draws], "peaks")
        func peak(_ name: String, _ v: Int, _ k: Int) throws -> Float {
            let p = try (0..<3).map { try value(name, v, 3 * k + $0) }
            return (p[0] * p[0] + p[1] * p[1] + p[2] * p[2]).squareRoot()
        }
        for (v, voxel) in Self.voxels.enumerated() {
            for k in 0..<3 {
                let mean = voxel.draws.map { $0.sticks.count > k ? $0.sticks[k].fraction : 0 }.reduce(0, +) / 10
                let shown = v == 2 ? 0 : mean, length = try peak("mrtrix/peaks.nii.gz", v, k)
                let isRight = abs(length - (shown >= 0.05 ? 2 * shown : 0)) < 2e-3
                #expect(isRight && (length == 0 || length >= 0.1), "voxel \(v), fibre \(k)")
                for s in 0..<10 where k == 0 {
                    let drawn = try peak(String(format: "mrtrix/draws/peaks-%05d.nii.gz", s), v, 0)
                    #expect(shown >= 0.05 ? drawn >= 0.0999 : v == 4 || v == 1 || drawn == 0, "voxel \(v), draw \(s)")
                }
            }
        }
        // BIDS: 0 says that a draw lacks the fibre, and nothing else does.
        for v in Self.voxels.indices {
            for s in 0..<10 {
                let f = try value("dwi/sub-01_model-bs_param-vf_desc-merged_dwimap.nii.gz", v, 3 * s)
                for t in 0..<2 {
                    let angle = try value("dwi/sub-01_model-bs_param-polar_desc-merged_dwimap.nii.gz", v, 6 * s + t)
                    #expect((angle == 0) == (f == 0))
                }
            }
        }
    }
}
