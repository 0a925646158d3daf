import Diffusion
import Foundation
import Inference
import ModelSpace
import Parallel
import Reporting
import TestFixtures
import Testing
import Volumes

/// A whole brain's worth of posteriors, summarised and written: run with PRISM_BRAIN=1; prints seconds and memory.
struct BrainScaleTests {
    @Test(.enabled(if: ProcessInfo.processInfo.environment["PRISM_BRAIN"] != nil)) func brain() throws {
        let folder = try OutputFolder("brain"), shape = [128, 128, 78], s = 50
        let affine = Affine(rows: [-1.8, 0, 0, 115, 0, 1.8, 0, -115, 0, 0, 1.8, -70]),
            geometry = VolumeGeometry(shape: shape, affine: affine)
        let voxels = (0..<geometry.voxelsPerVolume).filter { v in
            let x = Double(v % 128) - 63.5, y = Double(v / 128 % 128) - 63.5, z = Double(v / 16384) - 38.5
            return x * x / (38 * 38) + y * y / (47 * 47) + z * z / (31.5 * 31.5) < 1
        }
        let per = 4096, count = (voxels.count + per - 1) / per
        let metadata = PosteriorMetadata(
            family: BallSticks.family, drawLambda: 0.5, referenceLambda: 0.5, drawCount: s, grid: shape, seed: 1,
            shardCount: count, voxelCount: voxels.count)
        if !FileManager.default.fileExists(atPath: folder.path + "/" + PosteriorShard.name(count - 1)) {
            try forEachInParallel(count, threads: 2) { index in
                let range = (index * per)..<min(voxels.count, (index + 1) * per)
                var batch = DenseBatch(voxels: voxels[range].map(Int32.init), drawCount: s)
                var row = [Float](repeating: 0, count: 16)
                for (i, v) in voxels[range].enumerated() {
                    var random = RandomSource(seed: 2, stream: UInt64(v))
                    let n = v % 3 + (v % 7 == 0 ? 1 : 0)
                    batch.quality[i] = 0
                    batch.meanB0[i] = 1000
                    let axes = (0..<3).map { _ in SIMD3(random.normal(), random.normal(), random.normal()) }
                    for d in 0..<s {
                        let sticks = max(0, n - (random.uniform() < 0.3 ? 1 : 0))
                        batch.drawStructures[i * s + d] = UInt8(4 * sticks + random.index(below: 4))
                        for p in 0..<16 { row[p] = 0 }
                        row[0] = Float(1 + 0.1 * random.normal())
                        row[2] = 20
                        row[3] = Float(1 + 0.05 * random.normal())
                        for j in 0..<sticks {
                            row[4 + j] = Float(0.3 + 0.1 * random.uniform())
                            var axis = axes[j] + 0.1 * SIMD3(random.normal(), random.normal(), random.normal())
                            axis /= (axis * axis).sum().squareRoot()
                            for a in 0..<3 { row[7 + 3 * j + a] = Float(axis[a]) }
                        }
                        _ = batch.draws.withUnsafeMutableBufferPointer {
                            HalfPrecision.encode(row, $0.baseAddress! + (i * s + d) * 16, count: 16)
                        }
                    }
                }
                try PosteriorShard.write(
                    batch.lists(metadata), metadata: metadata, index: index, first: range.lowerBound,
                    directory: folder.path)
            }
        }
        let clock = ContinuousClock()
        var archive: PosteriorArchive?
        let opening = try clock.measure { archive = try PosteriorArchive(directory: folder.path) }
        print("\(voxels.count) voxels; open archive \(opening)")
        for threads in [1, 2] {
            let time = clock.measure { _ = PosteriorSummary(archive!, lambda: 1, threads: threads) }
            print("summary at another lambda, \(threads) threads: \(time)")
        }
        let phantom = BundlePhantom(affine)
        for (name, formats) in [
            ("bids", FitOutputs.Formats.bids), ("mrtrix", .mrtrix), ("fsl", .fsl), ("dipy", .dipy),
            ("picture", .picture), ("report", .report), ("standard", .standard),
        ] {
            let (_, provenance) = try FitOutputs.write(
                archive: archive!, lambda: 0.5, geometry: geometry, directory: folder.path,
                provenance: phantom.provenance(), formats: formats,
                threads: 2)
            if name == "report" {
                let size =
                    try FileManager.default.attributesOfItem(atPath: folder.path + "/report.html")[.size] as? Int
                    ?? .max
                #expect(size < 5_000_000)
                print("report.html: \(size) bytes")
            }
            print("\(name): \(provenance.timings), peak \(provenance.peakMemoryBytes / 1_000_000) MB")
        }
    }
}
