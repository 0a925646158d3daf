import Diffusion
import Foundation
import Tensors

/// What a fit leaves over, volume by volume and slice by slice; and of some voxels the signals themselves beside what
/// the posterior predicts for them. A file of its own beside the posterior, for the report.
///
/// Sums are whole numbers, so that parts of a fit add up to the same bytes in any order. `FitResiduals` makes it.
/// Shapes: M volumes, Z slices along the image's third axis, N voxels chosen.
public struct ResidualSurvey: Equatable, Sendable {
    /// λ of the draws.
    public var lambda: Double
    /// [M] s/mm²; and whether each counts as unweighted.
    public let bValues: [Float], isUnweighted: [UInt8]
    /// M × 3: gradient directions in the scanner's frame.
    public let directions: [Float]
    /// Z × M: measurements of fitted voxels, and the sums of (y − E y)/σ and of its square, in units of 1/65536.
    public private(set) var counts: [Int64], sums: [Int64], squares: [Int64]
    /// N places in the image, x fastest, rising.
    public private(set) var voxels: [Int32]
    /// N × M: signals, and mean and standard deviation of what the posterior predicts, in the scan's units.
    public private(set) var signals: [Float], means: [Float], deviations: [Float]

    public static let fileName = "residuals.safetensors"
    static let unit = 65536.0
    /// Residuals beyond this, in σ, count as this.
    static let largest = 1000.0
    /// N · M at most.
    static let budget = 80_000

    public var volumeCount: Int { bValues.count }
    public var sliceCount: Int { bValues.isEmpty ? 0 : counts.count / bValues.count }

    /// From what some blocks of voxels add, in their order.
    init(_ blocks: [VolumeSums], acquisition: Acquisition, slices z: Int, lambda: Double) {
        let m = acquisition.count
        self.lambda = lambda
        bValues = acquisition.bValues.map(Float.init)
        isUnweighted = (0..<m).map { acquisition.isUnweighted($0) ? 1 : 0 }
        directions = acquisition.directions.flatMap { [Float($0.x), Float($0.y), Float($0.z)] }
        counts = Array(repeating: 0, count: z * m)
        (sums, squares, voxels) = (counts, counts, [])
        (signals, means, deviations) = ([], [], [])
        for block in blocks {
            for (slice, rows) in block.rows {
                for j in 0..<m {
                    counts[slice * m + j] += rows[j].x
                    sums[slice * m + j] += rows[j].y
                    squares[slice * m + j] += rows[j].z
                }
            }
            voxels += block.voxels
            signals += block.signals
            means += block.means
            deviations += block.deviations
        }
    }

    /// The voxels of which signals are kept: all where they are few, else those on a lattice in the image.
    static func choose(_ mask: [Int], grid: [Int], volumes: Int) -> [Int] {
        let most = max(64, budget / max(1, volumes))
        guard mask.count > most else { return mask }
        func place(_ v: Int) -> [Int] { [v % grid[0], v / grid[0] % grid[1], v / (grid[0] * grid[1])] }
        var low = grid, high = [0, 0, 0]
        for v in mask {
            let p = place(v)
            for d in 0..<3 { (low[d], high[d]) = (min(low[d], p[d]), max(high[d], p[d])) }
        }
        for step in 2... {
            // Of a thin image several slices stay.
            let steps = (0..<3).map { min(step, max(1, (high[$0] - low[$0] + 1) / 6)) }
            let kept = mask.filter { v in
                let p = place(v)
                return (0..<3).allSatisfy { (p[$0] - low[$0]) % steps[$0] == steps[$0] / 2 }
            }
            if kept.count <= most { return kept }
            if step > 64 { return Array(kept.prefix(most)) }
        }
        return []
    }

    /// The parts of one fit together; nil when one is missing or of another scan.
    public static func joining(_ parts: [ResidualSurvey?]) -> ResidualSurvey? {
        guard var whole = parts.first ?? nil else { return nil }
        for part in parts.dropFirst() {
            guard let part, part.lambda == whole.lambda, part.bValues == whole.bValues,
                part.directions == whole.directions, part.counts.count == whole.counts.count
            else { return nil }
            for i in whole.counts.indices {
                whole.counts[i] &+= part.counts[i]
                whole.sums[i] &+= part.sums[i]
                whole.squares[i] &+= part.squares[i]
            }
            whole.voxels += part.voxels
            whole.signals += part.signals
            whole.means += part.means
            whole.deviations += part.deviations
        }
        // Parts are runs of voxels, named in any order.
        let m = whole.volumeCount, order = whole.voxels.indices.sorted { whole.voxels[$0] < whole.voxels[$1] }
        func sorted(_ values: [Float]) -> [Float] { order.flatMap { values[($0 * m)..<(($0 + 1) * m)] } }
        (whole.signals, whole.means, whole.deviations) = (
            sorted(whole.signals), sorted(whole.means), sorted(whole.deviations)
        )
        whole.voxels = order.map { whole.voxels[$0] }
        return whole
    }
}

/// What a block of voxels adds to a `ResidualSurvey`: by slice, a row of volumes with number, sum and sum of squares.
struct VolumeSums: Sendable {
    private(set) var rows: [Int: [SIMD3<Int64>]] = [:]
    private(set) var voxels: [Int32] = [], signals: [Float] = [], means: [Float] = [], deviations: [Float] = []

    mutating func add(_ residuals: [Double], _ signals: UnsafePointer<Float>, slice: Int) {
        var row = rows[slice] ?? Array(repeating: SIMD3(), count: residuals.count)
        for (j, r) in residuals.enumerated() where r.isFinite && signals[j] != 0 {
            let bounded = max(-ResidualSurvey.largest, min(ResidualSurvey.largest, r)), unit = ResidualSurvey.unit
            let terms = SIMD3(1, Int64((bounded * unit).rounded()), Int64((bounded * bounded * unit).rounded()))
            row[j] = row[j] &+ terms
        }
        rows[slice] = row
    }

    mutating func keep(_ voxel: Int, _ signals: UnsafePointer<Float>, _ predictions: VoxelPredictions) {
        voxels.append(Int32(voxel))
        for j in predictions.mean.indices {
            self.signals.append(signals[j].isFinite ? signals[j] : 0)
            means.append(Float(predictions.mean[j].isFinite ? predictions.mean[j] : 0))
            deviations.append(Float(predictions.sd[j].isFinite ? predictions.sd[j] : 0))
        }
    }
}

extension ResidualSurvey {
    private static let format = "prism-dmri residuals 1"

    /// - Throws: `SafetensorsError.unwritable`.
    public func write(to path: String) throws {
        let m = volumeCount, z = sliceCount, n = voxels.count
        let writer = try SafetensorsWriter(
            path: path,
            tensors: [
                ("b_value", .f32, [m]), ("unweighted", .u8, [m]), ("direction", .f32, [m, 3]), ("count", .i64, [z, m]),
                ("sum", .i64, [z, m]), ("square", .i64, [z, m]), ("voxel", .i32, [n]), ("signal", .f32, [n, m]),
                ("mean", .f32, [n, m]), ("sd", .f32, [n, m]),
            ],
            metadata: ["format": Self.format, "lambda": "\(lambda)", "unit": "\(Self.unit)"], isChecksummed: true)
        try writer.append(bValues, to: "b_value")
        try writer.append(isUnweighted, to: "unweighted")
        try writer.append(directions, to: "direction")
        for (values, name) in [(counts, "count"), (sums, "sum"), (squares, "square")] {
            try writer.append(values, to: name)
        }
        try writer.append(voxels, to: "voxel")
        for (values, name) in [(signals, "signal"), (means, "mean"), (deviations, "sd")] {
            try writer.append(values, to: name)
        }
        try writer.finish()
    }

    /// Reads what `write` wrote.
    /// - Parameter grid: the fit's.
    /// - Throws: `SafetensorsError`, `PosteriorArchiveError.damaged`.
    public init(path: String, grid: [Int]) throws {
        func damaged(_ reason: String) -> PosteriorArchiveError { .damaged(path: path, reason: reason) }
        let file = try SafetensorsReader(path: path)
        guard file.isIntact != false else { throw damaged("it is not what was written: its checksum does not hold") }
        guard file.metadata["format"] == Self.format, let lambda = file.metadata["lambda"].flatMap({ Double($0) }),
            (0...1000).contains(lambda)
        else { throw damaged("it holds no residuals that this version reads") }
        self.lambda = lambda
        bValues = try file.array("b_value", as: Float.self, shape: [-1])
        let m = bValues.count
        isUnweighted = try file.array("unweighted", as: UInt8.self, shape: [m])
        directions = try file.array("direction", as: Float.self, shape: [m, 3])
        counts = try file.array("count", as: Int64.self, shape: [grid[2], m])
        sums = try file.array("sum", as: Int64.self, shape: [grid[2], m])
        squares = try file.array("square", as: Int64.self, shape: [grid[2], m])
        voxels = try file.array("voxel", as: Int32.self, shape: [-1])
        signals = try file.array("signal", as: Float.self, shape: [voxels.count, m])
        means = try file.array("mean", as: Float.self, shape: [voxels.count, m])
        deviations = try file.array("sd", as: Float.self, shape: [voxels.count, m])
        let extent = grid.reduce(1, *)
        guard m > 0, voxels.allSatisfy({ (0..<extent).contains(Int($0)) }),
            zip(voxels, voxels.dropFirst()).allSatisfy({ $0 < $1 }), counts.allSatisfy({ $0 >= 0 }),
            [bValues, directions, signals, means, deviations].allSatisfy({ $0.allSatisfy(\.isFinite) })
        else { throw damaged("its numbers make no sense") }
    }
}
