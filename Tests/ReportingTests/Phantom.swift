import Diffusion
import Foundation
import Inference
import ModelSpace
import TestFixtures
import Reporting
import Volumes

/// A folder that goes when the test does; with PRISM_KEEP_OUTPUTS=DIR in the environment it is DIR/name and stays, to
/// be looked at with other tools (examples/check_outputs.py, tckgen).
final class OutputFolder {
    let path: String
    private let isKept: Bool

    init(_ name: String) throws {
        if let keep = ProcessInfo.processInfo.environment["PRISM_KEEP_OUTPUTS"] {
            path = keep + "/" + name
            isKept = true
        } else {
            path = FileManager.default.temporaryDirectory.appendingPathComponent("\(name)-\(UUID().uuidString)").path
            isKept = false
        }
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { if !isKept { try? FileManager.default.removeItem(atPath: path) } }
}

/// Sixteen structures: number of sticks, then spread, then noise.
let structureTable = StructureTable(StructureRule(BallSticks.family))

/// Two bundles in scanner space (mm): an arc of radius 28 about (−6, −10, −4) in a tilted plane, tube radius 5; and a
/// straight bundle through (10, 4, 2) along (1, −0.6, 0.5), tube radius 4. Neither is symmetric, so that a wrong flip
/// or rotation leads out of them.
struct BundlePhantom {
    var geometry: VolumeGeometry
    let drawCount: Int

    static let affines: [(name: String, affine: Affine)] = {
        func make(_ flip: Double, _ turned: Bool) -> Affine {
            let size = [2.0, 2.2, 2.5], shape = [36.0, 34, 26]
            var r: [[Double]] = [[flip, 0, 0], [0, 1, 0], [0, 0, 1]]
            if turned {
                let (a, b) = (0.35, -0.25)
                let rz = [[cos(a), -sin(a), 0], [sin(a), cos(a), 0], [0, 0, 1]],
                    rx = [[1, 0, 0], [0, cos(b), -sin(b)], [0, sin(b), cos(b)]]
                func times(_ p: [[Double]], _ q: [[Double]]) -> [[Double]] {
                    (0..<3).map { i in (0..<3).map { j in (0..<3).reduce(0) { $0 + p[i][$1] * q[$1][j] } } }
                }
                r = times(times(rz, rx), r)
            }
            var rows: [Double] = []
            for i in 0..<3 {
                let row = (0..<3).map { r[i][$0] * size[$0] }
                rows += row + [-(0..<3).reduce(0) { $0 + row[$1] * (shape[$1] - 1) / 2 }]
            }
            return Affine(rows: rows)
        }
        return [
            ("left-handed", make(-1, false)), ("right-handed", make(1, false)), ("left-handed-oblique", make(-1, true)),
            ("right-handed-oblique", make(1, true)),
        ]
    }()

    init(_ affine: Affine, drawCount: Int = 20) {
        geometry = VolumeGeometry(shape: [36, 34, 26], affine: affine)
        self.drawCount = drawCount
    }

    /// Directions (scanner frame) of the bundles that pass through a point.
    static func directions(_ p: SIMD3<Double>) -> [SIMD3<Double>] {
        func unit(_ v: SIMD3<Double>) -> SIMD3<Double> { v / (v * v).sum().squareRoot() }
        var result: [SIMD3<Double>] = []
        let u = unit(SIMD3(1, 0.2, 0.3)), w0 = SIMD3(-0.1, 1, 0.4), w = unit(w0 - (w0 * u).sum() * u)
        let off = p - SIMD3(-6, -10, -4), a = (off * u).sum(), b = (off * w).sum()
        let inPlane = (a * a + b * b).squareRoot(), height = (off - a * u - b * w), ring = inPlane - 28
        if (height * height).sum() + ring * ring < 25 && a > -10 && b > -6 { result.append(unit(-b * u + a * w)) }
        let d = unit(SIMD3(1, -0.6, 0.5)), q = p - SIMD3(10, 4, 2), aside = q - (q * d).sum() * d
        if (aside * aside).sum() < 16 { result.append(d) }
        return result
    }

    var voxels: [Int] { (0..<geometry.voxelsPerVolume).filter { $0 % 36 > 0 && $0 % 36 < 35 } }

    func position(_ voxel: Int) -> SIMD3<Double> {
        geometry.affine(SIMD3(Double(voxel % 36), Double(voxel / 36 % 34), Double(voxel / (36 * 34))))
    }

    /// Writes the phantom's posterior in two shards; the first voxel of the mask is not fitted.
    func write(to directory: String, notes: [String: String] = [:]) throws -> PosteriorArchive {
        let voxels = voxels, half = voxels.count / 2 + 7
        let metadata = PosteriorMetadata(
            family: BallSticks.family, drawLambda: 0.5, referenceLambda: 0.5, drawCount: drawCount,
            grid: geometry.spatialShape, seed: 1, networkName: "phantom", networkSHA256: "00", shardCount: 2,
            voxelCount: voxels.count, notes: notes)
        for (index, range) in [0..<half, half..<voxels.count].enumerated() {
            var batch = DenseBatch(voxels: voxels[range].map(Int32.init), drawCount: drawCount)
            for (i, v) in voxels[range].enumerated() where v != voxels[0] {
                var random = RandomSource(seed: 1, stream: UInt64(v))
                let truth = Self.directions(position(v))
                batch.quality[i] = v % 50 == 0 ? VoxelQuality.negativeSignal.rawValue : 0
                batch.meanB0[i] = 500
                batch.misfit[i] = Float(random.uniform(0.8, 1.2))
                for z in 0..<16 {
                    let isTrue = structureTable.rows[z].fibreCount == truth.count
                    batch.logProbability[i * 16 + z] = Float(log(isTrue ? 0.8 / 4 : 0.2 / 12))
                }
                for d in 0..<drawCount {
                    let z = 4 * truth.count + Int(random.index(below: 4))
                    batch.drawStructures[i * drawCount + d] = UInt8(z)
                    let base = (i * drawCount + d) * DrawColumn.count
                    batch.draws[base] = Float16(1 + 0.1 * random.normal())
                    batch.draws[base + 1] = structureTable.rows[z].hasSpread ? 0.3 : 0
                    batch.draws[base + 2] = Float16(25 + random.normal())
                    batch.draws[base + 3] = Float16(1 + 0.01 * random.normal())
                    var sticks = truth.map { axis in
                        let jittered = axis + 0.03 * SIMD3(random.normal(), random.normal(), random.normal())
                        return (
                            f: 0.7 / Double(truth.count) + 0.05 * random.normal(),
                            axis: jittered / (jittered * jittered).sum().squareRoot()
                        )
                    }
                    sticks.sort { $0.f > $1.f }
                    for (j, stick) in sticks.enumerated() {
                        batch.draws[base + 4 + j] = Float16(stick.f)
                        for a in 0..<3 {
                            batch.draws[base + 7 + 3 * j + a] = Float16(stick.axis[a] * (d % 2 == 0 ? 1 : -1))
                        }
                    }
                }
            }
            try PosteriorShard.write(
                batch.lists(metadata), metadata: metadata, index: index, first: range.lowerBound, directory: directory)
        }
        return try PosteriorArchive(directory: directory)
    }

    func provenance() -> FitProvenance {
        FitProvenance(
            version: "0.0", commandLine: ["prism-dmri", "fit", "a \"quoted\" name.nii.gz"],
            startedAt: "2026-01-01T00:00:00Z", engine: "prism",
            family: "ball-sticks", lambda: 0, drawLambda: 0, seed: 1, drawsPerVoxel: drawCount,
            inputs: ["dwi": "x.nii.gz"],
            sources: ["bids::sub-01/dwi/sub-01_dwi.nii.gz"], sourceStem: "sub-01_dwi",
            acquisition: .init(volumeCount: 10, baselineCount: 1, shells: [.init(bValue: 1000, volumeCount: 9)]),
            threads: 2)
    }
}

/// All values of an image, volume after volume.
func readAll(_ path: String) throws -> (shape: [Int], affine: Affine, values: [Float]) {
    let reader = try VolumeReader(path: path)
    let volume = reader.geometry.voxelsPerVolume
    var values = [Float](repeating: 0, count: volume * reader.geometry.volumeCount)
    for t in 0..<reader.geometry.volumeCount {
        try values.withUnsafeMutableBufferPointer {
            try reader.read(into: UnsafeMutableBufferPointer(rebasing: $0[(t * volume)..<((t + 1) * volume)]))
        }
    }
    try reader.finish()
    return (reader.geometry.shape, reader.geometry.affine, values)
}
